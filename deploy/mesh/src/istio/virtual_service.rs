//! Istio's `VirtualService`: which requests go where.

use serde::Deserialize;

use super::inspect::Inspector;
use super::{
    CorsPolicy, Destination, Duration, Fault, Headers, HttpMatch, Percent, Redirect, Retries,
    Rewrite, RouteDestination,
};

/// The `spec` of a VirtualService.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VirtualService {
    /// Host names that the rules are for.
    pub hosts: Vec<String>,
    /// Where the rules are in force: names of gateways, `mesh` for calls between services.
    /// Empty means `mesh`.
    #[serde(default)]
    pub gateways: Vec<String>,
    /// The rules; the first that matches decides.
    #[serde(default)]
    pub http: Vec<HttpRoute>,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HttpRoute {
    /// A name for logs.
    pub name: Option<String>,
    /// Any of these must hold; none means every request.
    #[serde(default, rename = "match")]
    pub matches: Vec<HttpMatch>,
    /// Where matching requests go.
    #[serde(default)]
    pub route: Vec<RouteDestination>,
    /// Sends the client elsewhere.
    pub redirect: Option<Redirect>,
    /// Answers in place of a service.
    pub direct_response: Option<DirectResponse>,
    /// Changes what the service is asked for.
    pub rewrite: Option<Rewrite>,
    /// How long a request may take with all its tries; without it, as long as it likes.
    pub timeout: Option<Duration>,
    /// How it is tried again; without it, as Istio does by default.
    pub retries: Option<Retries>,
    /// What goes wrong on purpose.
    pub fault: Option<Fault>,
    /// Gets a copy of each request.
    pub mirror: Option<Destination>,
    /// The share of requests that `mirror` gets; without it, all.
    pub mirror_percentage: Option<Percent>,
    /// Old form of `mirror_percentage`.
    pub mirror_percent: Option<u32>,
    /// Get copies.
    #[serde(default)]
    pub mirrors: Vec<MirrorPolicy>,
    /// What browsers are told about other origins.
    pub cors_policy: Option<CorsPolicy>,
    /// Changes of headers.
    #[serde(default)]
    pub headers: Headers,
}

/// A fixed answer.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DirectResponse {
    /// HTTP status.
    pub status: u16,
    /// What it says.
    pub body: Option<Body>,
}

/// The body of a fixed answer.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Body {
    /// Text.
    pub string: String,
}

/// Gets copies of some requests; its answers are dropped.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MirrorPolicy {
    /// Where to.
    pub destination: Destination,
    /// The share of requests; without it, all.
    pub percentage: Option<Percent>,
}

impl VirtualService {
    pub(super) fn inspect(&self, at: &mut Inspector<'_>) {
        if self.hosts.is_empty() {
            at.field("hosts")
                .refuse("names no host", "the service that is called");
        }
        if self.http.is_empty() {
            at.field("http").refuse("has no rule", "at least one");
        }
        for (index, rule) in self.http.iter().enumerate() {
            rule.inspect(&mut at.item("http", index));
        }
    }
}

impl HttpRoute {
    fn inspect(&self, at: &mut Inspector<'_>) {
        self.inspect_action(at);
        for (index, condition) in self.matches.iter().enumerate() {
            condition.inspect(&mut at.item("match", index));
        }
        for (index, destination) in self.route.iter().enumerate() {
            destination.inspect(&mut at.item("route", index));
        }
        self.inspect_weights(&mut at.field("route"));
        if let Some(redirect) = &self.redirect {
            redirect.inspect(&self.matches, &mut at.field("redirect"));
        }
        if let Some(response) = &self.direct_response {
            response.inspect(&mut at.field("directResponse"));
        }
        if let Some(rewrite) = &self.rewrite {
            rewrite.inspect(&mut at.field("rewrite"));
        }
        at.field("timeout").duration(self.timeout);
        if let Some(retries) = &self.retries {
            retries.inspect(&mut at.field("retries"));
        }
        if let Some(fault) = &self.fault {
            fault.inspect(&mut at.field("fault"));
        }
        if let Some(cors) = &self.cors_policy {
            cors.inspect(&mut at.field("corsPolicy"));
        }
        self.headers.inspect(&mut at.field("headers"));
        self.inspect_mirrors(at);
    }

    /// A rule does one thing, and has no settings for another.
    fn inspect_action(&self, at: &mut Inspector<'_>) {
        let alone = at.at_most_one(&[
            ("route", !self.route.is_empty()),
            ("redirect", self.redirect.is_some()),
            ("directResponse", self.direct_response.is_some()),
        ]);
        let answered = self.redirect.is_some() || self.direct_response.is_some();
        if self.route.is_empty() && !answered {
            at.refuse("goes nowhere", "`route`, `redirect` or `directResponse`");
        }
        let onward = [
            ("rewrite", self.rewrite.is_some()),
            ("fault", self.fault.is_some()),
            ("timeout", self.timeout.is_some()),
            ("retries", self.retries.is_some()),
            ("mirror", self.mirror.is_some()),
            ("mirrors", !self.mirrors.is_empty()),
        ];
        for (name, _) in onward
            .iter()
            .filter(|(_, there)| *there && answered && alone)
        {
            at.field(name).refuse(
                "has no meaning beside a fixed answer",
                "it is for rules with `route`",
            );
        }
        let authorities = [
            self.rewrite
                .as_ref()
                .and_then(|rewrite| rewrite.authority.as_deref()),
            self.headers.authority(),
        ];
        if authorities.iter().flatten().count() > 1 {
            at.field("rewrite").field("authority").refuse(
                "the host name is changed twice",
                "here or by a header, not both",
            );
        }
    }

    fn inspect_weights(&self, at: &mut Inspector<'_>) {
        let sum: u64 = self
            .route
            .iter()
            .filter_map(|part| part.weight)
            .map(u64::from)
            .sum();
        if self.route.len() > 1 && sum == 0 {
            at.refuse(
                "all weights are 0",
                "weights are relative: 50 and 50, or 99 and 1",
            );
        }
        if sum > u64::from(u32::MAX) {
            at.refuse(
                format!("the weights add up to {sum}"),
                format!("at most {}", u32::MAX),
            );
        }
    }

    fn inspect_mirrors(&self, at: &mut Inspector<'_>) {
        at.at_most_one(&[
            ("mirror", self.mirror.is_some()),
            ("mirrors", !self.mirrors.is_empty()),
        ]);
        at.at_most_one(&[
            ("mirrorPercentage", self.mirror_percentage.is_some()),
            ("mirrorPercent", self.mirror_percent.is_some()),
        ]);
        at.field("mirrorPercentage").percent(self.mirror_percentage);
        if let Some(percent) = self.mirror_percent
            && percent > 100
        {
            at.field("mirrorPercent")
                .refuse(format!("{percent} is no percentage"), "0 to 100");
        }
        let shares = self.mirror_percentage.is_some() || self.mirror_percent.is_some();
        if shares && self.mirror.is_none() {
            at.refuse(
                "has a share for a mirror but no `mirror`",
                "`mirrors` have shares of their own",
            );
        }
        for (index, mirror) in self.mirrors.iter().enumerate() {
            at.item("mirrors", index)
                .field("percentage")
                .percent(mirror.percentage);
        }
    }
}

impl DirectResponse {
    /// The largest body that Istio takes.
    pub(crate) const LARGEST_BODY: usize = 1 << 20;

    fn inspect(&self, at: &mut Inspector<'_>) {
        if !(200..600).contains(&self.status) {
            at.field("status")
                .refuse(format!("{} is no status", self.status), "200 to 599");
        }
        let size = self.body.as_ref().map_or(0, |body| body.string.len());
        if size > Self::LARGEST_BODY {
            at.field("body").refuse(
                format!("has {size} bytes"),
                format!("at most {}", Self::LARGEST_BODY),
            );
        }
    }
}
