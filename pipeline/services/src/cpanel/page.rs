//! The dashboard: `v1` plain text, rendered here; `v2` a page that draws and keeps itself up to date.
//!
//! Invariants: nothing is loaded from elsewhere, and the content security policy says so; whatever comes from outside is
//! escaped; a neighbour that is away is told on the page, it does not break it.

mod text;

use std::sync::Arc;

use axum::{
    extract::State,
    response::{Html, IntoResponse, Response},
};
use http::{HeaderValue, header};
use uuid::Uuid;

use super::Panel;

const PLAIN: &str = include_str!("page/plain.html");
const LIVE: &str = include_str!("page/live.html");
const STYLE: &str = include_str!("page/panel.css");
/// The parts of one script, each after those that it needs at once.
const SCRIPT: &str = concat!(
    include_str!("page/basics.js"),
    include_str!("page/mesh.js"),
    include_str!("page/panel.js"),
);

/// The version that is served the plain page; every other is served the live one.
const PLAIN_VERSION: &str = "v1";

pub(super) async fn index(State(panel): State<Arc<Panel>>) -> Response {
    let nonce = Uuid::new_v4().simple().to_string();
    let identity = &panel.identity;
    let version = text::escape(&identity.version);
    let title = text::escape(&identity.version.to_uppercase());
    let page = if &*identity.version == PLAIN_VERSION {
        PLAIN.replace("{{content}}", &text::content(&panel).await)
    } else {
        let told = panel.mesh_view.is_configured();
        LIVE.replace("{{script}}", SCRIPT)
            .replace("{{mesh-view}}", if told { "on" } else { "off" })
    };
    // What comes from outside was put in as the last but the names of this service, or is escaped: no `{{` survives that.
    let page = page
        .replace("{{style}}", STYLE)
        .replace("{{title}}", &title)
        .replace("{{version}}", &version)
        .replace("{{instance}}", &text::escape(&identity.instance))
        .replace("{{results}}", &panel.results.count().to_string())
        .replace("{{nonce}}", &nonce);
    let headers = [
        (header::CONTENT_SECURITY_POLICY, policy(&nonce)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ),
        (
            header::REFERRER_POLICY,
            HeaderValue::from_static("no-referrer"),
        ),
    ];
    (headers, Html(page)).into_response()
}

fn policy(nonce: &str) -> HeaderValue {
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; \
         img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    HeaderValue::from_str(&policy).expect("the policy is plain ASCII")
}
