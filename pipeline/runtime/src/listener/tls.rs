//! TLS of the listener: its own certificate, and whose clients it lets in. Files that change are read again, so that a
//! certificate can be renewed while the service runs; what is of no use then leaves the old one in force.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::WebPkiClientVerifier,
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, server::TlsStream};

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
    stamps: Vec<Option<SystemTime>>,
    looked: Instant,
}

/// Files that do not make a listener.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or holds something else.
    #[error("{} holds no {wanted} (PEM): {reason}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What it should hold.
        wanted: &'static str,
        /// Why it does not.
        reason: String,
    },
    /// Certificate, key and authorities do not fit together.
    #[error("certificate, key and authorities do not fit together: {0}")]
    Misfit(String),
}

impl Tls {
    /// With this certificate chain and its key. With `client_ca` only holders of certificates of these authorities are let in.
    ///
    /// # Errors
    /// Names the file that does not hold what it should.
    pub fn new(certificate: &Path, key: &Path, client_ca: Option<&Path>) -> Result<Self, TlsError> {
        let files = Files {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            client_ca: client_ca.map(Path::to_owned),
        };
        let state = Mutex::new(State {
            stamps: files.stamps(),
            acceptor: files.read()?,
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
            let stamps = self.files.stamps();
            if stamps != state.stamps {
                state.stamps = stamps;
                match self.files.read() {
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
    /// When each was changed last; `None` for what is not there.
    fn stamps(&self) -> Vec<Option<SystemTime>> {
        let files = [&self.certificate, &self.key]
            .into_iter()
            .chain(&self.client_ca);
        let stamp = |file: &PathBuf| fs::metadata(file).and_then(|found| found.modified()).ok();
        files.map(stamp).collect()
    }

    fn read(&self) -> Result<TlsAcceptor, TlsError> {
        let misfit = |error: &dyn std::fmt::Display| TlsError::Misfit(error.to_string());
        let chain = certificates(&self.certificate)?;
        let secret = PrivateKeyDer::from_pem_file(&self.key).map_err(|error| TlsError::File {
            file: self.key.clone(),
            wanted: "private key",
            reason: error.to_string(),
        })?;
        let provider = Arc::new(ring::default_provider());
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| misfit(&error))?;
        let config = match &self.client_ca {
            None => config.with_no_client_auth(),
            Some(file) => {
                let mut authorities = RootCertStore::empty();
                for authority in certificates(file)? {
                    authorities.add(authority).map_err(|error| misfit(&error))?;
                }
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(authorities.into(), provider);
                let verifier = verifier.build().map_err(|error| misfit(&error))?;
                config.with_client_cert_verifier(verifier)
            }
        };
        let mut config = config
            .with_single_cert(chain, secret)
            .map_err(|error| misfit(&error))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "State({:?})", self.stamps)
    }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let refuse = |reason: String| TlsError::File {
        file: file.to_owned(),
        wanted: "certificate",
        reason,
    };
    let found = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| refuse(error.to_string()))?;
    if found.is_empty() {
        return Err(refuse("there is none in it".to_owned()));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn renew(folder: &Path) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(folder.join("cert.pem"), made.cert.pem()).unwrap();
        fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    }

    fn touch(file: &Path, seconds: u64) {
        let later = SystemTime::now() + Duration::from_secs(seconds);
        let file = fs::File::options().write(true).open(file).unwrap();
        file.set_modified(later).unwrap();
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
        touch(&cert, 5);
        let second = config(3);
        assert_ne!(second, first);
        fs::write(&cert, "half a certificate").unwrap();
        touch(&cert, 10);
        assert_eq!(config(4), second);
        renew(folder.path());
        touch(&cert, 15);
        assert_ne!(config(5), second);
        let refused = Tls::new(&key, &key, None).unwrap_err().to_string();
        assert!(
            refused.contains("key.pem holds no certificate (PEM)"),
            "{refused}"
        );
    }
}
