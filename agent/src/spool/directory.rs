//! The directory of one camera's spool: every change of the disk goes through here.
//!
//! Files can be read by their owner alone. Tests watch the changes, in the order in which they are made, and make
//! them fail.

use std::{
    fmt,
    fs::{self, DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt as _, FileExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// One change of the disk, before it is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A new, empty file.
    Create(String),
    /// These bytes at this offset of a file.
    Write(String, u64, Vec<u8>),
    /// A file ends here.
    Cut(String, u64),
    /// A file gets another name.
    Rename(String, String),
    /// A file goes away.
    Remove(String),
    /// What was written to a file is to be on the disk before anything else is done.
    Sync(String),
    /// And so are the names of all files.
    SyncNames,
}

/// Sees each change before it is made; its error is taken for the disk's.
pub type Watch = Arc<dyn Fn(&Change) -> io::Result<()> + Send + Sync>;

/// A directory.
pub struct Directory {
    path: PathBuf,
    watch: Option<Watch>,
    /// Device and inode; `None` until it was seen.
    identity: Mutex<Option<(u64, u64)>>,
    /// How many files were made, and of how many of them the disk knows the names for sure.
    made: AtomicU64,
    synced: Mutex<u64>,
}

/// An open file of the directory.
#[derive(Clone)]
pub struct Handle {
    name: String,
    file: Arc<File>,
    watch: Option<Watch>,
}

impl Directory {
    /// The directory at this path; nothing is made yet.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            watch: None,
            identity: Mutex::default(),
            made: AtomicU64::new(0),
            synced: Mutex::default(),
        }
    }

    /// One whose changes are watched.
    #[must_use]
    pub fn watched(path: PathBuf, watch: Watch) -> Self {
        Self {
            watch: Some(watch),
            ..Self::new(path)
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes it, with what leads to it, if it is not there.
    ///
    /// # Errors
    /// The disk's.
    pub fn make(&self) -> io::Result<()> {
        make_private(&self.path)?;
        let metadata = fs::metadata(&self.path)?;
        *self.known() = Some((metadata.dev(), metadata.ino()));
        Ok(())
    }

    /// Whether it still is the directory that was made.
    #[must_use]
    pub fn is_there(&self) -> bool {
        let now = fs::metadata(&self.path).ok();
        now.map(|now| (now.dev(), now.ino())) == *self.known()
    }

    /// Its files and their sizes; none if it is not there.
    ///
    /// # Errors
    /// The disk's.
    pub fn files(&self) -> io::Result<Vec<(String, u64)>> {
        let entries = match fs::read_dir(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut files = Vec::new();
        for entry in entries {
            let entry = entry?;
            if let Ok(name) = entry.file_name().into_string() {
                files.push((name, entry.metadata()?.len()));
            }
        }
        files.sort();
        Ok(files)
    }

    /// Opens a file for reading.
    ///
    /// # Errors
    /// The disk's.
    pub fn read(&self, name: &str) -> io::Result<File> {
        File::open(self.path.join(name))
    }

    /// Opens a file that is there for writing.
    ///
    /// # Errors
    /// The disk's.
    pub fn write(&self, name: &str) -> io::Result<Handle> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(self.path.join(name))?;
        Ok(self.handle(name, file))
    }

    /// Makes an empty file, also where there was one. A power failure may take its name until [`Self::sync`].
    ///
    /// # Errors
    /// The disk's.
    pub fn create(&self, name: &str) -> io::Result<Handle> {
        watch(self.watch.as_ref(), || Change::Create(name.to_owned()))?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(self.path.join(name))?;
        self.made.fetch_add(1, Ordering::Release);
        Ok(self.handle(name, file))
    }

    /// Returns when the disk knows the names of all files that were made.
    ///
    /// # Errors
    /// The disk's.
    pub fn sync(&self) -> io::Result<()> {
        let made = self.made.load(Ordering::Acquire);
        let mut synced = self.synced.lock().unwrap_or_else(PoisonError::into_inner);
        if *synced < made {
            watch(self.watch.as_ref(), || Change::SyncNames)?;
            File::open(&self.path)?.sync_all()?;
            *synced = made;
        }
        Ok(())
    }

    /// Gives a file another name.
    ///
    /// # Errors
    /// The disk's.
    pub fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        watch(self.watch.as_ref(), || {
            Change::Rename(from.to_owned(), to.to_owned())
        })?;
        fs::rename(self.path.join(from), self.path.join(to))
    }

    /// Removes a file; one that is gone is fine.
    ///
    /// # Errors
    /// The disk's.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        watch(self.watch.as_ref(), || Change::Remove(name.to_owned()))?;
        match fs::remove_file(self.path.join(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }

    fn handle(&self, name: &str, file: File) -> Handle {
        Handle {
            name: name.to_owned(),
            file: Arc::new(file),
            watch: self.watch.clone(),
        }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Option<(u64, u64)>> {
        self.identity.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Handle {
    /// Its name in the directory.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// For reading.
    #[must_use]
    pub fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// Writes all bytes at an offset.
    ///
    /// # Errors
    /// The disk's.
    pub fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        watch(self.watch.as_ref(), || {
            Change::Write(self.name.clone(), offset, bytes.to_vec())
        })?;
        self.file.write_all_at(bytes, offset)
    }

    /// Ends the file at a length.
    ///
    /// # Errors
    /// The disk's.
    pub fn cut(&self, length: u64) -> io::Result<()> {
        watch(self.watch.as_ref(), || {
            Change::Cut(self.name.clone(), length)
        })?;
        self.file.set_len(length)
    }

    /// Returns when everything that was written is on the disk.
    ///
    /// # Errors
    /// The disk's.
    pub fn sync(&self) -> io::Result<()> {
        watch(self.watch.as_ref(), || Change::Sync(self.name.clone()))?;
        self.file.sync_data()
    }
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.fmt(f)
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// Makes a directory that only its owner can enter, with what leads to it.
pub(super) fn make_private(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn watch(watch: Option<&Watch>, change: impl FnOnce() -> Change) -> io::Result<()> {
    watch.map_or(Ok(()), |watch| watch(&change()))
}
