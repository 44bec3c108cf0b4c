//! How an instance is chosen.

use serde::Deserialize;

use super::Duration;
use super::inspect::Inspector;

/// Envoy's largest ring.
const LARGEST_RING: u64 = 8 << 20;

/// Envoy's Maglev tables have a prime size below this.
const LARGEST_TABLE: u64 = 5_000_011;

/// How an instance is chosen.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LoadBalancer {
    /// One of the algorithms without settings of their own.
    pub simple: Option<SimpleLoadBalancer>,
    /// Requests that are alike go to the same instance.
    pub consistent_hash: Option<ConsistentHash>,
    /// A new instance gets more and more.
    pub warmup: Option<Warmup>,
    /// Old form of `warmup`.
    pub warmup_duration_secs: Option<Duration>,
}

/// Istio's algorithms without settings of their own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SimpleLoadBalancer {
    /// Istio's choice, which is `LEAST_REQUEST`.
    #[default]
    Unspecified,
    /// The less loaded of two instances picked at random.
    LeastRequest,
    /// Old name of `LEAST_REQUEST`.
    LeastConn,
    /// Any instance.
    Random,
    /// Each instance in turn.
    RoundRobin,
    /// The address that the caller named; refused, because here it is always the egress.
    Passthrough,
}

/// Requests that are alike go to the same instance.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConsistentHash {
    /// Alike by a header.
    pub http_header_name: Option<String>,
    /// Alike by a cookie.
    pub http_cookie: Option<HttpCookie>,
    /// Alike by the caller's address.
    pub use_source_ip: Option<bool>,
    /// Alike by a query parameter.
    pub http_query_parameter_name: Option<String>,
    /// Instances on a ring.
    pub ring_hash: Option<RingHash>,
    /// Instances in a table.
    pub maglev: Option<Maglev>,
    /// Old form of `ring_hash`.
    pub minimum_ring_size: Option<u64>,
}

/// A cookie that tells requests apart.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HttpCookie {
    /// Its name.
    pub name: String,
    /// Paths that it is for.
    pub path: Option<String>,
    /// How long a browser keeps it. A client without the cookie is given one if this is there; 0 means for the session.
    pub ttl: Option<Duration>,
    /// Further attributes of the cookie that is given.
    #[serde(default)]
    pub attributes: Vec<CookieAttribute>,
}

/// An attribute of a cookie, as `SameSite`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CookieAttribute {
    /// Its name.
    pub name: String,
    /// Its value, if it has one.
    #[serde(default)]
    pub value: String,
}

/// Instances on a ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RingHash {
    /// Points on the ring, at least; more share more evenly.
    pub minimum_ring_size: Option<u64>,
}

/// Instances in a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Maglev {
    /// Places in the table, a prime number.
    pub table_size: Option<u64>,
}

/// A new instance gets more and more.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Warmup {
    /// Until it gets as much as the others.
    pub duration: Duration,
    /// What it gets at first; 10, if nothing is said.
    pub minimum_percent: Option<f64>,
    /// How quickly it gets more; 1, evenly, if nothing is said.
    pub aggression: Option<f64>,
}

impl LoadBalancer {
    pub(super) fn inspect(&self, at: &mut Inspector<'_>) {
        at.at_most_one(&[
            ("simple", self.simple.is_some()),
            ("consistentHash", self.consistent_hash.is_some()),
        ]);
        if self.simple == Some(SimpleLoadBalancer::Passthrough) {
            at.field("simple").refuse(
                "`PASSTHROUGH` is not supported",
                "callers name a service, not an address; leave it out",
            );
        }
        if let Some(hash) = &self.consistent_hash {
            hash.inspect(&mut at.field("consistentHash"));
        }
        self.inspect_warmup(at);
    }

    fn inspect_warmup(&self, at: &mut Inspector<'_>) {
        if let Some(warmup) = &self.warmup {
            warmup.inspect(&mut at.field("warmup"));
        }
        at.field("warmupDurationSecs")
            .duration(self.warmup_duration_secs);
        at.at_most_one(&[
            ("warmup", self.warmup.is_some()),
            ("warmupDurationSecs", self.warmup_duration_secs.is_some()),
        ]);
        let warms = self.warmup.is_some() || self.warmup_duration_secs.is_some();
        let random = self.simple == Some(SimpleLoadBalancer::Random);
        if warms && (random || self.consistent_hash.is_some()) {
            at.field("warmup").refuse(
                "works with ROUND_ROBIN and LEAST_REQUEST alone",
                "Istio passes over it elsewhere",
            );
        }
    }
}

impl ConsistentHash {
    fn inspect(&self, at: &mut Inspector<'_>) {
        let keys = [
            ("httpHeaderName", self.http_header_name.is_some()),
            ("httpCookie", self.http_cookie.is_some()),
            ("useSourceIp", self.use_source_ip.is_some()),
            (
                "httpQueryParameterName",
                self.http_query_parameter_name.is_some(),
            ),
        ];
        if at.at_most_one(&keys) && !keys.iter().any(|(_, there)| *there) {
            let names = keys.map(|(name, _)| name).join(", ");
            at.refuse(
                "does not say what makes requests alike",
                format!("one of {names}"),
            );
        }
        let names = [
            ("httpHeaderName", &self.http_header_name),
            ("httpQueryParameterName", &self.http_query_parameter_name),
        ];
        for (field, _) in names.iter().filter(|(_, name)| name.as_deref() == Some("")) {
            at.field(field).refuse("is empty", "the name to go by");
        }
        if let Some(cookie) = &self.http_cookie {
            cookie.inspect(&mut at.field("httpCookie"));
        }
        at.at_most_one(&[
            ("ringHash", self.ring_hash.is_some()),
            ("maglev", self.maglev.is_some()),
            ("minimumRingSize", self.minimum_ring_size.is_some()),
        ]);
        inspect_ring(self.minimum_ring_size, &mut at.field("minimumRingSize"));
        if let Some(ring) = &self.ring_hash {
            let mut at = at.field("ringHash");
            inspect_ring(ring.minimum_ring_size, &mut at.field("minimumRingSize"));
        }
        if let Some(maglev) = &self.maglev {
            maglev.inspect(&mut at.field("maglev"));
        }
    }
}

fn inspect_ring(size: Option<u64>, at: &mut Inspector<'_>) {
    if let Some(size) = size
        && size > LARGEST_RING
    {
        at.refuse(
            format!("{size} points are too many"),
            format!("at most {LARGEST_RING}"),
        );
    }
}

impl HttpCookie {
    fn inspect(&self, at: &mut Inspector<'_>) {
        if self.name.is_empty() {
            at.field("name").refuse("is empty", "the cookie's name");
        }
        for (index, attribute) in self.attributes.iter().enumerate() {
            let mut at = at.item("attributes", index);
            let mut at = at.field("name");
            let before = &self.attributes[..index];
            if attribute.name.is_empty() {
                at.refuse("is empty", "an attribute of a cookie, as in `SameSite`");
            } else if before.iter().any(|other| other.name == attribute.name) {
                at.refuse(
                    format!("`{}` is there twice", attribute.name),
                    "one value for one attribute",
                );
            }
        }
    }
}

impl Maglev {
    fn inspect(&self, at: &mut Inspector<'_>) {
        let size = self.table_size.unwrap_or_default();
        if size >= LARGEST_TABLE || !is_prime(size) {
            at.field("tableSize").refuse(
                format!("{size} is no size of a table"),
                format!("a prime number below {LARGEST_TABLE}, as in 65537"),
            );
        }
    }
}

fn is_prime(number: u64) -> bool {
    number >= 2
        && (2..)
            .take_while(|factor| factor * factor <= number)
            .all(|factor| !number.is_multiple_of(factor))
}

impl Warmup {
    fn inspect(&self, at: &mut Inspector<'_>) {
        at.field("duration").duration(Some(self.duration));
        if let Some(percent) = self.minimum_percent
            && !(0.0..=100.0).contains(&percent)
        {
            at.field("minimumPercent")
                .refuse(format!("{percent} is no percentage"), "0 to 100");
        }
        if let Some(aggression) = self.aggression
            && (aggression.is_nan() || aggression <= 0.0)
        {
            at.field("aggression").refuse(
                format!("{aggression} is not above 0"),
                "1 is even, 2 is quicker at first",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_prime;

    #[test]
    fn primes_are_told_from_other_numbers() {
        for prime in [2, 3, 5, 65_537, 4_999_999] {
            assert!(is_prime(prime), "{prime}");
        }
        for other in [0, 1, 4, 9, 65_536, 5_000_008] {
            assert!(!is_prime(other), "{other}");
        }
    }
}
