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
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, Streaming};

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
            .tcp_nodelay(true)
            .add_service(FrameIngestServer::new(Echo).max_decoding_message_size(MAX_MESSAGE_BYTES))
            .serve_with_incoming(TcpListenerStream::new(listener))
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
        let responses = request.into_inner().flat_map(|request| match request {
            Ok(request) => stream::iter(answer(request).map(Ok)).left_stream(),
            Err(status) => stream::iter([Err(status)]).right_stream(),
        });
        Ok(Response::new(Box::pin(responses)))
    }
}

/// An acknowledgement and a credit for a frame, the first credits for the hello.
fn answer(request: StreamRequest) -> impl Iterator<Item = StreamResponse> + Send {
    let (acknowledgement, frames) = match request.message {
        Some(stream_request::Message::Frame(frame)) => {
            let acknowledgement = Acknowledgement {
                id: frame.id,
                outcome: Outcome::Recorded.into(),
                ..Acknowledgement::default()
            };
            (
                Some(stream_response::Message::Acknowledgement(acknowledgement)),
                1,
            )
        }
        _ => (None, WINDOW),
    };
    let credits = stream_response::Message::Credits(Credits { frames });
    let messages = acknowledgement.into_iter().chain([credits]);
    messages.map(|message| StreamResponse {
        message: Some(message),
    })
}
