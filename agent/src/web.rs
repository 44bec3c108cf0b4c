//! Network cameras asked by HTTP: for pictures, and for what they are.
//!
//! Cameras are small and old servers: one connection is kept, one request is under way at a time, and those that want a
//! password mostly want it as digest.

mod challenge;

use std::time::Duration;

use airside_runtime::tls;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::JoinSet,
    time::timeout,
};

use self::challenge::Challenge;
use crate::capture::Credentials;

/// Why a camera gives no answer that is of use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// It is no address of an HTTP server.
    #[error("it has no http:// address")]
    Address,
    /// Its certificate, or what else keeps from TLS.
    #[error("{0}")]
    Insecure(String),
    /// It does not answer.
    #[error("{0}")]
    Unreachable(String),
    /// It wants other credentials, or any.
    #[error("it wants other credentials (401)")]
    Unauthorized,
    /// It answers something else.
    #[error("it answers {0}")]
    Refused(StatusCode),
    /// Its answer is larger than anything of this kind.
    #[error("its answer breaks off or exceeds {0} bytes")]
    TooLarge(usize),
}

/// A camera's HTTP server.
pub(crate) struct Session {
    host: String,
    port: u16,
    /// What its certificate is checked by; `None` where it is asked without TLS.
    tls: Option<tls::Client>,
    credentials: Option<Credentials>,
    challenge: Option<Challenge>,
    connection: Option<Connection>,
    patience: Duration,
}

struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    /// What moves the bytes; it ends when this is dropped.
    _driver: JoinSet<()>,
}

/// A request that can be made again.
pub(crate) struct Ask<'a> {
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) path: &'a str,
    pub(crate) content_type: Option<&'static str>,
    pub(crate) body: Bytes,
}

impl<'a> Ask<'a> {
    pub(crate) fn get(path: &'a str) -> Self {
        Self {
            method: Method::GET,
            path,
            content_type: None,
            body: Bytes::new(),
        }
    }
}

impl Session {
    /// With the server of `address`, which is given `patience` to connect and again to begin each answer; one that is asked by
    /// `https` is known by `tls`.
    pub(crate) fn new(
        address: &Uri,
        tls: Option<tls::Client>,
        credentials: Option<Credentials>,
        patience: Duration,
    ) -> Result<Self, Error> {
        let (usual_port, tls) = match (address.scheme_str(), tls) {
            (Some("http"), _) => (80, None),
            (Some("https"), Some(tls)) => (443, Some(tls)),
            _ => return Err(Error::Address),
        };
        let host = address.host().unwrap_or_default().trim_matches(['[', ']']);
        let port = address.port_u16().unwrap_or(usual_port);
        let session = Self::at(host.to_owned(), port, credentials, patience);
        match host {
            "" => Err(Error::Address),
            _ => Ok(Self { tls, ..session }),
        }
    }

    /// With the server at this port of `host`, a name or an address as the operating system takes it, without TLS.
    pub(crate) fn at(
        host: String,
        port: u16,
        credentials: Option<Credentials>,
        patience: Duration,
    ) -> Self {
        Self {
            host,
            port,
            tls: None,
            credentials,
            challenge: None,
            connection: None,
            patience,
        }
    }

    /// The answer, once it is a good one; credentials are told when they are asked for, and not before.
    pub(crate) async fn ask(&mut self, ask: &Ask<'_>) -> Result<Response<Incoming>, Error> {
        let reused = self.connection.is_some();
        let mut answer = self.send(ask).await;
        // A server may close a connection that was idle at any moment.
        if reused && matches!(answer, Err(Error::Unreachable(_))) {
            answer = self.send(ask).await;
        }
        let answer = match answer? {
            refused if refused.status() == StatusCode::UNAUTHORIZED => {
                self.take_up(refused.headers())?;
                // What is left of its text would be in the way.
                self.connection = None;
                self.send(ask).await?
            }
            answer => answer,
        };
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        self.connection = None;
        Err(match status {
            StatusCode::UNAUTHORIZED => Error::Unauthorized,
            other => Error::Refused(other),
        })
    }

    /// The whole body of a good answer, if it has no more than `limit` bytes.
    pub(crate) async fn fetch(&mut self, ask: &Ask<'_>, limit: usize) -> Result<Bytes, Error> {
        let answer = self.ask(ask).await?;
        let patience = self.patience;
        let body = timeout(patience, read(answer, limit)).await;
        if !matches!(body, Ok(Ok(_))) {
            self.connection = None;
        }
        body.map_err(|_| took_too_long())?
    }

    fn take_up(&mut self, headers: &HeaderMap) -> Result<(), Error> {
        let offered = headers.get_all(header::WWW_AUTHENTICATE);
        let texts = offered.iter().filter_map(|value| value.to_str().ok());
        self.challenge = Challenge::choose(texts);
        if self.credentials.is_none() || self.challenge.is_none() {
            return Err(Error::Unauthorized);
        }
        Ok(())
    }

    async fn send(&mut self, ask: &Ask<'_>) -> Result<Response<Incoming>, Error> {
        let request = self.request(ask)?;
        let mut connection = match self.connection.take() {
            Some(connection) if !connection.sender.is_closed() => connection,
            _ => self.connect().await?,
        };
        let exchange = async {
            connection.sender.ready().await?;
            connection.sender.send_request(request).await
        };
        let answer = timeout(self.patience, exchange).await;
        let answer = answer.map_err(|_| took_too_long())?.map_err(unreachable)?;
        self.connection = Some(connection);
        Ok(answer)
    }

    fn request(&mut self, ask: &Ask<'_>) -> Result<Request<Full<Bytes>>, Error> {
        // On which of this machine's links it is concerns nobody else.
        let host = self.host.split('%').next().unwrap_or_default();
        let host = match host.contains(':') {
            true => format!("[{host}]:{}", self.port),
            false => format!("{host}:{}", self.port),
        };
        let mut request = Request::builder()
            .method(&ask.method)
            .uri(ask.path)
            .header(header::HOST, host);
        if let Some(kind) = ask.content_type {
            request = request.header(header::CONTENT_TYPE, kind);
        }
        if let (Some(challenge), Some(credentials)) = (&mut self.challenge, &self.credentials) {
            let authorization = challenge.answer(credentials, &ask.method, ask.path);
            request = request.header(header::AUTHORIZATION, authorization);
        }
        request
            .body(Full::new(ask.body.clone()))
            .map_err(|_| Error::Address)
    }

    async fn connect(&self) -> Result<Connection, Error> {
        let connect = async {
            let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
            stream.set_nodelay(true)?;
            Ok::<_, std::io::Error>(stream)
        };
        let stream = timeout(self.patience, connect).await;
        let stream = stream.map_err(|_| took_too_long())?.map_err(unreachable)?;
        match &self.tls {
            Some(tls) => {
                let stream = tls.http1(stream, &self.host).await;
                Connection::over(stream.map_err(Error::Insecure)?).await
            }
            None => Connection::over(stream).await,
        }
    }
}

impl Connection {
    async fn over(
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    ) -> Result<Self, Error> {
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(unreachable)?;
        let mut driver = JoinSet::new();
        // How it ends shows to who reads the answer.
        driver.spawn(async move { drop(connection.await) });
        Ok(Self {
            sender,
            _driver: driver,
        })
    }
}

/// The whole body of an answer, if it has no more than `limit` bytes.
pub(crate) async fn read(answer: Response<Incoming>, limit: usize) -> Result<Bytes, Error> {
    let body = Limited::new(answer.into_body(), limit).collect().await;
    Ok(body.map_err(|_| Error::TooLarge(limit))?.to_bytes())
}

fn unreachable(error: impl std::error::Error + 'static) -> Error {
    Error::Unreachable(airside_runtime::problem::Chain(&error).to_string())
}

fn took_too_long() -> Error {
    Error::Unreachable("it takes too long to answer".to_owned())
}
