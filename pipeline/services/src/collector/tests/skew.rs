//! Agents of the minor version before and of the one after: what they say more of a frame is handed on, what else they say more is
//! passed over, what they do not say is not missed.

use http::uri::PathAndQuery;
use prost::Message as _;
use tonic::client::Grpc;
use tonic_prost::ProstCodec;

use super::*;

/// A request as the next minor version may have it: with further fields, and further kinds of message.
#[derive(Clone, PartialEq, prost::Message)]
struct NewerRequest {
    #[prost(message, optional, tag = "1")]
    hello: Option<NewerHello>,
    #[prost(message, optional, tag = "2")]
    frame: Option<NewerFrame>,
    #[prost(string, optional, tag = "8")]
    another_kind: Option<String>,
    #[prost(uint64, tag = "99")]
    further: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct NewerHello {
    #[prost(string, tag = "1")]
    agent: String,
    #[prost(string, tag = "2")]
    camera: String,
    #[prost(uint64, tag = "3")]
    epoch: u64,
    #[prost(string, tag = "99")]
    further: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct NewerFrame {
    #[prost(message, optional, tag = "1")]
    id: Option<FrameId>,
    #[prost(int64, tag = "2")]
    captured_at_us: i64,
    #[prost(string, tag = "3")]
    section: String,
    #[prost(int32, tag = "4")]
    event: i32,
    #[prost(bytes = "bytes", tag = "5")]
    image: bytes::Bytes,
    #[prost(sint64, repeated, tag = "9")]
    further: Vec<i64>,
    #[prost(message, optional, tag = "15")]
    another: Option<FrameId>,
}

fn newer_hello() -> NewerRequest {
    NewerRequest {
        hello: Some(NewerHello {
            agent: "camera-agent-1".to_owned(),
            camera: "1".to_owned(),
            epoch: 1,
            further: "of the next version".to_owned(),
        }),
        further: 7,
        ..NewerRequest::default()
    }
}

fn newer_frame() -> NewerRequest {
    let frame = frame(1);
    NewerRequest {
        frame: Some(NewerFrame {
            id: frame.id.clone(),
            captured_at_us: frame.captured_at_us,
            section: frame.section,
            event: frame.event,
            image: frame.image,
            further: vec![1, -2, 3],
            another: frame.id,
        }),
        ..NewerRequest::default()
    }
}

/// What an agent and a collector of version 0.1.0 said to each other before agents had incarnations.
mod older {
    use super::FrameId;

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Request {
        #[prost(message, optional, tag = "1")]
        pub(super) hello: Option<Hello>,
        #[prost(message, optional, tag = "2")]
        pub(super) frame: Option<super::Frame>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Hello {
        #[prost(string, tag = "1")]
        pub(super) agent: String,
        #[prost(string, tag = "2")]
        pub(super) camera: String,
        #[prost(uint64, tag = "3")]
        pub(super) epoch: u64,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Response {
        #[prost(message, optional, tag = "1")]
        pub(super) credits: Option<Credits>,
        #[prost(message, optional, tag = "2")]
        pub(super) acknowledgement: Option<Acknowledgement>,
        #[prost(message, optional, tag = "3")]
        pub(super) drain: Option<Drain>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Credits {
        #[prost(uint32, tag = "1")]
        pub(super) frames: u32,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Acknowledgement {
        #[prost(message, optional, tag = "1")]
        pub(super) id: Option<FrameId>,
        #[prost(int32, tag = "2")]
        pub(super) outcome: i32,
        #[prost(string, tag = "3")]
        pub(super) reason: String,
        #[prost(uint32, tag = "4")]
        pub(super) faces: u32,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Drain {
        #[prost(string, tag = "1")]
        pub(super) reason: String,
    }
}

/// A stream of an agent of another version; `first` is waiting to be sent.
async fn stream<Request, Response>(
    collector: &Trial,
    first: impl IntoIterator<Item = Request>,
) -> (mpsc::Sender<Request>, Streaming<Response>)
where
    Request: prost::Message + 'static,
    Response: prost::Message + Default + 'static,
{
    let (requests, outgoing) = mpsc::channel(16);
    for request in first {
        requests.send(request).await.unwrap();
    }
    let mut client = Grpc::new(collector.channel());
    client.ready().await.unwrap();
    let path = PathAndQuery::from_static("/airside.v1.FrameIngest/Stream");
    let codec = ProstCodec::<Request, Response>::default();
    let request = tonic::Request::new(ReceiverStream::new(outgoing));
    let answers = client.streaming(request, path, codec).await.unwrap();
    (requests, answers.into_inner())
}

#[tokio::test]
async fn a_newer_agent_is_served_and_what_it_says_more_of_a_frame_is_handed_on() {
    let neighbour = Neighbour::start().await;
    let collector = start(&neighbour).await;
    let kind = NewerRequest {
        another_kind: Some("what is not understood".to_owned()),
        ..NewerRequest::default()
    };
    let (requests, mut answers) = stream(&collector, [newer_hello(), kind]).await;
    let mut next = async || {
        let answer: Option<StreamResponse> = answers.message().await.unwrap();
        answer.unwrap().message.unwrap()
    };
    assert!(matches!(next().await, stream_response::Message::Credits(_)));
    requests.send(newer_frame()).await.unwrap();
    let answer = loop {
        if let stream_response::Message::Acknowledgement(answer) = next().await {
            break answer;
        }
    };
    assert_eq!(
        (answer.id.clone(), outcome(&answer)),
        (frame(1).id, (Outcome::Recorded, ""))
    );
    let handed_on = neighbour.frames();
    assert_eq!(handed_on.len(), 3, "analysis, recognition, alerts");
    let sent = newer_frame().frame.unwrap();
    for frame in handed_on {
        let frame = NewerFrame::decode(&*frame.encode_to_vec()).unwrap();
        assert_eq!(
            (frame.further, frame.another),
            (sent.further.clone(), sent.another.clone())
        );
    }
}

#[tokio::test]
async fn an_older_agent_is_served_to_the_end() {
    let neighbour = Neighbour::start().await;
    let collector = start(&neighbour).await;
    let hello = older::Request {
        hello: Some(older::Hello {
            agent: "camera-agent-1".to_owned(),
            camera: "1".to_owned(),
            epoch: 1,
        }),
        frame: None,
    };
    let (requests, mut answers) = stream::<_, older::Response>(&collector, [hello]).await;
    let credits = answers.message().await.unwrap().unwrap().credits;
    assert_eq!(credits.map(|credits| credits.frames), Some(2));
    let request = older::Request {
        hello: None,
        frame: Some(frame(1)),
    };
    requests.send(request).await.unwrap();
    let answer = loop {
        let answer = answers.message().await.unwrap().unwrap();
        if let Some(acknowledgement) = answer.acknowledgement {
            break acknowledgement;
        }
    };
    let recorded = older::Acknowledgement {
        id: frame(1).id,
        outcome: Outcome::Recorded.into(),
        reason: String::new(),
        faces: 1,
    };
    assert_eq!(answer, recorded);
    let leaving = tokio::spawn(collector.stop());
    let drain = loop {
        let answer = answers.message().await.unwrap().unwrap();
        if let Some(drain) = answer.drain {
            break drain;
        }
    };
    assert!(!drain.reason.is_empty());
    drop(requests);
    leaving.await.unwrap();
}
