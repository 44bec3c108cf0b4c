//! Which form of a frame a client asks for.

use http::{HeaderMap, header};

/// Form of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// JSON with the picture in base64.
    Json,
    /// The picture alone.
    Jpeg,
}

impl Form {
    /// The form that `Accept` prefers (RFC 9110, with weights; JSON at a tie and without the header), `None` if neither
    /// is accepted.
    pub(super) fn accepted(headers: &HeaderMap) -> Option<Self> {
        let ranges: Vec<(String, f32)> = headers
            .get_all(header::ACCEPT)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(weighed)
            .collect();
        if ranges.is_empty() {
            return Some(Self::Json);
        }
        let weight = |names: [&str; 3]| {
            // The most specific range that matches decides.
            let of = |name: &str| ranges.iter().find(|(range, _)| range == name);
            names
                .into_iter()
                .find_map(of)
                .map_or(0.0, |(_, weight)| *weight)
        };
        let json = weight(["application/json", "application/*", "*/*"]);
        let jpeg = weight(["image/jpeg", "image/*", "*/*"]);
        match (json, jpeg) {
            (json, jpeg) if json <= 0.0 && jpeg <= 0.0 => None,
            (json, jpeg) if jpeg > json => Some(Self::Jpeg),
            _ => Some(Self::Json),
        }
    }
}

/// A media range and its weight.
fn weighed(range: &str) -> (String, f32) {
    let mut parts = range.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default().to_ascii_lowercase();
    let weight = parts
        .find_map(|part| part.strip_prefix("q="))
        .and_then(|weight| weight.parse().ok());
    (name, weight.unwrap_or(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(accept: &str) -> Option<Form> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, accept.parse().unwrap());
        Form::accepted(&headers)
    }

    #[test]
    fn the_preferred_form_wins_and_json_at_a_tie() {
        assert_eq!(Form::accepted(&HeaderMap::new()), Some(Form::Json));
        for json in [
            "*/*",
            "application/json",
            "image/jpeg;q=0.5, application/json",
            "text/html, */*",
        ] {
            assert_eq!(of(json), Some(Form::Json), "{json}");
        }
        for jpeg in [
            "image/jpeg",
            "image/avif,image/webp,image/*,*/*;q=0.8",
            "application/json;q=0.1, IMAGE/JPEG",
            "application/json;q=0, */*",
        ] {
            assert_eq!(of(jpeg), Some(Form::Jpeg), "{jpeg}");
        }
        for neither in ["text/html", "*/*;q=0", "image/png"] {
            assert_eq!(of(neither), None, "{neither}");
        }
    }
}
