//! A token that requests must bear (`Authorization: Bearer …`), from a file that is read again when it changes: a token can be exchanged
//! without a new process. A file that holds none any more leaves the old one in force, and that is told.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use subtle::ConstantTimeEq as _;
use tokio::time::Instant;

use crate::Problem;

/// Shorter ones can be guessed.
const MIN_LENGTH: usize = 16;
/// What a probe or a balancer asks for, which tells nothing but that the service is there.
const OPEN: [&str; 3] = ["/healthz", "/readyz", "/status"];

/// How often the file is looked at, at most. Who exchanges a token has no shorter patience.
const LOOK: Duration = Duration::from_secs(1);

/// The token.
#[derive(Clone)]
pub struct Token {
    file: Arc<Path>,
    now: Arc<Mutex<Now>>,
}

struct Now {
    text: Arc<str>,
    /// When the file is to be looked at again.
    look: Instant,
    /// What was wrong with it the last time.
    trouble: Option<String>,
}

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
        let now = Now {
            text: text(file)?,
            look: Instant::now() + LOOK,
            trouble: None,
        };
        Ok(Self {
            file: file.into(),
            now: Arc::new(Mutex::new(now)),
        })
    }

    /// The value of `Authorization` of who bears it.
    #[must_use]
    pub fn authorization(&self) -> String {
        format!("Bearer {}", self.now().text)
    }

    /// Reads the file again, if it was not looked at for a while.
    async fn look(&self) {
        {
            let (mut now, time) = (self.now(), Instant::now());
            if time < now.look {
                return;
            }
            now.look = time + LOOK;
        }
        let file = Arc::clone(&self.file);
        let read = tokio::task::spawn_blocking(move || text(&file)).await;
        // It fails only when the process ends.
        let Ok(read) = read else { return };
        let mut now = self.now();
        let trouble = match read {
            Ok(text) => {
                if text != now.text {
                    tracing::info!("the token was exchanged");
                    now.text = text;
                }
                None
            }
            Err(error) => Some(error.to_string()),
        };
        if let Some(reason) = trouble.as_ref().filter(|_| trouble != now.trouble) {
            tracing::warn!(reason, "the old token stays in force");
        }
        now.trouble = trouble;
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes as long whatever is wrong with the token: nobody finds it letter by letter.
    fn is_borne_by(&self, headers: &HeaderMap) -> bool {
        let expected = Arc::clone(&self.now().text);
        let given = headers
            .get(header::AUTHORIZATION)
            .map(HeaderValue::as_bytes);
        let token = given.and_then(|given| given.split_at_checked("Bearer ".len()));
        token.is_some_and(|(scheme, token)| {
            scheme.eq_ignore_ascii_case(b"Bearer ") && bool::from(token.ct_eq(expected.as_bytes()))
        })
    }
}

fn text(file: &Path) -> Result<Arc<str>, TokenError> {
    let text = fs::read_to_string(file).map_err(|source| TokenError::Unreadable {
        file: file.to_owned(),
        source,
    })?;
    let token = text.trim();
    if token.len() < MIN_LENGTH || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(TokenError::Unfit(file.to_owned()));
    }
    Ok(token.into())
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// Middleware: 401 for who does not bear the token and wants more than the service's health.
pub(crate) async fn guard(State(token): State<Token>, request: Request, next: Next) -> Response {
    if OPEN.contains(&request.uri().path()) {
        return next.run(request).await;
    }
    token.look().await;
    if token.is_borne_by(request.headers()) {
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

    #[tokio::test(start_paused = true)]
    async fn a_file_that_changes_is_read_again_and_a_broken_one_changes_nothing() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let token_after = async |token: Option<&Token>, text: &str| {
            fs::write(file.path(), text).unwrap();
            let token = token.cloned();
            let token = token.unwrap_or_else(|| Token::read(file.path()).unwrap());
            tokio::time::advance(LOOK).await;
            token.look().await;
            token
        };
        let token = token_after(None, "the-first-token-of-all").await;
        token_after(Some(&token), "the-second-token-of-all").await;
        assert_eq!(token.authorization(), "Bearer the-second-token-of-all");
        token_after(Some(&token), "short").await;
        assert_eq!(token.authorization(), "Bearer the-second-token-of-all");
        fs::write(file.path(), "the-third-token-of-all").unwrap();
        token.look().await;
        assert_eq!(token.authorization(), "Bearer the-second-token-of-all");
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
