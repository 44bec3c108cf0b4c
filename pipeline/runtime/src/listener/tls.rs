//! TLS of the listener: its own certificate, and whose clients it lets in.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
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

/// How a listener speaks TLS.
#[derive(Clone)]
pub struct Tls(TlsAcceptor);

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
        let misfit = |error: &dyn std::fmt::Display| TlsError::Misfit(error.to_string());
        let chain = certificates(certificate)?;
        let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| TlsError::File {
            file: key.to_owned(),
            wanted: "private key",
            reason: error.to_string(),
        })?;
        let provider = Arc::new(ring::default_provider());
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| misfit(&error))?;
        let config = match client_ca {
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
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }

    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let accepted = tokio::time::timeout(HANDSHAKE_TIMEOUT, self.0.accept(stream)).await;
        accepted.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
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
