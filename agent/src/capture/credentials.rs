//! User and password of a network camera, from its address or from a file.

use std::{
    fmt,
    fs::File,
    io::{self, Read},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

/// No user and password are longer together.
const LONGEST: u64 = 4096;
/// Permission of everyone to read.
const OTHERS_READ: u32 = 0o004;

/// User and password. `Debug` shows neither.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) user: String,
    pub(crate) password: String,
}

/// A credentials file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// It does not open.
    #[error("credentials-file {} cannot be read", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Anyone on the machine can read it.
    #[error(
        "credentials-file {} is readable by everyone; expected mode 0600 or 0640 (chmod o-r)",
        .0.display()
    )]
    Exposed(PathBuf),
    /// Its content.
    #[error("credentials-file {} holds no credentials; expected user:password on its first line", .0.display())]
    Malformed(PathBuf),
}

impl Credentials {
    /// From a file. It is read anew whenever a camera is opened, so that a changed password needs no restart.
    pub(crate) fn read(path: &Path) -> Result<Self, Refused> {
        let unreadable = |source| Refused::Unreadable {
            path: path.to_owned(),
            source,
        };
        let file = File::open(path).map_err(unreadable)?;
        let mode = file.metadata().map_err(unreadable)?.permissions().mode();
        if mode & OTHERS_READ != 0 {
            return Err(Refused::Exposed(path.to_owned()));
        }
        let mut text = String::new();
        file.take(LONGEST)
            .read_to_string(&mut text)
            .map_err(unreadable)?;
        Self::parse(&text).ok_or_else(|| Refused::Malformed(path.to_owned()))
    }

    /// From `user:password`; a password may hold colons, a user may not.
    fn parse(text: &str) -> Option<Self> {
        let (user, password) = text.lines().next()?.split_once(':')?;
        (!user.is_empty()).then(|| Self {
            user: user.to_owned(),
            password: password.to_owned(),
        })
    }

    /// Those in an address, as `scheme://USER:PASSWORD@HOST/…`, percent-decoded.
    pub(crate) fn of_address(address: &str) -> Option<Self> {
        let (_, rest) = address.split_once("://")?;
        let (before, _) = authority(rest).rsplit_once('@')?;
        let (user, password) = before.split_once(':').unwrap_or((before, ""));
        Some(Self {
            user: percent_decoded(user),
            password: percent_decoded(password),
        })
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

/// The address `text` without user and password.
pub(crate) fn redacted(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return text.to_owned();
    };
    let authority = authority(rest);
    let path = &rest[authority.len()..];
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

/// What stands before the path.
fn authority(rest: &str) -> &str {
    &rest[..rest.find(['/', '?']).unwrap_or(rest.len())]
}

/// What is no valid escape stays as it is: passwords are often written without thinking of addresses.
pub(crate) fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escape = text
            .get(at + 1..at + 3)
            .filter(|_| bytes[at] == b'%')
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        decoded.push(escape.unwrap_or(bytes[at]));
        at += if escape.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};

    use super::*;

    fn file(content: &str, mode: u32) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gate");
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        (folder, path)
    }

    #[test]
    fn reads_one_line_and_keeps_colons_in_the_password() {
        let (_folder, path) = file("guard:s3:cret \nmore\n", 0o640);
        let read = Credentials::read(&path).unwrap();
        assert_eq!(
            (read.user.as_str(), read.password.as_str()),
            ("guard", "s3:cret ")
        );
        assert_eq!(format!("{read:?}"), "Credentials");
    }

    #[test]
    fn refuses_what_everyone_reads_and_what_is_none() {
        let (_folder, path) = file("guard:s3cret", 0o644);
        let exposed = Credentials::read(&path).unwrap_err().to_string();
        assert!(exposed.contains("readable by everyone"), "{exposed}");
        for content in ["", "guard", ":s3cret"] {
            let (_folder, path) = file(content, 0o600);
            let malformed = Credentials::read(&path).unwrap_err().to_string();
            assert!(malformed.contains("expected user:password"), "{malformed}");
            assert!(!malformed.contains("s3cret"));
        }
        let missing = Credentials::read(Path::new("/no/such/file")).unwrap_err();
        assert!(matches!(missing, Refused::Unreadable { .. }));
    }

    #[test]
    fn takes_them_out_of_an_address() {
        let of =
            |address| Credentials::of_address(address).map(|found| (found.user, found.password));
        let pair = |user: &str, password: &str| Some((user.to_owned(), password.to_owned()));
        assert_eq!(of("rtsp://guard:a%40b@gate:554/1"), pair("guard", "a@b"));
        assert_eq!(of("http://guard:50%@gate"), pair("guard", "50%"));
        assert_eq!(of("http://guard@gate/x@y"), pair("guard", ""));
        assert_eq!(of("http://gate/x@y"), None);
        assert_eq!(
            redacted("rtsp://guard:s3cret@gate:554/1"),
            "rtsp://gate:554/1"
        );
    }
}
