//! Stand-in for whoever runs the mesh: serves the view of it that a test gives.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Result;
use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinSet};

/// The source of a view. Serves until dropped.
#[derive(Debug)]
pub struct View {
    address: SocketAddr,
    text: Arc<Mutex<Bytes>>,
    _serving: JoinSet<()>,
}

impl View {
    /// Starts it with this view.
    ///
    /// # Errors
    /// No port is free.
    pub async fn start(view: &Value) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let text = Arc::new(Mutex::new(Bytes::from(view.to_string())));
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, Arc::clone(&text)));
        Ok(Self {
            address,
            text,
            _serving: serving,
        })
    }

    /// As the setting `mesh-view` names it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/mesh", self.address)
    }

    /// From now on the mesh looks so.
    pub fn set(&self, view: &Value) {
        let mut text = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        *text = Bytes::from(view.to_string());
    }
}

async fn serve(listener: TcpListener, text: Arc<Mutex<Bytes>>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let text = Arc::clone(&text);
        let answer = service_fn(move |_| {
            let text = text.lock().unwrap_or_else(PoisonError::into_inner).clone();
            async move { Ok::<_, Infallible>(Response::new(Full::new(text))) }
        });
        connections.spawn(async move {
            // A client may go away at any time.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), answer)
                .await;
        });
    }
}
