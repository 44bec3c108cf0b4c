//! Reads the values of settings; each refusal says what form is accepted.

use std::{net::SocketAddr, time::Duration};

use http::Uri;

/// Reads an address to listen on, `IP:PORT`.
///
/// # Errors
/// What is no address, with the accepted form.
pub fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        "expected IP:PORT, e.g. 127.0.0.1:8080 or [::1]:8080; port 0 takes a free one".to_owned()
    })
}

/// Reads a span of time: a number and its unit (`us`, `ms`, `s`, `m`, `h`, `d`).
///
/// # Errors
/// What is no span of time, with the accepted form.
pub fn duration(text: &str) -> Result<Duration, String> {
    let expected =
        || "expected a number and a unit of us, ms, s, m, h or d, e.g. 500ms or 30d".to_owned();
    let split = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .ok_or_else(expected)?;
    let (number, unit) = text.split_at(split);
    let seconds = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3_600.0,
        "d" => 86_400.0,
        _ => return Err(expected()),
    };
    let number: f64 = number.parse().map_err(|_| expected())?;
    Duration::try_from_secs_f64(number * seconds).map_err(|_| expected())
}

/// Reads the address of a neighbour: `http://HOST:PORT` (`grpc://` is read as `http://`), nothing behind the port.
///
/// # Errors
/// What is no such address, with the accepted form.
pub fn origin(text: &str) -> Result<Uri, String> {
    let expected = || "expected http://HOST:PORT, e.g. http://section-1:8080".to_owned();
    origin_of(text, "http", &["http", "grpc"]).ok_or_else(expected)
}

/// Reads the address of a neighbour that is reached by TLS: `https://HOST:PORT` (`grpcs://` is read as `https://`).
///
/// # Errors
/// What is no such address, with the accepted form.
pub fn secure_origin(text: &str) -> Result<Uri, String> {
    let expected = || "expected https://HOST:PORT, e.g. https://collector:9443".to_owned();
    origin_of(text, "https", &["https", "grpcs"]).ok_or_else(expected)
}

fn origin_of(text: &str, scheme: &str, read: &[&str]) -> Option<Uri> {
    let uri: Uri = text.parse().ok()?;
    let plain = matches!(uri.path(), "" | "/") && uri.query().is_none();
    let authority = uri.authority()?;
    let known = uri.scheme_str().is_some_and(|given| read.contains(&given));
    // Behind the host there is a port or nothing. Credentials have no place in an address: it is shown in logs
    // and pages.
    let host_only = authority.host().len() == authority.as_str().len();
    let ends_well = host_only || authority.port_u16().is_some();
    let credentials = authority.as_str().contains('@');
    if !plain || !known || !ends_well || credentials || authority.host().is_empty() {
        return None;
    }
    let origin = Uri::builder().scheme(scheme).authority(authority.as_str());
    origin.path_and_query("/").build().ok()
}

/// Reads a size in bytes: a number, `KiB`, `MiB` or `GiB` behind it or nothing.
///
/// # Errors
/// What is no size, with the accepted form.
pub fn bytes(text: &str) -> Result<usize, String> {
    let (number, unit) = match text {
        text if text.ends_with("GiB") => (text.trim_end_matches("GiB"), 1 << 30),
        text if text.ends_with("MiB") => (text.trim_end_matches("MiB"), 1 << 20),
        text if text.ends_with("KiB") => (text.trim_end_matches("KiB"), 1 << 10),
        text => (text, 1),
    };
    number
        .trim()
        .parse::<usize>()
        .ok()
        .and_then(|number| number.checked_mul(unit))
        .ok_or_else(|| "expected a number of bytes, KiB, MiB or GiB, e.g. 16MiB".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("30d"), Ok(Duration::from_secs(30 * 86_400)));
        for text in ["", "5", "s", "-1s", "5 s", "1.2.3s", "5y"] {
            assert!(duration(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn origins() {
        assert_eq!(
            origin("grpc://collector:9090").unwrap().to_string(),
            "http://collector:9090/"
        );
        for text in [
            "",
            "collector:9090",
            "ftp://a:1",
            "http://a:1/x",
            "http://u:p@a:1",
            "http://a:port",
            "http://a:70000",
            "grpcs://a:1",
        ] {
            assert!(origin(text).is_err(), "{text:?}");
        }
        assert_eq!(
            secure_origin("grpcs://[::1]:9443").unwrap().to_string(),
            "https://[::1]:9443/"
        );
        assert!(secure_origin("grpc://a:1").is_err());
    }

    #[test]
    fn sizes() {
        assert_eq!(bytes("16MiB"), Ok(16 << 20));
        assert_eq!(bytes("2GiB"), Ok(2 << 30));
        assert_eq!(bytes("100"), Ok(100));
        assert!(bytes("1GB").is_err());
    }
}
