//! A camera without a camera: streams given pictures to a collector as agents do, and reads what became of them.

use std::net::SocketAddr;

use airside_core::Timestamp;
use airside_proto::v1::{
    self, Acknowledgement, Frame, FrameId, Hello, StreamRequest, StreamResponse,
    frame_ingest_client::FrameIngestClient, stream_request, stream_response,
};
use airside_runtime::Mesh;
use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use http::Uri;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

/// More than any collector grants at once.
const REQUESTS_WAITING: usize = 256;

/// One stream of frames, as the agent `test` with one camera would open it.
#[derive(Debug)]
pub struct Stream {
    requests: mpsc::Sender<StreamRequest>,
    responses: Streaming<StreamResponse>,
    hello: Hello,
    /// Frames that may be sent now.
    pub credits: u32,
}

impl Stream {
    /// Opens a stream and waits for its first credits.
    ///
    /// # Errors
    /// The collector refuses.
    pub async fn open(collector: SocketAddr, camera: &str, epoch: u64) -> Result<Self> {
        let origin = format!("http://{collector}").parse()?;
        Self::through(&Mesh::new(None), &origin, camera, epoch).await
    }

    /// The same to `collector` as `mesh` leads there.
    ///
    /// # Errors
    /// The collector refuses.
    pub async fn through(mesh: &Mesh, collector: &Uri, camera: &str, epoch: u64) -> Result<Self> {
        let mut client = FrameIngestClient::new(mesh.channel(collector));
        let (requests, outgoing) = mpsc::channel(REQUESTS_WAITING);
        let hello = Hello {
            agent: "test".to_owned(),
            camera: camera.to_owned(),
            epoch,
            ..Hello::default()
        };
        let first = stream_request::Message::Hello(hello.clone());
        requests
            .send(StreamRequest {
                message: Some(first),
            })
            .await?;
        let responses = client.stream(ReceiverStream::new(outgoing)).await?;
        let mut stream = Self {
            requests,
            responses: responses.into_inner(),
            hello,
            credits: 0,
        };
        match stream.next().await? {
            stream_response::Message::Credits(credits) => stream.credits = credits.frames,
            other => bail!("the first response is {other:?}"),
        }
        Ok(stream)
    }

    /// The frame of this number, captured now at section 1's entry.
    #[must_use]
    pub fn frame(&self, sequence: u64, image: Bytes) -> Frame {
        Frame {
            id: Some(FrameId {
                agent: self.hello.agent.clone(),
                camera: self.hello.camera.clone(),
                epoch: self.hello.epoch,
                sequence,
            }),
            captured_at_us: Timestamp::now().as_micros(),
            section: "1".to_owned(),
            event: v1::Event::Entry.into(),
            image,
            ..Frame::default()
        }
    }

    /// Sends a frame without a look at the credits.
    ///
    /// # Errors
    /// The stream has ended.
    pub async fn send(&mut self, frame: Frame) -> Result<()> {
        self.credits = self.credits.saturating_sub(1);
        let message = Some(stream_request::Message::Frame(frame));
        Ok(self.requests.send(StreamRequest { message }).await?)
    }

    /// The next acknowledgement; credits that come before it are added up.
    ///
    /// # Errors
    /// The stream has ended.
    pub async fn acknowledgement(&mut self) -> Result<Acknowledgement> {
        loop {
            match self.next().await? {
                stream_response::Message::Credits(credits) => self.credits += credits.frames,
                stream_response::Message::Acknowledgement(acknowledgement) => {
                    return Ok(acknowledgement);
                }
                stream_response::Message::Drain(drain) => bail!("drained: {}", drain.reason),
            }
        }
    }

    /// Sends one frame and waits for what became of it.
    ///
    /// # Errors
    /// The stream has ended.
    pub async fn deliver(&mut self, frame: Frame) -> Result<Acknowledgement> {
        self.send(frame).await?;
        self.acknowledgement().await
    }

    async fn next(&mut self) -> Result<stream_response::Message> {
        let response = self.responses.message().await?;
        let message = response.context("the collector ended the stream")?.message;
        message.context("an empty response")
    }
}
