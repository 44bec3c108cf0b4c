//! Encryption of frames on disk: ChaCha20-Poly1305, which is fast without special instructions too.
//!
//! Every segment has a key of its own, derived from the operator's key and a random salt in the segment's header. A
//! nonce is the count of frames sealed for the segment; no process continues the segment of another. So a nonce never
//! repeats under a key, also after a crash and after a write that failed half-way.

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::{
    aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hkdf::{HKDF_SHA256, KeyType, Salt},
};

/// Bytes of a segment's salt.
pub const SALT: usize = 16;
/// Bytes that tell whether a key is the right one.
pub const CHECK: usize = 16;
/// Bytes by which a sealed text is longer.
pub const TAG: usize = 16;
/// Bytes of a key.
const KEY: usize = 32;

/// The operator's key.
#[derive(Clone)]
pub struct Key([u8; KEY]);

/// A key file that is refused.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// It cannot be read.
    #[error("the key file '{}' cannot be read", .0.display())]
    Unreadable(PathBuf, #[source] io::Error),
    /// Others can read it too.
    #[error("the key file '{}' has mode {mode:03o}; expected one that only its owner can read, e.g. 600", path.display())]
    Exposed {
        /// Which file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It holds something else.
    #[error("the key file '{}' holds no key; expected 32 bytes in base64 (openssl rand -base64 32)", .0.display())]
    NoKey(PathBuf),
}

impl Key {
    /// Reads a key from a file that nobody else can read.
    ///
    /// # Errors
    /// The file cannot be read, can be read by others, or holds no key.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let unreadable = |error| KeyError::Unreadable(path.to_owned(), error);
        let metadata = fs::metadata(path).map_err(unreadable)?;
        let mode = metadata.mode() & 0o777;
        // A credential of systemd belongs to root and shows the mask of its access list as rights of root's group.
        let group = if metadata.gid() == 0 { 0 } else { 0o070 };
        if mode & (0o007 | group) != 0 {
            let path = path.to_owned();
            return Err(KeyError::Exposed { path, mode });
        }
        let text = fs::read_to_string(path).map_err(unreadable)?;
        let bytes = STANDARD.decode(text.trim()).ok();
        let key = bytes.and_then(|bytes| bytes.try_into().ok());
        key.map(Self)
            .ok_or_else(|| KeyError::NoKey(path.to_owned()))
    }

    /// The cipher of the segment with this salt.
    #[must_use]
    pub fn cipher(&self, salt: &[u8; SALT]) -> Cipher {
        let secret = Salt::new(HKDF_SHA256, salt).extract(&self.0);
        let derive = |purpose: &[u8], bytes: &mut [u8]| {
            secret
                .expand(&[purpose], Length(bytes.len()))
                .and_then(|derived| derived.fill(bytes))
                .expect("a key and a check are shorter than what may be derived");
        };
        let (mut key, mut check) = ([0; KEY], [0; CHECK]);
        derive(b"airside spool frames", &mut key);
        derive(b"airside spool key check", &mut check);
        let key = UnboundKey::new(&CHACHA20_POLY1305, &key).expect("the key has its length");
        Cipher {
            key: LessSafeKey::new(key),
            check,
        }
    }
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// Seals and opens the frames of one segment.
pub struct Cipher {
    key: LessSafeKey,
    check: [u8; CHECK],
}

impl Cipher {
    /// Differs for different keys, and tells nothing about them.
    #[must_use]
    pub fn check(&self) -> [u8; CHECK] {
        self.check
    }

    /// Encrypts in place and adds the tag. `counter` must be new; `bound` is authenticated with the text.
    pub fn seal(&self, counter: u64, bound: &[u8], text: &mut Vec<u8>) {
        self.key
            .seal_in_place_append_tag(nonce(counter), Aad::from(bound), text)
            .expect("a frame is shorter than what may be sealed");
    }

    /// Decrypts in place; the clear text, or `None` if it was not sealed like this.
    pub fn open<'a>(&self, counter: u64, bound: &[u8], text: &'a mut [u8]) -> Option<&'a mut [u8]> {
        let opened = self
            .key
            .open_in_place(nonce(counter), Aad::from(bound), text);
        opened.ok()
    }
}

fn nonce(counter: u64) -> Nonce {
    let mut nonce = [0; NONCE_LEN];
    nonce[..8].copy_from_slice(&counter.to_le_bytes());
    Nonce::assume_unique_for_key(nonce)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_file_is_private_and_holds_32_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let read = |text: &str, mode| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            Key::read(&path).map(|key| key.0)
        };
        let text = STANDARD.encode([7; KEY]) + "\n";
        assert_eq!(read(&text, 0o600).unwrap(), [7; KEY]);
        assert!(read(&text, 0o400).is_ok());
        let error = read(&text, 0o604).unwrap_err().to_string();
        assert!(error.contains("mode 604"), "{error}");
        // Only root can give the file to another group; whoever else runs this has one already.
        let _ = std::os::unix::fs::chown(&path, None, Some(1));
        assert!(matches!(read(&text, 0o640), Err(KeyError::Exposed { .. })));
        for text in ["", "secret", &STANDARD.encode([7; 31])] {
            assert!(matches!(read(text, 0o600), Err(KeyError::NoKey(_))));
        }
    }

    #[test]
    fn only_the_same_key_salt_counter_and_binding_open() {
        let cipher = Key([1; KEY]).cipher(&[2; SALT]);
        let mut text = b"a picture".to_vec();
        cipher.seal(3, b"frame 4", &mut text);
        assert_eq!(text.len(), 9 + TAG);
        let open = |cipher: &Cipher, counter, bound: &[u8]| {
            let mut text = text.clone();
            cipher
                .open(counter, bound, &mut text)
                .map(|text| text.to_vec())
        };
        assert_eq!(open(&cipher, 3, b"frame 4").unwrap(), b"a picture");
        assert_eq!(open(&cipher, 4, b"frame 4"), None);
        assert_eq!(open(&cipher, 3, b"frame 5"), None);
        for other in [
            Key([9; KEY]).cipher(&[2; SALT]),
            Key([1; KEY]).cipher(&[9; SALT]),
        ] {
            assert_eq!(open(&other, 3, b"frame 4"), None);
            assert_ne!(other.check(), cipher.check());
        }
    }
}
