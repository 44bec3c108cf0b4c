//! The one listener of a service: HTTP/1.1 and HTTP/2 on the same port, plain or by TLS.

mod tls;

use std::{io, time::Duration};

use axum::Router;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use tokio::{net::TcpListener, task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;

pub use self::tls::Tls;

/// See `mesh`: what lets a 100 kB frame pass without waiting. The receiver's frame size matters most.
const STREAM_WINDOW: u32 = 4 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;
const MAX_FRAME: u32 = 1 << 20;
/// A client that sends no complete request head by then gives its connection to others.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(20);
/// After a failed accept (usually: no file descriptors left) others need time to close some.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves `routes` until `drain`, then lets what is under way end, at most for `limit`.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: Option<Tls>,
    routes: Router,
    drain: CancellationToken,
    limit: Duration,
) -> io::Result<()> {
    let server = server();
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            () = drain.cancelled() => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "could not accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // Answers are small or streamed: waiting to fill a packet only adds delay. A peer that is gone fails later.
        let _ = stream.set_nodelay(true);
        let service = TowerToHyperService::new(routes.clone());
        let (server, watcher, tls) = (server.clone(), graceful.watcher(), tls.clone());
        connections.spawn(async move {
            let ended = match tls {
                None => {
                    let connection = server.serve_connection(TokioIo::new(stream), service);
                    watcher.watch(connection.into_owned()).await
                }
                Some(tls) => match tls.accept(stream).await {
                    Ok(stream) => {
                        let connection = server.serve_connection(TokioIo::new(stream), service);
                        watcher.watch(connection.into_owned()).await
                    }
                    Err(error) => Err(error.into()),
                },
            };
            if let Err(error) = ended {
                tracing::debug!(error, "connection ended");
            }
        });
    }
    drop(listener);
    if timeout(limit, graceful.shutdown()).await.is_err() {
        tracing::warn!(
            ?limit,
            "requests were still under way at the end of the drain timeout"
        );
    }
    Ok(())
}

fn server() -> auto::Builder<TokioExecutor> {
    let mut server = auto::Builder::new(TokioExecutor::new());
    server
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .http2()
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(MAX_FRAME)
        .keep_alive_interval(KEEP_ALIVE_INTERVAL);
    server
}
