//! A `POST` whose `x-request-id` was already carried out changes nothing and is answered as the first
//! time: a mesh retry repeats it. Kept in memory, for services that store nothing themselves.

use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    body::Body,
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use http_body_util::BodyExt as _;
use lru::LruCache;
use tokio::sync::OnceCell;

/// Answers remembered. A mesh retries within seconds; this is minutes of heavy traffic.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(4096).expect("not zero");
/// A longer answer is not remembered (answers to `POST` are a few lines).
const MAX_ANSWER: usize = 64 << 10;

/// The requests carried out, newest first. Use it with [`remember`].
#[derive(Clone, Debug)]
pub struct Replay {
    answers: Arc<Mutex<LruCache<Key, Arc<OnceCell<Answer>>>>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    target: String,
    request_id: Bytes,
}

#[derive(Clone, Debug)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Default for Replay {
    fn default() -> Self {
        Self {
            answers: Arc::new(Mutex::new(LruCache::new(REMEMBERED))),
        }
    }
}

impl Replay {
    fn cell(&self, key: Key) -> Arc<OnceCell<Answer>> {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(answers.get_or_insert(key, Arc::default))
    }
}

/// Middleware (`axum::middleware::from_fn_with_state(replay, remember)`): carries a `POST` out once per
/// `x-request-id`. Two at the same time: one is carried out, the other waits for its answer. What
/// failed on this side (5xx) was not carried out and may be tried again.
pub async fn remember(State(replay): State<Replay>, request: Request, next: Next) -> Response {
    let id = request.headers().get("x-request-id");
    let (&Method::POST, Some(id)) = (request.method(), id) else {
        return next.run(request).await;
    };
    let key = Key {
        target: request
            .uri()
            .path_and_query()
            .map(ToString::to_string)
            .unwrap_or_default(),
        request_id: Bytes::copy_from_slice(id.as_bytes()),
    };
    let cell = replay.cell(key);
    let answer = cell.get_or_try_init(|| async { carry_out(request, next).await });
    match answer.await {
        Ok(answer) => {
            let mut response = Response::new(Body::from(answer.body.clone()));
            *response.status_mut() = answer.status;
            *response.headers_mut() = answer.headers.clone();
            response
        }
        Err(response) => *response,
    }
}

async fn carry_out(request: Request, next: Next) -> Result<Answer, Box<Response>> {
    let response = next.run(request).await;
    if response.status().is_server_error() {
        return Err(Box::new(response));
    }
    let (head, body) = response.into_parts();
    let body = match body.collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => return Err(Box::new(crate::Problem::internal(&error).into_response())),
    };
    if body.len() > MAX_ANSWER {
        return Err(Box::new(Response::from_parts(head, Body::from(body))));
    }
    Ok(Answer {
        status: head.status,
        headers: head.headers,
        body,
    })
}
