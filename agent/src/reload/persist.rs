//! Writing the configuration file.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
};

/// Writes the file whole or not at all; it stays readable for whom it was before, as it may hold passwords.
pub(super) fn write(file: &Path, text: &str) -> io::Result<()> {
    // What is behind a link is replaced, not the link.
    let file = fs::canonicalize(file)?;
    let mode = fs::metadata(&file)?.permissions().mode() & 0o777;
    let mut new = file.clone().into_os_string();
    new.push(".new");
    let written = File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)
        .and_then(|mut opened| {
            opened.set_permissions(fs::Permissions::from_mode(mode))?;
            opened.write_all(text.as_bytes())?;
            opened.sync_all()
        })
        .and_then(|()| fs::rename(&new, &file));
    if written.is_err() {
        // It is of no use; that it stays behind would be the lesser harm.
        let _ = fs::remove_file(&new);
        return written;
    }
    match file.parent() {
        Some(directory) => File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_replaced_behind_a_link_with_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("agent.toml"), folder.path().join("link"));
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        write(&link, "new").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert_eq!(
            fs::metadata(&file).unwrap().permissions().mode() & 0o777,
            0o640
        );
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        assert!(write(&folder.path().join("none"), "new").is_err());
    }
}
