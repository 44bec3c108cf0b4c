//! What a request carries on to the requests it causes: W3C trace context, the mesh's own headers,
//! the keys that routes and consistent hashes look at, and its deadline.

use std::{
    task::{Context, Poll},
    time::{Duration, Instant},
};

use http::{HeaderMap, HeaderName, HeaderValue, Request};
use tower::Service;

/// Headers that go on as they came. `traceparent` goes on with a span of this service in it.
const PASSED_ON: [&str; 16] = [
    "tracestate",
    "baggage",
    "x-request-id",
    "x-ot-span-context",
    "x-b3-traceid",
    "x-b3-spanid",
    "x-b3-parentspanid",
    "x-b3-sampled",
    "x-b3-flags",
    "b3",
    "x-cloud-trace-context",
    "grpc-trace-bin",
    "x-client-trace-id",
    "x-envoy-force-trace",
    "x-camera-id",
    "x-airside-user-group",
];

/// A proxy that sets a limit answers by itself when it is over; this service gives up later, so that it does not answer in
/// the proxy's place.
const PROXY_FIRST: Duration = Duration::from_millis(250);

tokio::task_local! {
    static CURRENT: Carried;
}

/// What one request carries on.
#[derive(Clone, Debug, Default)]
pub struct Carried {
    headers: HeaderMap,
    deadline: Option<Instant>,
}

impl Carried {
    /// What a request with these headers, received now, carries on. Without a valid `traceparent` a new trace begins.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let mut carried = HeaderMap::new();
        for name in PASSED_ON {
            let name = HeaderName::from_static(name);
            for value in headers.get_all(&name) {
                carried.append(name.clone(), value.clone());
            }
        }
        let parent = headers
            .get("traceparent")
            .and_then(|value| value.to_str().ok());
        carried.insert("traceparent", child_of(parent));
        Self {
            headers: carried,
            deadline: budget(headers).map(|left| Instant::now() + left),
        }
    }

    /// What work carries that no request began: a trace of its own, or the next span of `traceparent` (ignored if invalid), and the
    /// `x-request-id` that goes with the trace.
    #[must_use]
    pub fn of_traceparent(traceparent: &str) -> Self {
        let mut carried = Self::default();
        let ours = child_of(Some(traceparent));
        carried.headers.insert("traceparent", ours);
        let id = request_id(carried.trace_id());
        carried.headers.insert("x-request-id", id);
        carried
    }

    /// With one more header, e.g. `x-camera-id`; left out if the value cannot be a header's.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(HeaderName::from_static(name), value);
        }
        self
    }

    /// Runs `work`; every call it makes through the mesh carries this.
    pub async fn scope<F: Future>(self, work: F) -> F::Output {
        CURRENT.scope(self, work).await
    }

    /// What the present task carries.
    #[must_use]
    pub fn current() -> Self {
        CURRENT.try_with(Clone::clone).unwrap_or_default()
    }

    /// Adds what is carried to an outgoing request; what the request sets itself stays.
    pub fn write(&self, headers: &mut HeaderMap) {
        for name in self.headers.keys() {
            if !headers.contains_key(name) {
                for value in self.headers.get_all(name) {
                    headers.append(name.clone(), value.clone());
                }
            }
        }
    }

    /// The `x-request-id` that came with the request.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.headers.get("x-request-id")?.to_str().ok()
    }

    /// The camera that the request is about, as its sender names it (`x-camera-id`).
    #[must_use]
    pub fn camera_id(&self) -> Option<&str> {
        self.headers.get("x-camera-id")?.to_str().ok()
    }

    /// The 32 hexadecimal digits that all spans of the trace share; empty outside a request.
    #[must_use]
    pub fn trace_id(&self) -> &str {
        self.headers
            .get("traceparent")
            .and_then(|value| value.to_str().ok()?.get(3..35))
            .unwrap_or_default()
    }

    /// When whoever asked for the work stops waiting for it, if they said so.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// `limit`, or what is left until the caller's deadline if that is less.
    #[must_use]
    pub fn within(&self, limit: Duration) -> Duration {
        match self.deadline {
            Some(deadline) => limit.min(deadline.saturating_duration_since(Instant::now())),
            None => limit,
        }
    }
}

/// A `traceparent` with a span of this service: in the trace of `parent` where that is valid
/// (W3C Trace Context, version 00 or later), else in a new one that is sampled.
fn child_of(parent: Option<&str>) -> HeaderValue {
    let hex = |text: &str, length| {
        text.len() == length
            && text
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
            && text.bytes().any(|b| b != b'0')
    };
    let mut parts = parent.unwrap_or_default().split('-');
    let (version, trace, span, flags) = (parts.next(), parts.next(), parts.next(), parts.next());
    let span_of_ours = &uuid::Uuid::new_v4().simple().to_string()[..16];
    let text = match (version, trace, span, flags) {
        (Some(version), Some(trace), Some(span), Some(flags))
            if version != "ff"
                && version.len() == 2
                && hex(trace, 32)
                && hex(span, 16)
                && flags.len() == 2
                && flags.bytes().all(|b| b.is_ascii_hexdigit()) =>
        {
            format!("00-{trace}-{span_of_ours}-{flags}")
        }
        _ => format!("00-{}-{span_of_ours}-01", uuid::Uuid::new_v4().simple()),
    };
    HeaderValue::from_str(&text).expect("hexadecimal digits and dashes are a valid header value")
}

/// By this every proxy draws whether a request is among those that are traced: where all that a trace calls bears the same, all of it
/// is traced, or nothing. A UUID of version 4; in other places of the version Envoy reads a decision that was made.
fn request_id(trace: &str) -> HeaderValue {
    let bits = u128::from_str_radix(trace, 16).expect("the id of a trace is 32 hexadecimal digits");
    let id = uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid();
    HeaderValue::from_str(&id.to_string()).expect("a UUID is a valid header value")
}

/// The time that the caller gives: gRPC's `grpc-timeout`, else Envoy's `x-envoy-expected-rq-timeout-ms`.
fn budget(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| {
        headers
            .get(name)
            .and_then(|value: &HeaderValue| value.to_str().ok())
    };
    if let Some(timeout) = text("grpc-timeout") {
        let (number, unit) = timeout.split_at_checked(timeout.len().checked_sub(1)?)?;
        let number: u64 = number.parse().ok().filter(|_| number.len() <= 8)?;
        return match unit {
            "H" => Some(Duration::from_secs(number * 3600)),
            "M" => Some(Duration::from_secs(number * 60)),
            "S" => Some(Duration::from_secs(number)),
            "m" => Some(Duration::from_millis(number)),
            "u" => Some(Duration::from_micros(number)),
            "n" => Some(Duration::from_nanos(number)),
            _ => None,
        };
    }
    // Envoy writes 0 for "no limit".
    let milliseconds: u64 = text("x-envoy-expected-rq-timeout-ms")?.parse().ok()?;
    (milliseconds > 0).then(|| Duration::from_millis(milliseconds) + PROXY_FIRST)
}

/// A client whose requests carry on what the present task carries.
#[derive(Clone, Debug)]
pub struct Carrying<S>(pub S);

impl<S, B> Service<Request<B>> for Carrying<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        Carried::current().write(request.headers_mut());
        self.0.call(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn the_trace_goes_on_with_a_span_of_ours() {
        let carried = Carried::of(&headers(&[
            ("traceparent", PARENT),
            ("x-camera-id", "1"),
            ("cookie", "a"),
        ]));
        assert_eq!(carried.trace_id(), "0af7651916cd43dd8448eb211c80319c");
        let mut sent = HeaderMap::new();
        carried.write(&mut sent);
        assert_eq!(sent["x-camera-id"], "1");
        assert!(!sent.contains_key("cookie"));
        assert!(
            !sent["traceparent"]
                .to_str()
                .unwrap()
                .contains("b7ad6b7169203331")
        );
    }

    #[test]
    fn all_work_of_a_trace_is_drawn_alike() {
        let id = |traceparent: &str| {
            let mut sent = HeaderMap::new();
            Carried::of_traceparent(traceparent).write(&mut sent);
            sent["x-request-id"].to_str().unwrap().to_owned()
        };
        assert_eq!(id(PARENT), "0af76519-16cd-43dd-8448-eb211c80319c");
        assert_eq!(id(PARENT), id(PARENT));
        let drawn = PARENT.replace("43dd", "93dd");
        assert_eq!(id(&drawn), id(PARENT), "no decision is made here");
        assert_ne!(id(""), id(""));
    }

    #[test]
    fn an_invalid_trace_begins_anew() {
        for parent in [
            "",
            "00-0-0-01",
            &PARENT.replace('a', "A"),
            &PARENT.replace("00-", "ff-"),
        ] {
            let carried = Carried::of(&headers(&[("traceparent", parent)]));
            assert_eq!(carried.trace_id().len(), 32);
            assert_ne!(carried.trace_id(), "0af7651916cd43dd8448eb211c80319c");
        }
    }

    #[test]
    fn the_deadline_is_the_callers() {
        let left =
            |name, value| Carried::of(&headers(&[(name, value)])).within(Duration::from_secs(60));
        assert!(left("grpc-timeout", "250m") <= Duration::from_millis(250));
        assert!(
            left("x-envoy-expected-rq-timeout-ms", "900")
                <= Duration::from_millis(900) + PROXY_FIRST
        );
        assert_eq!(left("grpc-timeout", "x"), Duration::from_secs(60));
        assert_eq!(
            left("x-envoy-expected-rq-timeout-ms", "0"),
            Duration::from_secs(60)
        );
    }
}
