//! From the address of a neighbour to a connection.

use std::{
    fmt, io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::Uri;
use hyper_util::rt::TokioIo;
use tower::Service;

use super::addresses;
use crate::tls::{self, Protocol, Stream};

/// Within a building's network or a mesh, who has not accepted by then is away.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The name leads nowhere.
    #[error("the name '{0}' cannot be resolved: {1}")]
    Name(String, io::Error),
    /// Nobody accepts.
    #[error("no connection to {0}: {1}")]
    Refused(String, io::Error),
    /// Nobody answers.
    #[error("no connection to {0} within {CONNECT_TIMEOUT:?}")]
    Silent(String),
    /// There is somebody, but not whom is wanted.
    #[error("no TLS with {0}: {1}")]
    Tls(String, String),
    /// An `https` address without any notion of whom to trust.
    #[error("no TLS with {0}: this service is not configured for it")]
    NoTls(String),
}

type Addresses = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

/// Finds the addresses of a host; asked anew for each connection.
#[derive(Clone)]
pub struct Resolver(Arc<dyn Fn(String, u16) -> Addresses + Send + Sync>);

impl Resolver {
    /// One that answers as this function does.
    pub fn new<F, R>(resolve: F) -> Self
    where
        F: Fn(String, u16) -> R + Send + Sync + 'static,
        R: Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static,
    {
        Self(Arc::new(move |host, port| Box::pin(resolve(host, port))))
    }
}

impl Default for Resolver {
    /// That of the operating system.
    fn default() -> Self {
        Self::new(async |host, port| {
            let found = tokio::net::lookup_host((host, port)).await?;
            Ok(found.collect())
        })
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resolver")
    }
}

/// Connects to the egress, if there is one, else to the host of the address; by TLS always to the host, as no proxy could look
/// into it.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    pub(super) egress: Option<(String, u16)>,
    pub(super) resolver: Resolver,
    pub(super) tls: Option<tls::Client>,
    pub(super) protocol: Protocol,
}

impl Connector {
    async fn connect(self, uri: Uri) -> Result<TokioIo<Stream>, ConnectError> {
        let host = uri.host().unwrap_or_default();
        let host = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        if uri.scheme_str() != Some("https") {
            let port = uri.port_u16().unwrap_or(80);
            let (host, port) = self.egress.clone().unwrap_or((host, port));
            let stream = self.reach(host, port).await?;
            return Ok(TokioIo::new(Stream::Plain(stream)));
        }
        let port = uri.port_u16().unwrap_or(443);
        let at = format!("{host}:{port}");
        let Some(tls) = self.tls.clone() else {
            return Err(ConnectError::NoTls(at));
        };
        let stream = self.reach(host.clone(), port).await?;
        match tls.connect(stream, &host, self.protocol).await {
            Ok(stream) => Ok(TokioIo::new(Stream::Tls(Box::new(stream)))),
            Err(reason) => Err(ConnectError::Tls(at, reason)),
        }
    }

    async fn reach(&self, host: String, port: u16) -> Result<tokio::net::TcpStream, ConnectError> {
        let at = format!("{host}:{port}");
        let attempt = async {
            let found = (self.resolver.0)(host.clone(), port).await;
            let found = found.map_err(|error| ConnectError::Name(host, error))?;
            let connected = addresses::connect(found).await.and_then(|stream| {
                stream.set_nodelay(true)?;
                Ok(stream)
            });
            connected.map_err(|error| ConnectError::Refused(at.clone(), error))
        };
        let done = tokio::time::timeout(CONNECT_TIMEOUT, attempt).await;
        done.unwrap_or_else(|_| Err(ConnectError::Silent(at.clone())))
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Stream>;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, ConnectError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().connect(uri))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::super::Mesh;
    use super::*;

    #[tokio::test]
    async fn a_name_is_resolved_anew_for_each_connection() {
        let mut hosts = Vec::new();
        for _ in 0..2 {
            hosts.push(TcpListener::bind("127.0.0.1:0").await.unwrap());
        }
        let addresses: Vec<_> = hosts
            .iter()
            .map(|host| host.local_addr().unwrap())
            .collect();
        let asked = AtomicUsize::new(0);
        let mesh = Mesh::new(None).with_resolver(Resolver::new(move |host, port| {
            let moved = addresses.get(asked.fetch_add(1, Ordering::SeqCst)).copied();
            assert_eq!((host.as_str(), port), ("collector", 9090));
            async move {
                moved
                    .map(|address| vec![address])
                    .ok_or(io::ErrorKind::NotFound.into())
            }
        }));
        let origin: Uri = "http://collector:9090".parse().unwrap();
        for host in &hosts {
            let (reached, accepted) = tokio::join!(mesh.reach(&origin), host.accept());
            reached.unwrap();
            accepted.unwrap();
        }
        let lost = mesh.reach(&origin).await.unwrap_err().to_string();
        assert!(
            lost.starts_with("the name 'collector' cannot be resolved"),
            "{lost}"
        );
    }

    #[tokio::test]
    async fn somebody_is_there_whatever_protocol_he_speaks() {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let ca = folder.path().join("ca.pem");
        std::fs::write(&ca, made.cert.pem()).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let host = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = host.local_addr().unwrap().port();
        let trusting = tls::Files {
            ca: Some(ca),
            ..tls::Files::default()
        };
        let mesh = Mesh::new(None).with_tls(tls::Client::new(trusting).unwrap());
        let origin: Uri = format!("https://localhost:{port}").parse().unwrap();
        let (reached, _) = tokio::join!(mesh.reach(&origin), async {
            acceptor.accept(host.accept().await.unwrap().0).await
        });
        reached.unwrap();
        let (reached, _) = tokio::join!(mesh.speaking(Protocol::Http2).connect(origin), async {
            acceptor.accept(host.accept().await.unwrap().0).await
        });
        let refused = reached.err().unwrap().to_string();
        assert!(refused.contains("does not speak the protocol"), "{refused}");
    }
}
