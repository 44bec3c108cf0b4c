//! The two servers that are compared.

use std::pin::Pin;

use airside_proto::{
    MAX_MESSAGE_BYTES,
    v1::{
        Acknowledgement, Credits, Outcome, StreamRequest, StreamResponse,
        frame_ingest_server::{FrameIngest, FrameIngestServer},
        stream_request, stream_response,
    },
};
use airside_tests::sink::{self, Settings};
use anyhow::Result;
use clap::Parser as _;
use futures::{Stream, StreamExt as _, stream};
use tokio::net::TcpListener;
use tonic::{Request, Response, Status, Streaming, transport::server::TcpIncoming};

/// Both grant as many frames, so that neither is held up by the way of a credit.
const WINDOW: u32 = 64;

/// Airside's ingest, as the collector serves it.
pub(super) fn collector(args: &[String]) -> Result<()> {
    let settings = Settings::try_parse_from(args)?;
    run(async { Ok(sink::bind(&settings, WINDOW).await?.run().await?) })
}

/// Nothing but tonic, tuned alike.
pub(super) fn echo(args: &[String]) -> Result<()> {
    let settings = Settings::try_parse_from(args)?.server;
    run(async {
        let listener = TcpListener::bind(settings.listen).await?;
        if let Some(file) = &settings.announce {
            std::fs::write(file, listener.local_addr()?.to_string())?;
        }
        tonic::transport::Server::builder()
            .initial_stream_window_size(4 << 20)
            .initial_connection_window_size(16 << 20)
            .max_frame_size(1 << 20)
            .add_service(FrameIngestServer::new(Echo).max_decoding_message_size(MAX_MESSAGE_BYTES))
            .serve_with_incoming(TcpIncoming::from(listener).with_nodelay(Some(true)))
            .await?;
        Ok(())
    })
}

fn run(server: impl Future<Output = Result<()>>) -> Result<()> {
    tokio::runtime::Runtime::new()?.block_on(server)
}

struct Echo;

#[tonic::async_trait]
impl FrameIngest for Echo {
    type StreamStream = Pin<Box<dyn Stream<Item = Result<StreamResponse, Status>> + Send>>;

    async fn stream(
        &self,
        request: Request<Streaming<StreamRequest>>,
    ) -> Result<Response<Self::StreamStream>, Status> {
        let mut frames = 0;
        let responses = request.into_inner().flat_map(move |request| match request {
            Ok(request) => stream::iter(answer(request, &mut frames).map(Ok)).left_stream(),
            Err(status) => stream::iter([Err(status)]).right_stream(),
        });
        Ok(Response::new(Box::pin(responses)))
    }
}

/// An acknowledgement for a frame; credits for the hello and then, half a window at a time, for what was taken.
fn answer(
    request: StreamRequest,
    frames: &mut u32,
) -> impl Iterator<Item = StreamResponse> + Send + use<> {
    let (acknowledgement, credits) = match request.message {
        Some(stream_request::Message::Frame(frame)) => {
            *frames += 1;
            let is_due = frames.is_multiple_of(WINDOW / 2);
            let acknowledgement = Acknowledgement {
                id: frame.id,
                outcome: Outcome::Recorded.into(),
                ..Acknowledgement::default()
            };
            (Some(acknowledgement), is_due.then_some(WINDOW / 2))
        }
        _ => (None, Some(WINDOW)),
    };
    let acknowledgement = acknowledgement.map(stream_response::Message::Acknowledgement);
    let credits = credits.map(|frames| {
        stream_response::Message::Credits(Credits {
            frames,
            admitted_at_us: 0,
        })
    });
    let messages = acknowledgement.into_iter().chain(credits);
    messages.map(|message| StreamResponse {
        message: Some(message),
    })
}
