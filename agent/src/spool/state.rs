//! The state directory: where an agent keeps what outlives it. It belongs to one process at a time.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use super::directory::make_private;

/// A state directory that this process owns until it is dropped.
#[derive(Debug)]
pub struct StateDirectory {
    path: PathBuf,
    /// Locked; the lock goes with the process, however that ends.
    _lock: File,
}

/// A state directory that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The disk says no.
    #[error("the state directory '{}' cannot be used", .0.display())]
    Unusable(PathBuf, #[source] io::Error),
    /// Another process has it.
    #[error("the state directory '{}' is in use by process {owner}; expected a directory for each agent", path.display())]
    InUse {
        /// Which directory.
        path: PathBuf,
        /// The process, as far as known.
        owner: String,
    },
}

const LOCK: &str = "lock";

impl StateDirectory {
    /// Makes the directory if it is not there, and takes it.
    ///
    /// # Errors
    /// It cannot be made, or another process has it.
    pub fn take(path: &Path) -> Result<Self, StateError> {
        let unusable = |error| StateError::Unusable(path.to_owned(), error);
        make_private(path).map_err(unusable)?;
        let lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path.join(LOCK));
        let mut lock = match lock {
            // The owner of a disk that has become read-only still is the only one.
            Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => {
                File::open(path.join(LOCK)).map_err(unusable)?
            }
            lock => lock.map_err(unusable)?,
        };
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let path = path.to_owned();
                let owner = read_owner(&mut lock);
                return Err(StateError::InUse { path, owner });
            }
            Err(TryLockError::Error(error)) => return Err(unusable(error)),
        }
        // For whoever finds it locked; on a read-only disk there is nothing to say.
        let _ = lock
            .set_len(0)
            .and_then(|()| writeln!(lock, "{}", std::process::id()));
        let path = path.to_owned();
        Ok(Self { path, _lock: lock })
    }

    /// The process that has the directory, if one has.
    #[must_use]
    pub fn owner(path: &Path) -> Option<String> {
        let mut lock = File::open(path.join(LOCK)).ok()?;
        match lock.try_lock_shared() {
            Err(TryLockError::WouldBlock) => Some(read_owner(&mut lock)),
            _ => None,
        }
    }

    /// A text that was kept here under this name; `None` if there is none.
    ///
    /// # Errors
    /// The disk's.
    pub fn read(&self, name: &str) -> io::Result<Option<String>> {
        match fs::read_to_string(self.path.join(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            text => text.map(Some),
        }
    }

    /// Keeps a text under this name, in the place of the one before: whole or not at all, also when the power fails.
    ///
    /// # Errors
    /// The disk's. The one before is still there then.
    pub fn replace(&self, name: &str, text: &str) -> io::Result<()> {
        let path = self.path.join(name);
        let directory = path.parent().unwrap_or(&self.path);
        make_private(directory)?;
        let new = path.with_added_extension("new");
        let mut file = File::options();
        let mut file = file
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, &path)?;
        File::open(directory)?.sync_all()
    }

    /// Keeps nothing under this name any more.
    ///
    /// # Errors
    /// The disk's.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.path.join(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }

    /// The spool of a camera.
    #[must_use]
    pub fn spool(&self, camera: &str) -> PathBuf {
        spools(&self.path).join(camera)
    }
}

/// The spools of all cameras.
#[must_use]
pub fn spools(state: &Path) -> PathBuf {
    state.join("spool")
}

fn read_owner(lock: &mut File) -> String {
    let mut text = String::new();
    let _ = lock
        .rewind()
        .and_then(|()| lock.read_to_string(&mut text).map(drop));
    match text.trim() {
        "" => "another process".to_owned(),
        owner => owner.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_has_it_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        assert_eq!(StateDirectory::owner(&path), None);
        let first = StateDirectory::take(&path).unwrap();
        let error = StateDirectory::take(&path).unwrap_err().to_string();
        let me = std::process::id().to_string();
        assert!(error.contains(&me), "{error}");
        assert_eq!(StateDirectory::owner(&path), Some(me));
        drop(first);
        assert!(StateDirectory::take(&path).is_ok());
    }
}
