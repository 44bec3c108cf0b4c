//! The files behind TLS: certificates and keys as PEM.

use std::{
    collections::hash_map::DefaultHasher,
    fs::File,
    hash::{Hash as _, Hasher as _},
    io::{self, Read as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject};

/// Permission of everyone to read.
const OTHERS_READ: u32 = 0o004;
/// All authorities of an operating system are some 250 kB. What is larger was named by mistake.
const LARGEST: u64 = 4 << 20;

/// Files that are of no use for TLS.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read.
    #[error("{} cannot be read: {source}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file holds something else.
    #[error("{} holds no {wanted} (PEM): {reason}", file.display())]
    Content {
        /// The file.
        file: PathBuf,
        /// What it should hold.
        wanted: &'static str,
        /// Why it does not.
        reason: String,
    },
    /// Anyone on the machine can read the key.
    #[error("the key {} is readable by everyone; expected mode 0600 or 0640 (chmod o-r)", .0.display())]
    Exposed(PathBuf),
    /// They were not made for each other.
    #[error("the key {} does not fit the certificate {}", key.display(), certificate.display())]
    Misfit {
        /// The certificate.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
    },
    /// What TLS makes of them.
    #[error("certificate, key and authorities cannot be used: {0}")]
    Unusable(String),
}

/// A file as it was at one moment.
pub(crate) struct Content {
    file: PathBuf,
    bytes: io::Result<Vec<u8>>,
    mode: u32,
}

impl Content {
    /// Reads the file; whether that went well is told by who uses it.
    pub(crate) fn of(file: &Path) -> Self {
        let read = || {
            let open = File::open(file)?;
            let mode = open.metadata()?.permissions().mode();
            let mut bytes = Vec::new();
            open.take(LARGEST).read_to_end(&mut bytes)?;
            Ok((bytes, mode))
        };
        let (bytes, mode) = match read() {
            Ok((bytes, mode)) => (Ok(bytes), mode),
            Err(error) => (Err(error), 0),
        };
        Self {
            file: file.to_owned(),
            bytes,
            mode,
        }
    }

    /// The certificates in it, in their order; at least one.
    pub(crate) fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, Error> {
        let refuse = |reason: String| self.refuse("certificate", reason);
        let found: Vec<_> = CertificateDer::pem_slice_iter(self.bytes()?)
            .collect::<Result<_, _>>()
            .map_err(|error| refuse(error.to_string()))?;
        if found.is_empty() {
            return Err(refuse("there is none in it".to_owned()));
        }
        Ok(found)
    }

    /// The key in it.
    pub(crate) fn key(&self) -> Result<PrivateKeyDer<'static>, Error> {
        let key = PrivateKeyDer::from_pem_slice(self.bytes()?).map_err(|error| {
            let reason = match error {
                pem::Error::NoItemsFound => "there is none in it".to_owned(),
                error => error.to_string(),
            };
            self.refuse("private key", reason)
        })?;
        if self.mode & OTHERS_READ == 0 {
            Ok(key)
        } else {
            Err(Error::Exposed(self.file.clone()))
        }
    }

    fn bytes(&self) -> Result<&[u8], Error> {
        self.bytes.as_deref().map_err(|error| Error::Unreadable {
            file: self.file.clone(),
            // An error of the system is no more than its kind and number.
            source: error
                .raw_os_error()
                .map_or_else(|| error.kind().into(), io::Error::from_raw_os_error),
        })
    }

    fn refuse(&self, wanted: &'static str, reason: String) -> Error {
        Error::Content {
            file: self.file.clone(),
            wanted,
            reason,
        }
    }
}

/// What tells files from others: it differs when any of them has another content, also where only a link to them was exchanged.
pub(crate) fn fingerprint<'a>(contents: impl IntoIterator<Item = &'a Content>) -> u64 {
    let mut hasher = DefaultHasher::new();
    for content in contents {
        (content.bytes.as_deref().ok(), content.mode & OTHERS_READ).hash(&mut hasher);
    }
    hasher.finish()
}
