//! A way to a pod, past the mesh: a local port whose connections the API server hands on.
//!
//! Inside the pod they arrive at 127.0.0.1, where Istio does not intercept.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::cluster::Cluster;

/// A port of a pod.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Target {
    pub(crate) namespace: String,
    pub(crate) pod: String,
    pub(crate) port: u16,
}

/// A local port that leads to a pod for as long as this lives.
#[derive(Debug)]
pub(crate) struct Forward {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Forward {
    /// Opens any free port on the loopback interface.
    pub(crate) async fn open(cluster: &Cluster, target: Target) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.context("cannot open a local port")?;
        let address = listener.local_addr().context("cannot open a local port")?;
        let pods = cluster.api_in::<Pod>(&target.namespace);
        Ok(Self {
            address,
            accepting: tokio::spawn(accept(listener, pods, target)),
        })
    }

    /// `http://127.0.0.1:PORT`
    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, pods: Api<Pod>, target: Target) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let (pods, target) = (pods.clone(), target.clone());
                    connections.spawn(async move {
                        // The client sees its connection end, and asks again or says so.
                        if let Err(error) = carry(stream, &pods, &target).await {
                            tracing::debug!(pod = target.pod, port = target.port, %error, "forwarding ended");
                        }
                    });
                }
                Err(error) => tracing::warn!(%error, "cannot accept"),
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn carry(mut local: TcpStream, pods: &Api<Pod>, target: &Target) -> Result<()> {
    let mut forwarder = pods.portforward(&target.pod, &[target.port]).await?;
    let stream = forwarder.take_stream(target.port);
    let mut stream = stream.expect("the port that was asked for");
    let refused = forwarder
        .take_error(target.port)
        .expect("the port that was asked for");
    let done = tokio::select! {
        done = copy_bidirectional(&mut local, &mut stream) => done.map(drop).map_err(Into::into),
        Some(reason) = refused => Err(anyhow::Error::msg(reason)),
    };
    forwarder.abort();
    done
}
