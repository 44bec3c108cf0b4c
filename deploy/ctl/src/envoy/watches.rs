//! Whether Envoy can watch its files: it takes an inotify instance for each, Linux gives a user 128 by default, and Envoy
//! aborts when it gets none.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

const LIMIT: &str = "/proc/sys/fs/inotify/max_user_instances";
/// How an inotify instance is shown among the open files of a process.
const INSTANCE: &str = "anon_inode:inotify";

/// There are too few inotify instances left.
#[derive(Debug, thiserror::Error)]
#[error(
    "Envoy needs {wanted} inotify instances more, and {used} of the {limit} that a user may have are in use; \
     end what uses them (another mesh?), or raise the limit: `sysctl fs.inotify.max_user_instances=1024`"
)]
pub struct TooFew {
    wanted: usize,
    used: usize,
    limit: usize,
}

/// Makes sure that so many more files can be watched. Where the system does not say, nothing is known to be wrong.
pub(super) fn check(wanted: usize) -> Result<(), TooFew> {
    let limit = fs::read_to_string(LIMIT).ok();
    let Some(limit) = limit.and_then(|text| text.trim().parse().ok()) else {
        return Ok(());
    };
    let used = used();
    if used + wanted <= limit {
        Ok(())
    } else {
        Err(TooFew {
            wanted,
            used,
            limit,
        })
    }
}

/// Instances of all processes of this user.
fn used() -> usize {
    let owner = |path: &Path| fs::metadata(path).map(|process| process.uid()).ok();
    let us = owner(Path::new("/proc/self"));
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .map(|process| process.path())
        .filter(|process| owner(process) == us)
        .map(|process| instances(&process))
        .sum()
}

/// Instances of a process; one that has just ended has none.
fn instances(process: &Path) -> usize {
    let files = fs::read_dir(process.join("fd")).into_iter().flatten();
    let is_instance = |file: &fs::DirEntry| {
        fs::read_link(file.path()).is_ok_and(|target| target == Path::new(INSTANCE))
    };
    files.flatten().filter(is_instance).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_there_are_is_said_in_plain_words() {
        let said = check(1 << 40).expect_err("nobody has so many").to_string();
        assert!(said.contains("fs.inotify.max_user_instances"), "{said}");
        assert!(check(0).is_ok(), "what is in use fits");
    }
}
