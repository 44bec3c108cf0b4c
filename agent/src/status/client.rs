//! Asks a control interface, plainly or by TLS.

use std::time::Duration;

use airside_runtime::{Mesh, Token, TokenError, mesh, problem::Chain, tls};
use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::Full;
use serde::de::DeserializeOwned;

use super::Args;

/// An agent on this machine answers within milliseconds, one across a bad link within seconds.
const PATIENCE: Duration = Duration::from_secs(5);

/// The way to an agent's control interface.
#[derive(Debug)]
pub struct Client {
    scheme: &'static str,
    authority: String,
    mesh: Mesh,
    token: Option<Token>,
}

/// Why an agent cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No address.
    #[error("'{0}' is no agent; expected http://HOST:PORT or https://HOST:PORT")]
    Address(Uri),
    /// The token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// A certificate or key.
    #[error(transparent)]
    Tls(#[from] tls::Error),
    /// Nobody answers.
    #[error("no agent answers at {at}: {}", Chain(source))]
    Unreachable {
        /// Where.
        at: String,
        /// Why.
        source: mesh::Error,
    },
    /// It answers something else.
    #[error("{at} answers {status}: {detail}")]
    Refused {
        /// What was asked for.
        at: String,
        /// What was answered.
        status: StatusCode,
        /// In words.
        detail: String,
    },
}

impl Client {
    /// For the interface at `url`.
    ///
    /// # Errors
    /// It is no address, or a file does not hold what it should.
    pub fn new(url: &Uri, args: &Args) -> Result<Self, Error> {
        let refuse = || Error::Address(url.clone());
        let mut mesh = Mesh::new(None);
        let scheme = match url.scheme_str() {
            Some("http") => "http",
            Some("https") => {
                let own = args.certificate.clone().zip(args.key.clone());
                mesh = mesh.with_tls(tls::Client::new(tls::Files {
                    ca: args.ca.clone(),
                    own,
                    peer: None,
                })?);
                "https"
            }
            _ => return Err(refuse()),
        };
        let authority = url.authority().ok_or_else(refuse)?.to_string();
        let token = args.token_file.as_deref().map(Token::read).transpose()?;
        Ok(Self {
            scheme,
            authority,
            mesh,
            token,
        })
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        let refused = |status, detail| Error::Refused {
            at: path.to_owned(),
            status,
            detail,
        };
        let mut request = Request::get(format!("{}://{}{path}", self.scheme, self.authority));
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, token.authorization());
        }
        let request = request.body(Full::new(Bytes::new()));
        let request =
            request.map_err(|error| refused(StatusCode::BAD_REQUEST, error.to_string()))?;
        let answer = self.mesh.send(request, PATIENCE).await;
        let answer = answer.map_err(|source| Error::Unreachable {
            at: self.authority.clone(),
            source,
        })?;
        if !answer.status().is_success() {
            let problem: serde_json::Value =
                serde_json::from_slice(answer.body()).unwrap_or_default();
            let detail = problem["detail"]
                .as_str()
                .unwrap_or("no agent of this kind");
            return Err(refused(answer.status(), detail.to_owned()));
        }
        serde_json::from_slice(answer.body())
            .map_err(|error| refused(answer.status(), error.to_string()))
    }
}
