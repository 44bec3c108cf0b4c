//! A token that requests must bear (`Authorization: Bearer …`).

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use subtle::ConstantTimeEq as _;

use crate::Problem;

/// Shorter ones can be guessed.
const MIN_LENGTH: usize = 16;
/// What a probe or a balancer asks for, which tells nothing but that the service is there.
const OPEN: [&str; 3] = ["/healthz", "/readyz", "/status"];

/// The token.
#[derive(Clone)]
pub struct Token(Arc<str>);

/// A file that holds no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// It cannot be read.
    #[error("cannot read {}: {source}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It holds something else.
    #[error("{} holds no token; expected one line of at least {MIN_LENGTH} visible ASCII characters", .0.display())]
    Unfit(PathBuf),
}

impl Token {
    /// Reads it from a file with nothing else in it but space around.
    ///
    /// # Errors
    /// There is none in it.
    pub fn read(file: &Path) -> Result<Self, TokenError> {
        let text = fs::read_to_string(file).map_err(|source| TokenError::Unreadable {
            file: file.to_owned(),
            source,
        })?;
        let token = text.trim();
        if token.len() < MIN_LENGTH || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(TokenError::Unfit(file.to_owned()));
        }
        Ok(Self(token.into()))
    }

    /// The value of `Authorization` of who bears it.
    #[must_use]
    pub fn authorization(&self) -> String {
        format!("Bearer {}", self.0)
    }

    /// Takes as long whatever is wrong with the token: nobody finds it letter by letter.
    fn is_borne_by(&self, headers: &HeaderMap) -> bool {
        let given = headers
            .get(header::AUTHORIZATION)
            .map(HeaderValue::as_bytes);
        let token = given.and_then(|given| given.split_at_checked("Bearer ".len()));
        token.is_some_and(|(scheme, token)| {
            scheme.eq_ignore_ascii_case(b"Bearer ") && bool::from(token.ct_eq(self.0.as_bytes()))
        })
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// Middleware: 401 for who does not bear the token and wants more than the service's health.
pub(crate) async fn guard(State(token): State<Token>, request: Request, next: Next) -> Response {
    if OPEN.contains(&request.uri().path()) || token.is_borne_by(request.headers()) {
        return next.run(request).await;
    }
    let refused = Problem::new(StatusCode::UNAUTHORIZED, "this needs the service's token")
        .expected("Authorization: Bearer TOKEN");
    let mut refused = refused.into_response();
    let scheme = HeaderValue::from_static("Bearer");
    refused
        .headers_mut()
        .insert(header::WWW_AUTHENTICATE, scheme);
    refused
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(text: &str) -> Result<Token, TokenError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        Token::read(file.path())
    }

    #[test]
    fn only_who_bears_it_is_let_in() {
        let token = token(" 0123456789abcdef\n").unwrap();
        let borne = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, value.parse().unwrap());
            token.is_borne_by(&headers)
        };
        assert!(borne("Bearer 0123456789abcdef") && borne("bearer 0123456789abcdef"));
        for wrong in [
            "",
            "Bearer ",
            "Bearer 0123456789abcde",
            "Bearer 0123456789abcdeF",
            "Bearer 0123456789abcdef0",
            "Basic 0123456789abcdef",
            "0123456789abcdef",
        ] {
            assert!(!borne(wrong), "{wrong}");
        }
        assert!(!token.is_borne_by(&HeaderMap::new()));
        assert_eq!(format!("{token:?}"), "Token");
    }

    #[test]
    fn what_is_no_token_is_refused_without_being_shown() {
        for text in [
            "",
            "short",
            "two words that are long",
            "0123456789abcdef\n0123456789abcdef",
        ] {
            let error = token(text).unwrap_err().to_string();
            assert!(error.contains("expected one line"), "{error}");
            assert!(text.is_empty() || !error.contains(text), "{error}");
        }
    }
}
