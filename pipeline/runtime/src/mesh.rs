//! Calls to other services. They are addressed by host name only; where the mesh's proxy is, is configuration:
//! nothing in a cluster (the sidecar intercepts), an egress address in the local mesh. Retries are the mesh's.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper_util::{
    client::legacy::{self, Client},
    rt::{TokioExecutor, TokioIo},
};
use tokio::net::TcpStream;
use tonic::transport::{Channel, Endpoint};
use tower::Service;

use crate::{
    Problem,
    carry::{Carried, Carrying},
};

/// Within a building's network or a mesh, who has not accepted by then is away.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// HTTP/2 windows with which a 100 kB frame is never held up (measured: 1.4 to 2 × the defaults' throughput).
const STREAM_WINDOW: u32 = 4 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;
/// A peer that vanished without a word is noticed after interval plus timeout.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(5);
/// An answer beyond this is refused rather than held in memory.
const MAX_ANSWER: usize = 32 << 20;

/// A gRPC channel whose calls carry on what the request that causes them carries.
pub type GrpcChannel = Carrying<Channel>;

/// The way to other services.
#[derive(Clone, Debug)]
pub struct Mesh {
    connector: Connector,
    client: Client<Connector, Full<Bytes>>,
}

/// Why a neighbour gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody accepts connections there, or the connection broke.
    #[error("{host} cannot be reached")]
    Unreachable {
        /// The neighbour.
        host: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No answer in time.
    #[error("{host} did not answer within {limit:?}")]
    TimedOut {
        /// The neighbour.
        host: String,
        /// The time it had.
        limit: Duration,
    },
    /// More than this service takes.
    #[error("{host} answered with more than {MAX_ANSWER} bytes")]
    TooLong {
        /// The neighbour.
        host: String,
    },
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        tracing::warn!(error = %crate::problem::Chain(&error), "neighbour did not answer");
        let status = match error {
            Error::TimedOut { .. } => StatusCode::GATEWAY_TIMEOUT,
            Error::Unreachable { .. } | Error::TooLong { .. } => StatusCode::BAD_GATEWAY,
        };
        Self::new(status, error.to_string())
    }
}

impl Mesh {
    /// Through `egress` (any host name, its port matters not) or, without one, straight to the hosts.
    #[must_use]
    pub fn new(egress: Option<&Uri>) -> Self {
        let connector = Connector {
            egress: egress.map(|uri| {
                let host = uri.host().unwrap_or("127.0.0.1").to_owned();
                (host, uri.port_u16().unwrap_or(80))
            }),
        };
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(Duration::from_secs(30))
            .build(connector.clone());
        Self { connector, client }
    }

    /// A gRPC channel to an origin (`http://HOST:PORT`). Connects when first used and again when lost.
    #[must_use]
    pub fn channel(&self, origin: &Uri) -> GrpcChannel {
        let channel = Endpoint::from(origin.clone())
            .connect_timeout(CONNECT_TIMEOUT)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
            .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
            .tcp_nodelay(true)
            .connect_with_connector_lazy(self.connector.clone());
        Carrying(channel)
    }

    /// Sends a request and hands back the head of the answer; the body streams.
    ///
    /// # Errors
    /// Nobody there, or no head within `limit` (or the caller's own deadline).
    pub async fn open(
        &self,
        mut request: Request<Full<Bytes>>,
        limit: Duration,
    ) -> Result<Response<hyper::body::Incoming>, Error> {
        let carried = Carried::current();
        carried.write(request.headers_mut());
        let limit = carried.within(limit);
        let host = host_of(request.uri());
        match tokio::time::timeout(limit, self.client.request(request)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(source)) => Err(unreachable(host, source)),
            Err(_) => Err(Error::TimedOut { host, limit }),
        }
    }

    /// Sends a request and hands back the whole answer.
    ///
    /// # Errors
    /// Nobody there, no whole answer within `limit` (or the caller's own deadline), or one too long.
    pub async fn send(
        &self,
        request: Request<Full<Bytes>>,
        limit: Duration,
    ) -> Result<Response<Bytes>, Error> {
        let host = host_of(request.uri());
        let exchange = async {
            let (head, body) = self.open(request, limit).await?.into_parts();
            match Limited::new(body, MAX_ANSWER).collect().await {
                Ok(body) => {
                    let answer = Response::from_parts(head, body.to_bytes());
                    if reached_nobody(answer.status(), answer.headers(), answer.body()) {
                        let source = "the mesh reached nobody".into();
                        return Err(Error::Unreachable {
                            host: host.clone(),
                            source,
                        });
                    }
                    Ok(answer)
                }
                Err(error) if error.is::<LengthLimitError>() => {
                    Err(Error::TooLong { host: host.clone() })
                }
                Err(source) => Err(Error::Unreachable {
                    host: host.clone(),
                    source,
                }),
            }
        };
        let limit = Carried::current().within(limit);
        match tokio::time::timeout(limit, exchange).await {
            Ok(answer) => answer,
            Err(_) => Err(Error::TimedOut {
                host: host.clone(),
                limit,
            }),
        }
    }
}

/// A gRPC request with a deadline: `limit`, or the caller's own if that is nearer.
pub fn request<T>(message: T, limit: Duration) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    request.set_timeout(Carried::current().within(limit));
    request
}

/// Whether a gRPC call failed because the neighbour is away or in trouble (so that it may work
/// later), not because of what was sent.
#[must_use]
pub fn is_transient(status: &tonic::Status) -> bool {
    use tonic::Code;
    !matches!(
        status.code(),
        Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::OutOfRange
            | Code::Unimplemented
    )
}

/// How a proxy of the mesh says that there is no neighbour; its other answers are meant to be seen.
const NOBODY: [&[u8]; 2] = [b"no healthy upstream", b"upstream connect error"];

/// Whether a proxy of the mesh answered in the place of a neighbour that it could not reach. One that a circuit breaker keeps
/// from being asked can be reached: its callers are to see the 503.
#[must_use]
pub fn reached_nobody(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> bool {
    status == StatusCode::SERVICE_UNAVAILABLE
        && !headers.contains_key("x-airside-instance")
        && !headers.contains_key("x-envoy-overloaded")
        && NOBODY.iter().any(|start| body.starts_with(start))
}

fn host_of(uri: &Uri) -> String {
    uri.authority().map(ToString::to_string).unwrap_or_default()
}

fn unreachable(host: String, source: legacy::Error) -> Error {
    Error::Unreachable {
        host,
        source: source.into(),
    }
}

/// Connects to the egress, if there is one, else to the host of the address.
#[derive(Clone, Debug)]
struct Connector {
    egress: Option<(String, u16)>,
}

impl Service<Uri> for Connector {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (host, port) = self.egress.clone().unwrap_or_else(|| {
            let host = uri.host().unwrap_or_default();
            let host = host.trim_start_matches('[').trim_end_matches(']');
            (host.to_owned(), uri.port_u16().unwrap_or(80))
        });
        Box::pin(async move {
            let connect = TcpStream::connect((host.as_str(), port));
            let stream = tokio::time::timeout(CONNECT_TIMEOUT, connect)
                .await
                .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "no connection in time"))??;
            stream.set_nodelay(true)?;
            Ok(TokioIo::new(stream))
        })
    }
}
