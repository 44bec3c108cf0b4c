//! Shows what the programs of a mesh write.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::PathBuf;
use std::time::Duration;

use crate::run_dir::RunDir;

/// How soon a new line is shown.
const POLL: Duration = Duration::from_millis(200);

/// Logs that are being read, each from its own place.
#[derive(Debug)]
pub struct Logs(Vec<Log>);

#[derive(Debug)]
struct Log {
    name: String,
    file: PathBuf,
    reader: BufReader<File>,
    /// A line whose end has not been written yet.
    open: String,
}

impl Logs {
    /// The logs of a role (`cpanel`), a version of it (`cpanel-v2`) or an instance (`cpanel-v2-0`).
    ///
    /// # Errors
    /// None is there, or one cannot be read.
    pub fn of(run_dir: &RunDir, role: &str) -> io::Result<Self> {
        let mut logs = Vec::new();
        for (name, file) in run_dir.logs()? {
            if is_of(&name, role) {
                logs.push(Log {
                    reader: BufReader::new(File::open(&file)?),
                    open: String::new(),
                    name,
                    file,
                });
            }
        }
        if logs.is_empty() {
            let known: Vec<String> = run_dir.logs()?.into_iter().map(|(name, _)| name).collect();
            let message = format!("`{role}` has no log; there are {}", known.join(", "));
            return Err(io::Error::new(io::ErrorKind::NotFound, message));
        }
        Ok(Self(logs))
    }

    /// Prints the last lines of each.
    ///
    /// # Errors
    /// What the file system says.
    pub fn print_last(&mut self, count: usize) -> io::Result<()> {
        let several = self.0.len() > 1;
        for log in &mut self.0 {
            let lines = log.new_lines()?;
            for line in &lines[lines.len().saturating_sub(count)..] {
                print(several, &log.name, line);
            }
        }
        Ok(())
    }

    /// Prints what is written from now on.
    ///
    /// # Errors
    /// What the file system says.
    pub async fn follow(&mut self) -> io::Result<()> {
        let several = self.0.len() > 1;
        loop {
            for log in &mut self.0 {
                for line in log.new_lines()? {
                    print(several, &log.name, &line);
                }
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

impl Log {
    fn new_lines(&mut self) -> io::Result<Vec<String>> {
        let mut lines = Vec::new();
        let mut bytes = Vec::new();
        while self.reader.read_until(b'\n', &mut bytes)? > 0 {
            self.open.push_str(&String::from_utf8_lossy(&bytes));
            bytes.clear();
            if self.open.ends_with('\n') {
                lines.push(std::mem::take(&mut self.open).trim_end().to_owned());
            }
        }
        self.reopen_if_replaced()?;
        Ok(lines)
    }

    /// A log that grew too large is set aside at the next start of its program.
    fn reopen_if_replaced(&mut self) -> io::Result<()> {
        use std::os::unix::fs::MetadataExt;
        let read = self.reader.get_ref().metadata()?.ino();
        match std::fs::metadata(&self.file) {
            Ok(there) if there.ino() != read => {
                self.reader = BufReader::new(File::open(&self.file)?);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

fn print(several: bool, name: &str, line: &str) {
    if several {
        say!("{name:20} {line}");
    } else {
        say!("{line}");
    }
}

/// Whether an instance belongs to what was asked for.
fn is_of(instance: &str, role: &str) -> bool {
    let mut name = instance;
    loop {
        if name == role {
            return true;
        }
        // An instance is `<role>-<version>-<number>`: two cuts, not more, lead to its role.
        match name.rsplit_once('-') {
            Some((shorter, cut)) if is_suffix(cut) => name = shorter,
            _ => return false,
        }
    }
}

fn is_suffix(cut: &str) -> bool {
    let digits = cut.strip_prefix('v').unwrap_or(cut);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_means_all_its_instances() {
        for role in ["cpanel", "cpanel-v2", "cpanel-v2-0"] {
            assert!(is_of("cpanel-v2-0", role), "{role}");
        }
        assert!(is_of("section-1-v1-0", "section-1"));
        assert!(!is_of("cpanel-v2-0", "cpanel-v1"));
        assert!(!is_of("cpanel-v2-0", "panel"));
        assert!(!is_of("face-recognition-v1-0", "face"));
        assert!(is_of("envoy", "envoy"));
    }
}
