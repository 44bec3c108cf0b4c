//! TLS of the listener: its own certificate, and whose clients it lets in. Files that change are read again, so that a
//! certificate can be renewed while the service runs; what is of no use then leaves the old one in force.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use rustls::{RootCertStore, ServerConfig, crypto::ring, server::WebPkiClientVerifier};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::tls::{
    Error,
    files::{Content, fingerprint},
};

/// A client that has not shaken hands by then gives its connection to others.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How often files are looked at, if anybody comes at all. Certificates are renewed days before they end.
const RENEWAL: Duration = Duration::from_secs(10);

/// How a listener speaks TLS.
#[derive(Clone, Debug)]
pub struct Tls(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    files: Files,
    state: Mutex<State>,
}

#[derive(Clone, Debug)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
    client_ca: Option<PathBuf>,
}

struct State {
    acceptor: TlsAcceptor,
    seen: u64,
    looked: Instant,
}

impl Tls {
    /// With this certificate chain and its key. With `client_ca` only holders of certificates of these authorities are let in.
    ///
    /// # Errors
    /// Names the file that does not hold what it should.
    pub fn new(certificate: &Path, key: &Path, client_ca: Option<&Path>) -> Result<Self, Error> {
        let files = Files {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            client_ca: client_ca.map(Path::to_owned),
        };
        let contents = files.read();
        let state = Mutex::new(State {
            seen: fingerprint(&contents),
            acceptor: files.acceptor(&contents)?,
            looked: Instant::now(),
        });
        Ok(Self(Arc::new(Inner { files, state })))
    }

    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let tls = self.clone();
        let acceptor = tokio::task::spawn_blocking(move || tls.0.acceptor(Instant::now()));
        let acceptor = acceptor.await.map_err(io::Error::other)?;
        let accepted = tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await;
        accepted.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    }
}

impl Inner {
    /// With the files as they are now, or were when they were of use.
    fn acceptor(&self, now: Instant) -> TlsAcceptor {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if now.duration_since(state.looked) >= RENEWAL {
            state.looked = now;
            let contents = self.files.read();
            let now = fingerprint(&contents);
            if now != state.seen {
                state.seen = now;
                match self.files.acceptor(&contents) {
                    Ok(acceptor) => {
                        tracing::info!("the listener's certificate is renewed");
                        state.acceptor = acceptor;
                    }
                    Err(error) => {
                        tracing::error!(%error, "the listener keeps its old certificate");
                    }
                }
            }
        }
        state.acceptor.clone()
    }
}

impl Files {
    /// Certificate, key, and authorities if there are some.
    fn read(&self) -> Vec<Content> {
        let files = [&self.certificate, &self.key].into_iter();
        let files = files.chain(&self.client_ca);
        files.map(|file| Content::of(file)).collect()
    }

    fn acceptor(&self, contents: &[Content]) -> Result<TlsAcceptor, Error> {
        let unusable = |error: &dyn std::fmt::Display| Error::Unusable(error.to_string());
        let (chain, secret) = (contents[0].certificates()?, contents[1].key()?);
        let provider = Arc::new(ring::default_provider());
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(&error))?;
        let config = match contents.get(2) {
            None => config.with_no_client_auth(),
            Some(content) => {
                let mut authorities = RootCertStore::empty();
                for authority in content.certificates()? {
                    authorities
                        .add(authority)
                        .map_err(|error| unusable(&error))?;
                }
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(authorities.into(), provider);
                let verifier = verifier.build().map_err(|error| unusable(&error))?;
                config.with_client_cert_verifier(verifier)
            }
        };
        let mut config = config
            .with_single_cert(chain, secret)
            .map_err(|error| match error {
                rustls::Error::InconsistentKeys(_) => Error::Misfit {
                    certificate: self.certificate.clone(),
                    key: self.key.clone(),
                },
                error => unusable(&error),
            })?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("State")
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;

    fn renew(folder: &Path) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(folder.join("cert.pem"), made.cert.pem()).unwrap();
        let key = folder.join("key.pem");
        fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    }

    #[test]
    fn a_renewed_certificate_is_taken_and_a_broken_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        renew(folder.path());
        let (cert, key) = (
            folder.path().join("cert.pem"),
            folder.path().join("key.pem"),
        );
        let tls = Tls::new(&cert, &key, None).unwrap();
        let start = Instant::now();
        let config = |after: u64| {
            let acceptor = tls
                .0
                .acceptor(start + RENEWAL * u32::try_from(after).unwrap());
            Arc::as_ptr(acceptor.config())
        };
        let first = config(1);
        assert_eq!(config(2), first);
        renew(folder.path());
        let second = config(3);
        assert_ne!(second, first);
        fs::write(&cert, "half a certificate").unwrap();
        assert_eq!(config(4), second);
        renew(folder.path());
        assert_ne!(config(5), second);
        let refused = Tls::new(&key, &key, None).unwrap_err().to_string();
        assert!(
            refused.contains("key.pem holds no certificate (PEM)"),
            "{refused}"
        );
    }
}
