//! The client's side of TLS.

use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use jiff::Timestamp;
use rustls::{
    ClientConfig, RootCertStore,
    client::Resumption,
    crypto::ring,
    pki_types::{CertificateDer, ServerName},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::watch,
    task::JoinError,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::sync::CancellationToken;

use super::{
    files::{Content, Error, fingerprint},
    peer::{Peer, Verifier},
    refusal,
};

/// Two round trips and some arithmetic; twice lost on a bad line, TCP has repeated them by then.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// How often files are looked at. They are some kB; who renews certificates waits for seconds, not for minutes.
const LOOK: Duration = Duration::from_secs(2);
/// Usual tools renew a certificate when a third of its time is left, or before. With half of that left, a renewal was forgotten.
const FORGOTTEN: u32 = 6;
/// Of one that is valid for long that would be too early for anybody to care.
const FORGOTTEN_AT_MOST: Duration = Duration::from_secs(14 * 86_400);

/// What TLS is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// Authorities that a peer is trusted by; without, those of the operating system.
    pub ca: Option<PathBuf>,
    /// The own certificate and its key, for a peer that wants one.
    pub own: Option<(PathBuf, PathBuf)>,
    /// Who the peer must be; without, whoever the address names.
    pub peer: Option<Peer>,
}

/// When the own certificate is valid, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// From.
    pub from: i64,
    /// To.
    pub to: i64,
}

impl Validity {
    /// Up to when, in text.
    #[must_use]
    pub fn end(&self) -> String {
        text(self.to)
    }

    /// Whether it is over, or nearly so that a renewal must have been forgotten.
    #[must_use]
    pub fn is_nearly_over(&self, now: SystemTime) -> bool {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let span = Duration::from_secs(self.to.saturating_sub(self.from).max(0).unsigned_abs());
        let ahead = (span / FORGOTTEN).min(FORGOTTEN_AT_MOST);
        now + ahead >= Duration::from_secs(self.to.max(0).unsigned_abs())
    }
}

/// How TLS stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Of the own certificate, if there is one.
    pub validity: Option<Validity>,
    /// Why files that have changed are not in force.
    pub trouble: Option<String>,
    /// How often files that have changed were put in force.
    pub renewals: u64,
    /// How often they were of no use.
    pub refusals: u64,
}

/// What looking at the files led to.
#[derive(Debug)]
pub enum Renewal {
    /// They are as they were.
    Unchanged,
    /// They have changed and are in force.
    InForce,
    /// They have changed and are of no use.
    Refused(Error),
}

/// How a client speaks TLS. Clones share what is in force.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    in_force: Mutex<Arc<InForce>>,
    /// What the files held when they were looked at last. Held while they are looked at or exchanged.
    seen: Mutex<u64>,
    standing: watch::Sender<Standing>,
}

/// What connections are made of.
struct InForce {
    files: Files,
    config: ClientConfig,
}

/// Files that were read and are of use.
pub struct Prepared {
    in_force: InForce,
    validity: Option<Validity>,
    fingerprint: u64,
}

impl Prepared {
    /// Of these files. May read all authorities of the operating system: not for where nobody may wait.
    ///
    /// # Errors
    /// Names the file that does not hold what it should.
    pub fn new(files: Files) -> Result<Self, Error> {
        let contents = Contents::of(&files);
        let (config, validity) = contents.config(&files)?;
        Ok(Self {
            in_force: InForce { files, config },
            validity,
            fingerprint: contents.fingerprint(),
        })
    }
}

/// What is spoken within TLS.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Protocol {
    Http1,
    Http2,
    /// Either, as the peer likes.
    Any,
}

impl Client {
    /// By these files. May read all authorities of the operating system: not for where nobody may wait.
    ///
    /// # Errors
    /// Names the file that does not hold what it should.
    pub fn new(files: Files) -> Result<Self, Error> {
        let prepared = Prepared::new(files)?;
        let standing = Standing {
            validity: prepared.validity,
            ..Standing::default()
        };
        Ok(Self(Arc::new(Inner {
            in_force: Mutex::new(Arc::new(prepared.in_force)),
            seen: Mutex::new(prepared.fingerprint),
            standing: watch::Sender::new(standing),
        })))
    }

    /// Is made of these files from now on. Connections that stand go on until who has them follows [`Self::standing`].
    pub fn exchange(&self, prepared: Prepared) {
        let mut seen = self.0.seen.lock().unwrap_or_else(PoisonError::into_inner);
        *seen = prepared.fingerprint;
        self.0.put_in_force(prepared);
    }

    /// How it stands; tells of each change.
    #[must_use]
    pub fn standing(&self) -> watch::Receiver<Standing> {
        self.0.standing.subscribe()
    }

    /// Looks at the files and puts them in force, if they have changed.
    pub fn renew(&self) -> Renewal {
        let mut seen = self.0.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let files = self.0.in_force().files.clone();
        let contents = Contents::of(&files);
        let fingerprint = contents.fingerprint();
        if *seen == fingerprint {
            return Renewal::Unchanged;
        }
        *seen = fingerprint;
        match contents.config(&files) {
            Ok((config, validity)) => {
                self.0.put_in_force(Prepared {
                    in_force: InForce { files, config },
                    validity,
                    fingerprint,
                });
                Renewal::InForce
            }
            Err(error) => {
                self.0.standing.send_modify(|standing| {
                    standing.trouble = Some(error.to_string());
                    standing.refusals += 1;
                });
                Renewal::Refused(error)
            }
        }
    }

    /// Looks at the files over and over until `drain`, and logs what comes of it.
    ///
    /// # Errors
    /// A look ended in a panic.
    pub async fn watch(self, drain: CancellationToken) -> Result<(), JoinError> {
        let mut tick = tokio::time::interval(LOOK);
        let mut warned = None;
        loop {
            tokio::select! {
                () = drain.cancelled() => return Ok(()),
                _ = tick.tick() => {}
            }
            let tls = self.clone();
            match tokio::task::spawn_blocking(move || tls.renew()).await? {
                Renewal::InForce => tracing::info!("TLS files have changed and are in force"),
                Renewal::Refused(error) => {
                    let reason = error.to_string();
                    tracing::error!(
                        reason,
                        "TLS files have changed and are of no use; the old stay in force"
                    );
                }
                Renewal::Unchanged => {}
            }
            let validity = self.0.standing.borrow().validity;
            let over = validity.filter(|validity| validity.is_nearly_over(SystemTime::now()));
            if over != warned {
                warned = over;
                if let Some(validity) = over {
                    tracing::warn!(
                        expires = validity.end(),
                        "the own certificate wants to be renewed"
                    );
                }
            }
        }
    }

    /// Shakes hands with the server at `host`, to speak HTTP/1.1 within.
    ///
    /// # Errors
    /// Why not, in words for who set it up.
    pub async fn http1(
        &self,
        stream: TcpStream,
        host: &str,
    ) -> Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static + use<>, String> {
        self.connect(stream, host, Protocol::Http1).await
    }

    /// Shakes hands with the peer at `host`.
    pub(crate) async fn connect(
        &self,
        stream: TcpStream,
        host: &str,
        protocol: Protocol,
    ) -> Result<TlsStream<TcpStream>, String> {
        let in_force = self.0.in_force();
        let name = match &in_force.files.peer {
            Some(Peer::Name(name)) => name.clone(),
            Some(Peer::Spiffe(_)) | None => ServerName::try_from(host.to_owned())
                .map_err(|_| format!("'{host}' is no host name"))?,
        };
        let mut config = in_force.config.clone();
        config.alpn_protocols = protocol.names();
        let connector = TlsConnector::from(Arc::new(config));
        match tokio::time::timeout(HANDSHAKE_TIMEOUT, connector.connect(name, stream)).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) => Err(refusal::reason(&error)),
            Err(_) => Err(format!("no TLS within {HANDSHAKE_TIMEOUT:?}")),
        }
    }
}

impl Inner {
    fn in_force(&self) -> Arc<InForce> {
        Arc::clone(&self.in_force.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn put_in_force(&self, prepared: Prepared) {
        let mut in_force = self.in_force.lock().unwrap_or_else(PoisonError::into_inner);
        *in_force = Arc::new(prepared.in_force);
        drop(in_force);
        self.standing.send_modify(|standing| {
            standing.validity = prepared.validity;
            standing.trouble = None;
            standing.renewals += 1;
        });
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let in_force = self.0.in_force();
        f.debug_tuple("Client").field(&in_force.files).finish()
    }
}

impl Protocol {
    fn names(self) -> Vec<Vec<u8>> {
        let (http1, http2) = (b"http/1.1".to_vec(), b"h2".to_vec());
        match self {
            Self::Http1 => vec![http1],
            Self::Http2 => vec![http2],
            Self::Any => vec![http2, http1],
        }
    }
}

/// All files at one moment.
struct Contents {
    ca: Option<Content>,
    own: Option<(Content, Content)>,
}

impl Contents {
    fn of(files: &Files) -> Self {
        Self {
            ca: files.ca.as_deref().map(Content::of),
            own: files
                .own
                .as_ref()
                .map(|(certificate, key)| (Content::of(certificate), Content::of(key))),
        }
    }

    fn fingerprint(&self) -> u64 {
        let own = self
            .own
            .iter()
            .flat_map(|(certificate, key)| [certificate, key]);
        fingerprint(self.ca.iter().chain(own))
    }

    fn config(&self, files: &Files) -> Result<(ClientConfig, Option<Validity>), Error> {
        let unusable = |error: rustls::Error| Error::Unusable(error.to_string());
        let provider = Arc::new(ring::default_provider());
        let verifier = Verifier {
            roots: self.roots()?,
            identity: match &files.peer {
                Some(Peer::Spiffe(identity)) => Some(identity.clone()),
                _ => None,
            },
            algorithms: provider.signature_verification_algorithms,
        };
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let (mut config, validity) = match (&self.own, &files.own) {
            (Some((certificate, key)), Some((certificate_file, key_file))) => {
                let (chain, key) = (certificate.certificates()?, key.key()?);
                let validity = validity(&chain[0]);
                let config = config.with_client_auth_cert(chain, key);
                let config = config.map_err(|error| match error {
                    rustls::Error::InconsistentKeys(_) => Error::Misfit {
                        certificate: certificate_file.clone(),
                        key: key_file.clone(),
                    },
                    error => unusable(error),
                })?;
                (config, validity)
            }
            _ => (config.with_no_client_auth(), None),
        };
        // A resumed session verifies nobody, and goes on with certificates that were exchanged before. A whole handshake a stream
        // and minute costs some kB.
        config.resumption = Resumption::disabled();
        Ok((config, validity))
    }

    fn roots(&self) -> Result<RootCertStore, Error> {
        let mut roots = RootCertStore::empty();
        match &self.ca {
            Some(content) => {
                for authority in content.certificates()? {
                    roots
                        .add(authority)
                        .map_err(|error| Error::Unusable(error.to_string()))?;
                }
            }
            None => {
                // Also one file of a system may be broken. Without any, each peer is refused, which says why.
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
        }
        Ok(roots)
    }
}

fn validity(certificate: &CertificateDer<'_>) -> Option<Validity> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let validity = parsed.validity();
    Some(Validity {
        from: validity.not_before.timestamp(),
        to: validity.not_after.timestamp(),
    })
}

/// A time as in RFC 3339, to the second.
pub(super) fn text(seconds: i64) -> String {
    Timestamp::from_second(seconds)
        .unwrap_or(Timestamp::MAX)
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_renewal_is_missed_in_time() {
        const DAY: i64 = 86_400;
        let at = |seconds: i64| UNIX_EPOCH + Duration::from_secs(seconds.unsigned_abs());
        // A year: two weeks before its end. An hour: ten minutes before.
        for (span, first) in [(365 * DAY, 351 * DAY), (3600, 3000)] {
            let validity = Validity {
                from: 1000,
                to: 1000 + span,
            };
            assert!(!validity.is_nearly_over(at(1000 + first - 1)));
            assert!(validity.is_nearly_over(at(1000 + first)));
            assert!(validity.is_nearly_over(at(1000 + 2 * span)));
        }
    }
}
