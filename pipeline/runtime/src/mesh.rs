//! Calls to other services. They are addressed by host name only; where the mesh's proxy is, is configuration:
//! nothing in a cluster (the sidecar intercepts), an egress address in the local mesh. Retries are the mesh's. `https` addresses,
//! of gateways and of collectors across a line that nobody guards, are reached by [`tls`].

mod addresses;
mod connect;

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper_util::{
    client::legacy::{self, Client},
    rt::TokioExecutor,
};
use tonic::transport::{Channel, Endpoint};
use tower::Service as _;

use self::connect::Connector;
pub use self::connect::{ConnectError, Resolver};
use crate::{
    Problem,
    carry::{Carried, Carrying},
    tls::{self, Protocol},
};

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
        Self::by(Connector {
            egress: egress.map(|uri| {
                let host = uri.host().unwrap_or("127.0.0.1").to_owned();
                (host, uri.port_u16().unwrap_or(80))
            }),
            resolver: Resolver::default(),
            tls: None,
            protocol: Protocol::Http1,
        })
    }

    fn by(connector: Connector) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(Duration::from_secs(30))
            .build(connector.clone());
        Self { connector, client }
    }

    /// This way, with connections of its own: it shares none that others have opened.
    #[must_use]
    pub fn apart(&self) -> Self {
        Self::by(self.connector.clone())
    }

    /// Also to `https` addresses, as `tls` has it.
    #[must_use]
    pub fn with_tls(&self, tls: tls::Client) -> Self {
        Self::by(Connector {
            tls: Some(tls),
            ..self.connector.clone()
        })
    }

    /// With hosts found by another resolver than the operating system's.
    #[must_use]
    pub fn with_resolver(&self, resolver: Resolver) -> Self {
        Self::by(Connector {
            resolver,
            ..self.connector.clone()
        })
    }

    /// Whether there is somebody at an origin who accepts a connection: it is opened, TLS included, and closed.
    ///
    /// # Errors
    /// There is not.
    pub async fn reach(&self, origin: &Uri) -> Result<(), ConnectError> {
        self.speaking(Protocol::Any).call(origin.clone()).await?;
        Ok(())
    }

    /// A gRPC channel to an origin (`http://HOST:PORT` or `https://…`). Connects when first used and again when lost.
    #[must_use]
    pub fn channel(&self, origin: &Uri) -> GrpcChannel {
        let channel = Endpoint::from(origin.clone())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
            .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
            .connect_with_connector_lazy(self.speaking(Protocol::Http2));
        Carrying(channel)
    }

    fn speaking(&self, protocol: Protocol) -> Connector {
        Connector {
            protocol,
            ..self.connector.clone()
        }
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

/// Why there was no connection for a gRPC call, if that is what it failed of.
#[must_use]
pub fn unconnected(status: &tonic::Status) -> Option<&ConnectError> {
    let first = std::error::Error::source(status);
    let mut causes = std::iter::successors(first, |error| error.source());
    causes.find_map(|cause| cause.downcast_ref())
}

/// Why a gRPC call failed: what the neighbour said, or what became of the connection.
#[must_use]
pub fn reason(status: &tonic::Status) -> String {
    let first = std::error::Error::source(status);
    match std::iter::successors(first, |error| error.source()).last() {
        Some(cause) => cause.to_string(),
        None => status.message().to_owned(),
    }
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

fn unreachable(host: String, error: legacy::Error) -> Error {
    use std::error::Error as _;
    // Of a connection that was not made, why is all there is to say.
    let reason = error.source().filter(|_| error.is_connect());
    let source = match reason {
        Some(reason) => reason.to_string().into(),
        None => error.into(),
    };
    Error::Unreachable { host, source }
}
