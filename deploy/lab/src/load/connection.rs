//! One connection that is kept: what stands on it goes one after the other, through one worker of a proxy.

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::fetch::{Answer, Error};

/// More than any page that load is driven at.
const BODY_LIMIT: usize = 4 << 20;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A client with one HTTP/1.1 connection. One that broke is made anew for the next request.
pub struct Connection {
    authority: String,
    deadline: Duration,
    open: Option<Open>,
}

struct Open {
    sender: http1::SendRequest<Full<Bytes>>,
    /// Moves the bytes, while it is looked at.
    driver: Pin<Box<dyn Future<Output = hyper::Result<()>>>>,
}

impl Connection {
    /// A client of `origin`, `http://host:port`, that waits at most `deadline` for a whole answer.
    ///
    /// # Errors
    /// `origin` is no such address.
    pub fn new(origin: &str, deadline: Duration) -> Result<Self, Error> {
        let address = |reason: http::Error| Error::Address {
            url: origin.to_owned(),
            source: reason,
        };
        let uri = origin
            .parse::<Uri>()
            .map_err(|error| address(error.into()))?;
        let host = uri.host().unwrap_or_default();
        Ok(Self {
            authority: format!("{host}:{}", uri.port_u16().unwrap_or(80)),
            deadline,
            open: None,
        })
    }

    /// `GET path` with these headers.
    ///
    /// # Errors
    /// No connection, no whole answer in time.
    pub async fn get(&mut self, path: &str, headers: &[(String, String)]) -> Result<Answer, Error> {
        let url = || format!("http://{}{path}", self.authority);
        let mut request = Request::get(path).header(header::HOST, &self.authority);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = request
            .body(Full::default())
            .map_err(|source| Error::Address { url: url(), source })?;
        let (url, deadline) = (url(), self.deadline);
        // Taken out, so that a connection on which an answer is still due is not used again.
        let open = self.open.take();
        let exchange = exchange(&self.authority, open, request);
        match tokio::time::timeout(deadline, exchange).await {
            Ok(Ok((answer, open))) => {
                self.open = Some(open);
                Ok(answer)
            }
            Ok(Err(error)) => Err(Error::unreachable(url, error.as_ref())),
            Err(_) => Err(Error::Late { url, deadline }),
        }
    }
}

async fn exchange(
    authority: &str,
    open: Option<Open>,
    request: Request<Full<Bytes>>,
) -> Result<(Answer, Open), Failure> {
    let mut open = match open {
        Some(open) => open.or_anew(authority).await?,
        None => Open::to(authority).await?,
    };
    let answer = open.send(request).await?;
    Ok((answer, open))
}

impl Open {
    async fn to(authority: &str) -> Result<Self, Failure> {
        let stream = TcpStream::connect(authority).await?;
        stream.set_nodelay(true)?;
        let (sender, driver) = http1::handshake(TokioIo::new(stream)).await?;
        Ok(Self {
            sender,
            driver: Box::pin(driver),
        })
    }

    /// This connection if the other side has kept it as well, else a new one.
    async fn or_anew(mut self, authority: &str) -> Result<Self, Failure> {
        if self.is_usable().await {
            Ok(self)
        } else {
            Self::to(authority).await
        }
    }

    async fn is_usable(&mut self) -> bool {
        if self.sender.is_closed() {
            return false;
        }
        tokio::select! {
            biased;
            _ = &mut self.driver => false,
            ready = self.sender.ready() => ready.is_ok(),
        }
    }

    async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Answer, Failure> {
        let exchange = async {
            let (head, body) = self.sender.send_request(request).await?.into_parts();
            let body = Limited::new(body, BODY_LIMIT).collect().await?.to_bytes();
            Ok::<_, Failure>(Answer {
                status: head.status,
                headers: head.headers,
                body: String::from_utf8_lossy(&body).into_owned(),
            })
        };
        let mut exchange = std::pin::pin!(exchange);
        tokio::select! {
            biased;
            answer = &mut exchange => answer,
            // An answer that says `connection: close` ends the connection and is an answer nevertheless.
            ended = &mut self.driver => match ended {
                Ok(()) => exchange.await,
                Err(error) => Err(error.into()),
            },
        }
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("authority", &self.authority)
            .finish_non_exhaustive()
    }
}
