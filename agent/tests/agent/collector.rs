//! A collector that does what the test tells it to.

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use airside_proto::v1::{
    Acknowledgement, Credits, Drain, DrainCause, Frame, Hello, Outcome, StreamRequest,
    StreamResponse,
    frame_ingest_server::{FrameIngest, FrameIngestServer},
    stream_request,
    stream_response::Message,
};
use airside_runtime::{Server, Service, Tls};
use clap::Parser as _;
use futures::Stream;
use tokio::{
    sync::{broadcast, mpsc},
    task::JoinHandle,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

/// When it admits everybody.
pub(crate) const ADMITTED_AT: u64 = 1_700_000_000_000_000;

/// What becomes of a frame: this answer, or none.
pub(crate) type Verdict = Option<Outcome>;

type Judge = Box<dyn Fn(&Frame, usize) -> Verdict + Send + Sync>;

/// What the test tells all streams.
#[derive(Clone, Debug)]
pub(crate) enum Order {
    Drain,
    /// As if a newer agent had said hello: those that stream now are told, and refused from then on.
    Supersede,
    Break,
    Grant(u32),
    Answer(Box<Frame>, Outcome),
}

/// A collector on a port of its own.
pub(crate) struct Collector {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

struct Shared {
    window: u32,
    judge: Judge,
    frames: Mutex<Vec<Frame>>,
    hellos: Mutex<Vec<(Hello, String)>>,
    superseded: Mutex<Vec<u64>>,
    too_many: AtomicUsize,
    orders: broadcast::Sender<Order>,
}

#[derive(clap::Parser)]
struct Flags {
    #[command(flatten)]
    server: Server,
}

impl Collector {
    /// Grants `window` frames and answers each as `judge` says, which gets how often the frame was seen before.
    pub(crate) async fn start(
        address: &str,
        window: u32,
        judge: impl Fn(&Frame, usize) -> Verdict + Send + Sync + 'static,
    ) -> Self {
        Self::serve(address, window, Box::new(judge), None).await
    }

    async fn serve(address: &str, window: u32, judge: Judge, tls: Option<Tls>) -> Self {
        let shared = Arc::new(Shared {
            window,
            judge,
            frames: Mutex::default(),
            hellos: Mutex::default(),
            superseded: Mutex::default(),
            too_many: AtomicUsize::new(0),
            orders: broadcast::channel(64).0,
        });
        let flags = ["collector", "--listen", address, "--drain-timeout", "100ms"];
        let server = Flags::try_parse_from(flags)
            .unwrap_or_else(|error| panic!("{error}"))
            .server;
        let ingest = FrameIngestServer::new(Ingest(Arc::clone(&shared)));
        let bound = Service::new("Collector", &server)
            .tls(tls)
            .grpc(ingest)
            .bind()
            .await
            .unwrap();
        Self {
            address: bound.address(),
            shared,
            server: tokio::spawn(async { bound.run_until(std::future::pending()).await.unwrap() }),
        }
    }

    pub(crate) async fn recording() -> Self {
        Self::start("127.0.0.1:0", 8, |_, _| Some(Outcome::Recorded)).await
    }

    /// One that records everything that comes by TLS.
    pub(crate) async fn secure(tls: Tls) -> Self {
        let judge: Judge = Box::new(|_, _| Some(Outcome::Recorded));
        Self::serve("127.0.0.1:0", 8, judge, Some(tls)).await
    }

    /// Its address by TLS, under the name that certificates are made for.
    pub(crate) fn secure_destination(&self) -> String {
        format!("grpcs://localhost:{}", self.address.port())
    }

    pub(crate) fn destination(&self) -> String {
        format!("grpc://{}", self.address)
    }

    /// The frames in the order they came, repeats included.
    pub(crate) fn frames(&self) -> Vec<Frame> {
        self.shared.frames.lock().unwrap().clone()
    }

    /// The contents of these frames: the numbers on the tape.
    pub(crate) fn numbers(&self) -> Vec<u64> {
        let number = |frame: Frame| {
            String::from_utf8(frame.image.to_vec())
                .unwrap()
                .parse()
                .unwrap()
        };
        self.frames().into_iter().map(number).collect()
    }

    /// Hellos with the `x-camera-id` of their streams.
    pub(crate) fn hellos(&self) -> Vec<(Hello, String)> {
        self.shared.hellos.lock().unwrap().clone()
    }

    pub(crate) fn order(&self, order: Order) {
        self.shared.orders.send(order).unwrap();
    }

    /// No stream ever sent more than it had credit for.
    pub(crate) fn assert_credit_was_kept(&self) {
        assert_eq!(self.shared.too_many.load(Ordering::SeqCst), 0);
    }

    /// Goes away without a word.
    pub(crate) async fn kill(self) -> SocketAddr {
        self.server.abort();
        let _ = self.server.await;
        self.address
    }
}

struct Ingest(Arc<Shared>);

#[tonic::async_trait]
impl FrameIngest for Ingest {
    type StreamStream = Pin<Box<dyn Stream<Item = Result<StreamResponse, Status>> + Send>>;

    async fn stream(
        &self,
        request: Request<Streaming<StreamRequest>>,
    ) -> Result<Response<Self::StreamStream>, Status> {
        let camera = request
            .metadata()
            .get("x-camera-id")
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        let (sender, answers) = mpsc::channel(64);
        let stream = Conversation {
            shared: Arc::clone(&self.0),
            orders: self.0.orders.subscribe(),
            sender,
            credit: 0,
        };
        tokio::spawn(stream.run(request.into_inner(), camera));
        Ok(Response::new(Box::pin(ReceiverStream::new(answers))))
    }
}

struct Conversation {
    shared: Arc<Shared>,
    orders: broadcast::Receiver<Order>,
    sender: mpsc::Sender<Result<StreamResponse, Status>>,
    credit: u32,
}

impl Conversation {
    async fn run(mut self, mut requests: Streaming<StreamRequest>, camera: String) {
        let Ok(Some(StreamRequest {
            message: Some(stream_request::Message::Hello(hello)),
        })) = requests.message().await
        else {
            panic!("the first message is no hello");
        };
        let incarnation = hello.incarnation;
        self.shared.hellos.lock().unwrap().push((hello, camera));
        if self
            .shared
            .superseded
            .lock()
            .unwrap()
            .contains(&incarnation)
        {
            let refused = Status::already_exists("a newer process streams this camera");
            let _ = self.sender.send(Err(refused)).await;
            return;
        }
        self.grant(self.shared.window).await;
        loop {
            tokio::select! {
                request = requests.message() => match request {
                    Ok(Some(StreamRequest { message: Some(stream_request::Message::Frame(frame)) })) => {
                        self.hear(frame).await;
                    }
                    Ok(Some(other)) => panic!("no frame: {other:?}"),
                    Ok(None) | Err(_) => return,
                },
                order = self.orders.recv() => match order.unwrap() {
                    Order::Drain => self.say(Message::Drain(Drain::default())).await,
                    Order::Supersede => {
                        self.shared.superseded.lock().unwrap().push(incarnation);
                        let drain = Drain { cause: DrainCause::Superseded.into(), ..Drain::default() };
                        self.say(Message::Drain(drain)).await;
                    }
                    Order::Grant(frames) => self.grant(frames).await,
                    Order::Answer(frame, outcome) => self.answer(&frame, outcome).await,
                    Order::Break => {
                        let _ = self.sender.send(Err(Status::unavailable("broken on purpose"))).await;
                        return;
                    }
                },
            }
        }
    }

    async fn hear(&mut self, frame: Frame) {
        match self.credit.checked_sub(1) {
            Some(left) => self.credit = left,
            None => drop(self.shared.too_many.fetch_add(1, Ordering::SeqCst)),
        }
        let before = {
            let mut frames = self.shared.frames.lock().unwrap();
            frames.push(frame.clone());
            frames.iter().filter(|known| known.id == frame.id).count() - 1
        };
        if let Some(outcome) = (self.shared.judge)(&frame, before) {
            self.answer(&frame, outcome).await;
            self.grant(1).await;
        }
    }

    async fn answer(&self, frame: &Frame, outcome: Outcome) {
        self.say(Message::Acknowledgement(Acknowledgement {
            id: frame.id.clone(),
            outcome: outcome.into(),
            ..Acknowledgement::default()
        }))
        .await;
    }

    async fn grant(&mut self, frames: u32) {
        self.credit += frames;
        self.say(Message::Credits(Credits {
            frames,
            admitted_at_us: ADMITTED_AT,
        }))
        .await;
    }

    async fn say(&self, message: Message) {
        let message = Some(message);
        // The agent may be gone already.
        let _ = self.sender.send(Ok(StreamResponse { message })).await;
    }
}
