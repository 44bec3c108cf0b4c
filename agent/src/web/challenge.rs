//! How a server wants the password: as digest (RFC 7616), as most cameras do, or plainly (RFC 7617).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::Method;
use md5::{Digest as _, Md5};

use crate::capture::Credentials;

/// What a server asks for with a 401.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    Basic,
    Digest(Digest),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Digest {
    realm: String,
    nonce: String,
    opaque: Option<String>,
    algorithm: Algorithm,
    /// As the server writes it: some want it back, some know none.
    algorithm_name: Option<String>,
    /// Whether requests are counted (`qop=auth`).
    counted: bool,
    requests: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Algorithm {
    hash: Hash,
    session: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hash {
    Md5,
    Sha256,
}

impl Challenge {
    /// The best that is offered in these `WWW-Authenticate` headers and known here: digest before the plain password, the
    /// newer hash before the older.
    pub(super) fn choose<'a>(headers: impl Iterator<Item = &'a str>) -> Option<Self> {
        let offered: Vec<_> = headers.flat_map(schemes).collect();
        let digests = offered.iter().filter_map(Digest::of);
        let best = digests.max_by_key(|digest| digest.algorithm.hash == Hash::Sha256);
        best.map(Self::Digest).or_else(|| {
            let basic = offered
                .iter()
                .any(|scheme| scheme.name.eq_ignore_ascii_case("basic"));
            basic.then_some(Self::Basic)
        })
    }

    /// The header `Authorization` of the next request.
    pub(super) fn answer(
        &mut self,
        credentials: &Credentials,
        method: &Method,
        path: &str,
    ) -> String {
        match self {
            Self::Basic => {
                let pair = format!("{}:{}", credentials.user, credentials.password);
                format!("Basic {}", STANDARD.encode(pair))
            }
            Self::Digest(digest) => {
                digest.requests += 1;
                let nonce: u128 = rand::random();
                digest.answer(credentials, method, path, &format!("{nonce:032x}"))
            }
        }
    }
}

impl Digest {
    fn of(scheme: &Scheme<'_>) -> Option<Self> {
        if !scheme.name.eq_ignore_ascii_case("digest") {
            return None;
        }
        let algorithm_name = scheme.get("algorithm");
        let algorithm = match &algorithm_name {
            None => Algorithm::named("MD5"),
            Some(name) => Algorithm::named(name),
        };
        let qop = scheme.get("qop");
        let counted = qop.as_ref().is_some_and(|offered| {
            let mut offered = offered.split(',');
            offered.any(|one| one.trim().eq_ignore_ascii_case("auth"))
        });
        // A server that only offers to sign bodies (auth-int) is not served.
        (qop.is_none() || counted).then_some(())?;
        Some(Self {
            realm: scheme.get("realm")?,
            nonce: scheme.get("nonce")?,
            opaque: scheme.get("opaque"),
            algorithm: algorithm?,
            algorithm_name,
            counted,
            requests: 0,
        })
    }

    fn answer(
        &self,
        credentials: &Credentials,
        method: &Method,
        path: &str,
        own_nonce: &str,
    ) -> String {
        let Self { realm, nonce, .. } = self;
        let Credentials { user, password } = credentials;
        let hash = |text: String| self.algorithm.hash.hex(text.as_bytes());
        let mut secret = hash(format!("{user}:{realm}:{password}"));
        if self.algorithm.session {
            secret = hash(format!("{secret}:{nonce}:{own_nonce}"));
        }
        let wish = hash(format!("{method}:{path}"));
        let count = format!("{:08x}", self.requests);
        let response = match self.counted {
            true => hash(format!("{secret}:{nonce}:{count}:{own_nonce}:auth:{wish}")),
            false => hash(format!("{secret}:{nonce}:{wish}")),
        };
        let mut answer = format!(
            "Digest username={}, realm={}, nonce={}, uri={}, response=\"{response}\"",
            quoted(user),
            quoted(realm),
            quoted(nonce),
            quoted(path),
        );
        if let Some(name) = &self.algorithm_name {
            answer += &format!(", algorithm={name}");
        }
        if let Some(opaque) = &self.opaque {
            answer += &format!(", opaque={}", quoted(opaque));
        }
        if self.counted {
            answer += &format!(", qop=auth, nc={count}");
        }
        if self.counted || self.algorithm.session {
            answer += &format!(", cnonce=\"{own_nonce}\"");
        }
        answer
    }
}

impl Algorithm {
    fn named(name: &str) -> Option<Self> {
        let upper = name.to_ascii_uppercase();
        let (hash, session) = match upper.strip_suffix("-SESS") {
            Some(hash) => (hash, true),
            None => (upper.as_str(), false),
        };
        let hash = match hash {
            "MD5" => Hash::Md5,
            "SHA-256" => Hash::Sha256,
            _ => return None,
        };
        Some(Self { hash, session })
    }
}

impl Hash {
    fn hex(self, data: &[u8]) -> String {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        match self {
            Self::Md5 => hex(&Md5::digest(data)),
            Self::Sha256 => hex(ring::digest::digest(&ring::digest::SHA256, data).as_ref()),
        }
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// One way that is offered, with its parameters.
struct Scheme<'a> {
    name: &'a str,
    parameters: Vec<(&'a str, String)>,
}

impl Scheme<'_> {
    fn get(&self, name: &str) -> Option<String> {
        let mut known = self.parameters.iter();
        let (_, value) = known.find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        Some(value.clone())
    }
}

/// Splits a header into the ways that it offers: `Digest realm="gate, east", nonce="…", Basic realm="gate"`.
fn schemes(header: &str) -> Vec<Scheme<'_>> {
    let mut schemes: Vec<Scheme<'_>> = Vec::new();
    for item in items(header) {
        let mut parameter = item;
        // A name and a space before the parameter begin another way.
        let name_ends = item.find(|c: char| c.is_whitespace() || c == '=');
        let begins = match name_ends {
            None => true,
            Some(end) => !item[end..].trim_start().starts_with('='),
        };
        if begins {
            let (name, rest) = item.split_once(char::is_whitespace).unwrap_or((item, ""));
            parameter = rest.trim();
            schemes.push(Scheme {
                name,
                parameters: Vec::new(),
            });
        }
        if let (Some(scheme), Some((name, value))) = (schemes.last_mut(), parameter.split_once('='))
        {
            scheme
                .parameters
                .push((name.trim(), unquoted(value.trim())));
        }
    }
    schemes
}

/// What stands between commas that are not within quotes.
fn items(header: &str) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    let separates = move |c: char| {
        let literal = escaped;
        escaped = quoted && c == '\\' && !literal;
        quoted ^= c == '"' && !literal;
        c == ',' && !quoted
    };
    let items = header.split(separates).map(str::trim);
    items.filter(|item| !item.is_empty())
}

fn unquoted(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"') else {
        return value.to_owned();
    };
    let inner = inner.strip_suffix('"').unwrap_or(inner);
    let mut escaped = false;
    let kept = inner.chars().filter(|c| {
        escaped = *c == '\\' && !escaped;
        !escaped
    });
    kept.collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The example of RFC 7616, section 3.9.1.
    const OFFER: &str = r#"Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=HASH,
        nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS""#;
    const NONCE: &str = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";

    fn mufasa() -> Credentials {
        Credentials {
            user: "Mufasa".to_owned(),
            password: "Circle of Life".to_owned(),
        }
    }

    fn digest(offer: &str) -> Digest {
        match Challenge::choose([offer].into_iter()) {
            Some(Challenge::Digest(digest)) => digest,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn answers_as_the_standard_shows() {
        for (hash, response) in [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            (
                "SHA-256",
                "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
            ),
        ] {
            let mut digest = digest(&OFFER.replace("HASH", hash));
            digest.requests = 1;
            let answer = digest.answer(&mufasa(), &Method::GET, "/dir/index.html", NONCE);
            assert!(
                answer.contains(&format!("response=\"{response}\"")),
                "{answer}"
            );
            assert!(
                answer.contains("qop=auth, nc=00000001, cnonce="),
                "{answer}"
            );
        }
    }

    #[test]
    fn takes_the_best_of_what_is_offered() {
        let both = r#"Digest realm="gate, \"east\"", nonce="1", Basic realm="gate""#;
        let Some(Challenge::Digest(digest)) = Challenge::choose([both].into_iter()) else {
            panic!("no digest");
        };
        assert_eq!(digest.realm, r#"gate, "east""#);
        assert!(!digest.counted);
        let newer = OFFER.replace("HASH", "SHA-256");
        let older = OFFER.replace("HASH", "MD5");
        let chosen = Challenge::choose([newer.as_str(), older.as_str()].into_iter());
        assert!(
            matches!(chosen, Some(Challenge::Digest(digest)) if digest.algorithm.hash == Hash::Sha256)
        );
        let basic = Challenge::choose([r#"Basic realm="gate""#].into_iter());
        assert_eq!(basic, Some(Challenge::Basic));
        for unknown in [
            "",
            "Bearer",
            "Digest realm=\"x\"",
            &OFFER.replace("HASH", "MD6"),
        ] {
            assert_eq!(Challenge::choose([unknown].into_iter()), None, "{unknown}");
        }
    }

    #[test]
    fn each_request_counts() {
        let mut challenge = Challenge::Digest(digest(&OFFER.replace("HASH", "MD5-sess")));
        for count in ["nc=00000001", "nc=00000002"] {
            let answer = challenge.answer(&mufasa(), &Method::GET, "/");
            assert!(answer.contains(count), "{answer}");
        }
        let answer = Challenge::Basic.answer(&mufasa(), &Method::GET, "/");
        assert_eq!(answer, "Basic TXVmYXNhOkNpcmNsZSBvZiBMaWZl");
    }

    proptest! {
        #[test]
        fn reads_anything(header in ".{0,200}") {
            let _ = Challenge::choose([header.as_str()].into_iter());
        }
    }
}
