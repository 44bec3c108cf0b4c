//! Asks a control interface, plainly or by TLS.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use airside_runtime::{Token, TokenError};
use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
    },
};

use super::Args;

/// An agent on this machine answers within milliseconds, one across a bad link within seconds.
const PATIENCE: Duration = Duration::from_secs(5);
/// A status of many cameras is some tens of kB.
const MAX_ANSWER: usize = 4 << 20;

/// The way to an agent's control interface.
#[derive(Debug)]
pub struct Client {
    host: String,
    port: u16,
    tls: Option<Tls>,
    token: Option<Token>,
}

struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
}

/// Why an agent cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No address.
    #[error("'{0}' is no agent; expected http://HOST:PORT or https://HOST:PORT")]
    Address(Uri),
    /// The token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// A certificate or key.
    #[error("{} is of no use for TLS: {reason}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// Why.
        reason: String,
    },
    /// Nobody answers.
    #[error("no agent answers at {at}: {source}")]
    Unreachable {
        /// Where.
        at: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It answers something else.
    #[error("{at} answers {status}: {detail}")]
    Refused {
        /// What was asked for.
        at: String,
        /// What was answered.
        status: StatusCode,
        /// In words.
        detail: String,
    },
}

impl Client {
    /// For the interface at `url`.
    ///
    /// # Errors
    /// It is no address, or a file does not hold what it should.
    pub fn new(url: &Uri, args: &Args) -> Result<Self, Error> {
        let refuse = || Error::Address(url.clone());
        let host = url.host().ok_or_else(refuse)?.trim_matches(['[', ']']);
        let (port, tls) = match url.scheme_str() {
            Some("http") => (80, None),
            Some("https") => {
                let name = ServerName::try_from(host.to_owned()).map_err(|_| refuse())?;
                let connector = connector(args)?;
                (443, Some(Tls { connector, name }))
            }
            _ => return Err(refuse()),
        };
        let token = args.token_file.as_deref().map(Token::read).transpose()?;
        Ok(Self {
            host: host.to_owned(),
            port: url.port_u16().unwrap_or(port),
            tls,
            token,
        })
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        let unreachable = |source| Error::Unreachable {
            at: format!("{}:{}", self.host, self.port),
            source,
        };
        let asked = tokio::time::timeout(PATIENCE, self.ask(path)).await;
        let (status, body) = asked
            .map_err(|_| unreachable("it takes too long".into()))?
            .map_err(unreachable)?;
        let refused = |detail| Error::Refused {
            at: path.to_owned(),
            status,
            detail,
        };
        if !status.is_success() {
            let problem: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
            let detail = problem["detail"]
                .as_str()
                .unwrap_or("no agent of this kind");
            return Err(refused(detail.to_owned()));
        }
        serde_json::from_slice(&body).map_err(|error| refused(error.to_string()))
    }

    async fn ask(
        &self,
        path: &str,
    ) -> Result<(StatusCode, Bytes), Box<dyn std::error::Error + Send + Sync>> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        match &self.tls {
            None => self.exchange(stream, path).await,
            Some(Tls { connector, name }) => {
                let stream = connector.connect(name.clone(), stream).await?;
                self.exchange(stream, path).await
            }
        }
    }

    async fn exchange(
        &self,
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        path: &str,
    ) -> Result<(StatusCode, Bytes), Box<dyn std::error::Error + Send + Sync>> {
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let mut request =
            Request::get(path).header(header::HOST, format!("{}:{}", self.host, self.port));
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, token.authorization());
        }
        let request = request.body(Empty::<Bytes>::new())?;
        let answer = async {
            let answer = sender.send_request(request).await?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), MAX_ANSWER)
                .collect()
                .await?;
            Ok((status, body.to_bytes()))
        };
        tokio::pin!(answer);
        tokio::select! {
            done = &mut answer => done,
            ended = connection => match ended {
                // What was read before the end may be all.
                Ok(()) => answer.await,
                Err(error) => Err(error.into()),
            },
        }
    }
}

fn connector(args: &Args) -> Result<TlsConnector, Error> {
    let of_no_use = |file: &Path, reason: String| Error::File {
        file: file.to_owned(),
        reason,
    };
    let Some(ca) = &args.ca else {
        let missing = io::Error::new(io::ErrorKind::NotFound, "https:// needs --ca FILE");
        return Err(of_no_use(Path::new("--ca"), missing.to_string()));
    };
    let certificates = |file: &Path| -> Result<Vec<CertificateDer<'static>>, Error> {
        CertificateDer::pem_file_iter(file)
            .and_then(Iterator::collect)
            .map_err(|error| of_no_use(file, error.to_string()))
    };
    let mut authorities = RootCertStore::empty();
    for authority in certificates(ca)? {
        authorities
            .add(authority)
            .map_err(|error| of_no_use(ca, error.to_string()))?;
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| of_no_use(ca, error.to_string()))?
        .with_root_certificates(authorities);
    let config = match (&args.certificate, &args.key) {
        (Some(certificate), Some(key)) => {
            let chain = certificates(certificate)?;
            let secret = PrivateKeyDer::from_pem_file(key)
                .map_err(|error| of_no_use(key, error.to_string()))?;
            config
                .with_client_auth_cert(chain, secret)
                .map_err(|error| of_no_use(certificate, error.to_string()))?
        }
        _ => config.with_no_client_auth(),
    };
    Ok(TlsConnector::from(Arc::new(config)))
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tls({:?})", self.name)
    }
}
