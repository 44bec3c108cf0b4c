//! Connections that are opened once and kept, as a browser, a gRPC channel or a connection pool does.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Longer than any time limit of the mesh.
const DEADLINE: Duration = Duration::from_secs(30);

/// Who answered a request, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    /// The instance; none when a proxy answered in its place, or nobody.
    pub(super) instance: Option<String>,
    /// Whether the answer was a success.
    pub(super) sound: bool,
}

impl Seen {
    /// Nobody is there.
    pub(super) fn nobody() -> Self {
        Self {
            instance: None,
            sound: false,
        }
    }
}

/// What is spoken over a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    /// HTTP/1.1 with keep-alive.
    Http1,
    /// HTTP/2 without TLS and without an upgrade, as gRPC speaks it.
    H2c,
}

enum Sender {
    Http1(http1::SendRequest<Empty<Bytes>>),
    H2c(http2::SendRequest<Empty<Bytes>>),
}

/// One connection.
pub(super) struct Connection {
    sender: Sender,
    to: SocketAddr,
    /// Moves the bytes; ends with the connection.
    _driver: JoinSet<()>,
}

impl Connection {
    pub(super) async fn open(to: SocketAddr, protocol: Protocol) -> Result<Self> {
        let stream = TcpStream::connect(to)
            .await
            .with_context(|| format!("cannot connect to {to}"))?;
        stream.set_nodelay(true)?;
        let stream = TokioIo::new(stream);
        let mut driver = JoinSet::new();
        // How a connection ends is seen by the request that is under way.
        let sender = match protocol {
            Protocol::Http1 => {
                let (sender, connection) = http1::handshake(stream).await?;
                driver.spawn(async { drop(connection.await) });
                Sender::Http1(sender)
            }
            Protocol::H2c => {
                let (sender, connection) = http2::handshake(TokioExecutor::new(), stream).await?;
                driver.spawn(async { drop(connection.await) });
                Sender::H2c(sender)
            }
        };
        Ok(Self {
            sender,
            to,
            _driver: driver,
        })
    }

    /// `GET path`. A connection that breaks gives an answer of nobody's.
    pub(super) async fn get(&mut self, path: &str, headers: &[(&str, &str)]) -> Seen {
        let answer = tokio::time::timeout(DEADLINE, self.exchange(path, headers)).await;
        let answer = answer.ok().and_then(Result::ok);
        Seen {
            sound: answer
                .as_ref()
                .is_some_and(|(status, _)| status.is_success()),
            instance: answer.and_then(|(_, instance)| instance),
        }
    }

    async fn exchange(
        &mut self,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<(StatusCode, Option<String>)> {
        let answer = match &mut self.sender {
            Sender::Http1(sender) => {
                sender.ready().await?;
                let request = Request::get(path).header(header::HOST, self.to.to_string());
                sender.send_request(with(request, headers)?).await?
            }
            Sender::H2c(sender) => {
                sender.ready().await?;
                let request = Request::get(format!("http://{}{path}", self.to));
                sender.send_request(with(request, headers)?).await?
            }
        };
        read(answer).await
    }
}

fn with(
    request: http::request::Builder,
    headers: &[(&str, &str)],
) -> http::Result<Request<Empty<Bytes>>> {
    let add = |request: http::request::Builder, (name, value): &(&str, &str)| {
        request.header(*name, *value)
    };
    headers.iter().fold(request, add).body(Empty::new())
}

/// To its end, so that the connection is free for the next request.
async fn read(answer: Response<Incoming>) -> Result<(StatusCode, Option<String>)> {
    let (head, body) = answer.into_parts();
    body.collect().await?;
    let instance = head.headers.get("x-airside-instance");
    let instance = instance.and_then(|name| name.to_str().ok());
    Ok((head.status, instance.map(str::to_owned)))
}
