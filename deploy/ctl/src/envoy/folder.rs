//! A set of files that is replaced as a whole.

use std::io;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::{fs, process};

use airside_mesh::envoy::files::Files;

/// A directory with a link `current` to the newest generation of its files.
#[derive(Debug)]
pub(super) struct Folder {
    root: PathBuf,
    generation: u64,
    files: Option<Files>,
}

impl Folder {
    /// An empty folder at `root`; what was there is removed.
    ///
    /// # Errors
    /// What the file system says.
    pub(super) fn create(root: PathBuf) -> io::Result<Self> {
        match fs::remove_dir_all(&root) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => fs::create_dir_all(&root)?,
        }
        Ok(Self {
            root,
            generation: 0,
            files: None,
        })
    }

    /// Whether `files` are the current generation.
    pub(super) fn holds(&self, files: &Files) -> bool {
        self.files.as_ref() == Some(files)
    }

    /// Makes `files` the current generation by one rename, unless they are it already. Says
    /// whether anything changed.
    ///
    /// # Errors
    /// What the file system says; the generation before stays current.
    pub(super) fn publish(&mut self, files: Files) -> io::Result<bool> {
        if self.holds(&files) {
            return Ok(false);
        }
        let next = self.generation + 1;
        let directory = self.generation_path(next);
        fs::create_dir_all(&directory)?;
        for (name, text) in &files {
            fs::write(directory.join(name), text)?;
        }
        let link = self.root.join(format!("next.{}", process::id()));
        let _ = fs::remove_file(&link);
        symlink(next.to_string(), &link)?;
        fs::rename(&link, self.root.join("current"))?;
        // The reader may still be at the generation just replaced, never at the one before it.
        if let Some(stale) = self.generation.checked_sub(1) {
            let _ = fs::remove_dir_all(self.generation_path(stale));
        }
        self.generation = next;
        self.files = Some(files);
        Ok(true)
    }

    fn generation_path(&self, generation: u64) -> PathBuf {
        self.root.join(generation.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(text: &str) -> Files {
        Files::from([("a.json".to_owned(), text.to_owned())])
    }

    #[test]
    fn current_is_always_the_last_published() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut folder = Folder::create(directory.path().join("routes")).expect("created");
        let current = folder.root.join("current/a.json");
        for text in ["one", "two", "three", "four"] {
            assert!(folder.publish(files(text)).expect("published"));
            assert_eq!(fs::read_to_string(&current).expect("readable"), text);
        }
        assert!(!folder.publish(files("four")).expect("published"));
        let kept = fs::read_dir(&folder.root).expect("listed").count();
        assert_eq!(kept, 3, "`current` and the last two generations");
    }
}
