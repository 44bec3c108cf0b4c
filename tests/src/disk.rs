//! A small disk: some megabytes of memory, mounted in a namespace of its own, so that no rights are needed. It can be filled,
//! and made read-only under the feet of whoever uses it.

use std::{
    ffi::OsString,
    fs,
    io::{self, BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};

use crate::Case;

/// The disk. Gone when dropped, with everything on it.
#[derive(Debug)]
pub struct SmallDisk {
    /// Keeps the namespace.
    holder: Child,
    mounted_at: PathBuf,
}

impl SmallDisk {
    /// An empty disk of so many megabytes.
    ///
    /// # Errors
    /// It cannot be mounted.
    pub fn mount(case: &Case, megabytes: u32) -> Result<Self> {
        let mounted_at = case.directory().join("disk");
        fs::create_dir_all(&mounted_at)?;
        let script = "mount -t tmpfs -o size=\"$1\"m tmpfs \"$0\" && echo mounted && exec cat";
        let mut holder = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .args(["unshare", "--user", "--map-root-user", "--mount"])
            .args(["sh", "-c", script])
            .arg(&mounted_at)
            .arg(megabytes.to_string())
            // Never closed: it waits for the end of its input.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let said = holder.stdout.as_mut().context("it is piped")?;
        BufReader::new(said).read_line(&mut line)?;
        let disk = Self { holder, mounted_at };
        ensure!(line.trim() == "mounted", "no disk of memory");
        Ok(disk)
    }

    /// Where it is, for who is [inside](Self::inside).
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.mounted_at
    }

    /// Where it is, for everybody.
    #[must_use]
    pub fn path_from_outside(&self) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.holder.id()));
        let below = self.mounted_at.strip_prefix("/");
        root.join(below.unwrap_or(&self.mounted_at))
    }

    /// Words that start a program where the disk is, see [`Spec::through`](crate::Spec::through).
    #[must_use]
    pub fn inside(&self) -> Vec<OsString> {
        let target = self.holder.id().to_string();
        let words = [
            "nsenter",
            "--preserve-credentials",
            "--user",
            "--mount",
            "--target",
            &target,
        ];
        words.map(OsString::from).to_vec()
    }

    /// Takes all the space that is left, also more than before; [`release`](Self::release) gives it back.
    ///
    /// # Errors
    /// The disk cannot be written for another reason.
    pub fn fill(&self) -> Result<()> {
        let mut filler = fs::File::options()
            .create(true)
            .append(true)
            .open(self.filler())?;
        let full = io::copy(&mut io::repeat(0), &mut filler);
        let is_full = full.is_err_and(|error| error.kind() == io::ErrorKind::StorageFull);
        ensure!(is_full, "the disk is not small");
        Ok(())
    }

    /// Gives back what [`fill`](Self::fill) took.
    ///
    /// # Errors
    /// It was not filled.
    pub fn release(&self) -> Result<()> {
        Ok(fs::remove_file(self.filler())?)
    }

    fn filler(&self) -> PathBuf {
        self.path_from_outside().join("filler")
    }

    /// From now on no file can be made, opened for writing or renamed, or everything is as before. What is open for writing
    /// stays so: Linux makes no file system read-only under its writers.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn set_read_only(&self, read_only: bool) -> Result<()> {
        self.carry_out(if read_only {
            "mount --bind \"$0\" \"$0\" && mount -o remount,bind,ro \"$0\""
        } else {
            "umount --lazy \"$0\""
        })
    }

    /// Nothing is written from now on, or everything is as before; nobody has anything open for writing.
    ///
    /// # Errors
    /// The kernel refuses: somebody has.
    pub fn remount_read_only(&self, read_only: bool) -> Result<()> {
        self.carry_out(match read_only {
            true => "mount -o remount,bind,ro \"$0\"",
            false => "mount -o remount,bind,rw \"$0\"",
        })
    }

    fn carry_out(&self, script: &str) -> Result<()> {
        let words = self.inside();
        let status = Command::new(&words[0])
            .args(&words[1..])
            .args(["sh", "-c", script])
            .arg(&self.mounted_at)
            .status()?;
        ensure!(status.success(), "{script}: {status}");
        Ok(())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Fails only when it has ended.
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
