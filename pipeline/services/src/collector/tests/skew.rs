//! Agents of the minor version before and of the one after: what they say more is passed over, what they do not say is not missed.

use http::uri::PathAndQuery;
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
    #[prost(sint64, repeated, tag = "99")]
    further: Vec<i64>,
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
            id: frame.id,
            captured_at_us: frame.captured_at_us,
            section: frame.section,
            event: frame.event,
            image: frame.image,
            further: vec![1, -2, 3],
        }),
        ..NewerRequest::default()
    }
}

#[tokio::test]
async fn a_newer_agent_is_served() {
    let neighbour = Neighbour::start().await;
    let collector = start(&neighbour).await;
    let (requests, outgoing) = mpsc::channel(16);
    let kind = NewerRequest {
        another_kind: Some("what is not understood".to_owned()),
        ..NewerRequest::default()
    };
    for request in [newer_hello(), kind] {
        requests.send(request).await.unwrap();
    }
    let mut client = Grpc::new(collector.channel());
    client.ready().await.unwrap();
    let path = PathAndQuery::from_static("/airside.v1.FrameIngest/Stream");
    let codec = ProstCodec::<NewerRequest, StreamResponse>::default();
    let request = tonic::Request::new(ReceiverStream::new(outgoing));
    let answers = client.streaming(request, path, codec).await.unwrap();
    let mut answers = answers.into_inner();
    let mut next = async || answers.message().await.unwrap().unwrap().message.unwrap();
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
}

#[tokio::test]
async fn an_older_agent_is_served() {
    let neighbour = Neighbour::start().await;
    let collector = start(&neighbour).await;
    // It asks for nothing that came later.
    let mut agent = Agent::greeted(&collector).await;
    assert_eq!(
        outcome(&agent.deliver(frame(1)).await),
        (Outcome::Recorded, "")
    );
}
