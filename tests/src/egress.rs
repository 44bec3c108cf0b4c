//! Stand-in for the mesh's egress proxy: takes every call of the services and hands it to the process that a host
//! name stands for. Tests move names to other processes, take neighbours away, let them hang, and repeat calls as a
//! mesh's retries do.

use std::{
    collections::HashMap,
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Result;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, Uri, Version, header};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::{net::TcpListener, task::JoinSet};

type Body = UnsyncBoxBody<Bytes, hyper::Error>;

/// What happens to the calls for a host.
#[derive(Clone, Copy, Debug)]
pub enum Way {
    /// They reach this process.
    To(SocketAddr),
    /// They reach this process twice, the second answer counts: a retry after an answer that got lost. Only for
    /// calls whose messages are not streams.
    Twice(SocketAddr),
    /// They are taken and never answered.
    Hangs,
}

/// The proxy. Serves until dropped.
#[derive(Debug)]
pub struct Egress {
    address: SocketAddr,
    ways: Ways,
    _serving: JoinSet<()>,
}

#[derive(Clone, Debug, Default)]
struct Ways(Arc<Mutex<HashMap<String, Way>>>);

impl Ways {
    fn of(&self, host: &str) -> Option<Way> {
        let ways = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ways.get(host).copied()
    }
}

impl Egress {
    /// Starts it; every host is away at first.
    ///
    /// # Errors
    /// No port is free.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let ways = Ways::default();
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, Proxy::new(ways.clone())));
        Ok(Self {
            address,
            ways,
            _serving: serving,
        })
    }

    /// As the setting `egress` names it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on calls for `host` go this way.
    pub fn set(&self, host: &str, way: Way) {
        let mut ways = self.ways.0.lock().unwrap_or_else(PoisonError::into_inner);
        ways.insert(host.to_owned(), way);
    }

    /// From now on nobody answers for `host`.
    pub fn remove(&self, host: &str) {
        let mut ways = self.ways.0.lock().unwrap_or_else(PoisonError::into_inner);
        ways.remove(host);
    }
}

/// Ends with the set of its connections, hence with the proxy.
async fn serve(listener: TcpListener, proxy: Proxy) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let proxy = proxy.clone();
        connections.spawn(async move {
            let answer = service_fn(move |request| {
                let proxy = proxy.clone();
                async move { Ok::<_, Infallible>(proxy.answer(request).await) }
            });
            let server = auto::Builder::new(TokioExecutor::new());
            // A client that goes away is no failure of the proxy.
            let _ = server.serve_connection(TokioIo::new(stream), answer).await;
        });
    }
}

#[derive(Clone, Debug)]
struct Proxy {
    ways: Ways,
    http1: Client<HttpConnector, Body>,
    http2: Client<HttpConnector, Body>,
}

impl Proxy {
    fn new(ways: Ways) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = |is_http2| {
            Client::builder(TokioExecutor::new())
                .http2_only(is_http2)
                .build(connector.clone())
        };
        Self {
            ways,
            http1: client(false),
            http2: client(true),
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let is_http2 = request.version() == Version::HTTP_2;
        let answer = match self.ways.of(&host_of(&request)) {
            Some(Way::To(address)) => {
                let request = request.map(BodyExt::boxed_unsync);
                self.forward(request, address).await
            }
            Some(Way::Twice(address)) => self.forward_twice(request, address).await,
            Some(Way::Hangs) => std::future::pending().await,
            None => None,
        };
        answer.unwrap_or_else(|| away(is_http2))
    }

    async fn forward(&self, mut request: Request<Body>, to: SocketAddr) -> Option<Response<Body>> {
        let path = request.uri().path_and_query()?.as_str().to_owned();
        *request.uri_mut() = format!("http://{to}{path}").parse::<Uri>().ok()?;
        let client = if request.version() == Version::HTTP_2 {
            &self.http2
        } else {
            &self.http1
        };
        let answer = client.request(request).await.ok()?;
        Some(answer.map(BodyExt::boxed_unsync))
    }

    async fn forward_twice(
        &self,
        request: Request<Incoming>,
        to: SocketAddr,
    ) -> Option<Response<Body>> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.ok()?.to_bytes();
        let whole = || {
            let body = Full::new(body.clone()).map_err(|never| match never {});
            Request::from_parts(head.clone(), body.boxed_unsync())
        };
        self.forward(whole(), to).await?.collect().await.ok()?;
        self.forward(whole(), to).await
    }
}

fn host_of(request: &Request<Incoming>) -> String {
    let host = request.headers().get(header::HOST);
    let host = host.and_then(|host| host.to_str().ok());
    let authority = request
        .uri()
        .authority()
        .map(|authority| authority.as_str());
    let host = authority.or(host).unwrap_or_default();
    host.split(':').next().unwrap_or_default().to_owned()
}

/// What Envoy answers when nobody is there.
fn away(is_http2: bool) -> Response<Body> {
    let text = "upstream connect error or disconnect/reset before headers";
    let body = Full::from(if is_http2 { "" } else { text });
    let mut response = Response::new(body.map_err(|never| match never {}).boxed_unsync());
    let headers = response.headers_mut();
    if is_http2 {
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/grpc"),
        );
        headers.insert("grpc-status", HeaderValue::from_static("14"));
        headers.insert("grpc-message", HeaderValue::from_static(text));
    } else {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response
}
