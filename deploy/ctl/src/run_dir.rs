//! The directory of a running mesh, and the lock that keeps it to one.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use airside_mesh::envoy::Addresses;

use crate::envoy::Program;

/// What a running mesh tells others about itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Owner {
    /// Process id of `airsidectl up`.
    pub pid: u32,
    /// Where it listens.
    pub addresses: Addresses,
}

impl Owner {
    /// The page.
    pub fn url(&self) -> String {
        let ingress = self.addresses.ingress;
        if ingress.ip().is_loopback() {
            format!("http://localhost:{}", ingress.port())
        } else {
            format!("http://{ingress}")
        }
    }
}

/// Files of a mesh.
#[derive(Debug, Clone)]
pub struct RunDir(PathBuf);

impl RunDir {
    /// The directory at `root`, made if it is not there.
    ///
    /// # Errors
    /// What the file system says.
    pub fn open(root: &Path) -> io::Result<Self> {
        fs::create_dir_all(root)?;
        let root = fs::canonicalize(root)?;
        for part in ["logs", "data", "addresses"] {
            fs::create_dir_all(root.join(part))?;
        }
        Ok(Self(root))
    }

    /// Log of an instance.
    pub fn log(&self, instance: &str) -> PathBuf {
        self.0.join("logs").join(format!("{instance}.log"))
    }

    /// All logs there are, by instance, Envoy's with them.
    ///
    /// # Errors
    /// What the file system says.
    pub fn logs(&self) -> io::Result<Vec<(String, PathBuf)>> {
        let mut logs = Vec::new();
        for entry in fs::read_dir(self.0.join("logs"))? {
            let file = entry?.path();
            if file.extension().is_some_and(|extension| extension == "log")
                && let Some(name) = file.file_stem()
            {
                logs.push((name.to_string_lossy().into_owned(), file));
            }
        }
        let envoy = Program::log(&self.envoy());
        if envoy.is_file() {
            logs.push(("envoy".to_owned(), envoy));
        }
        logs.sort();
        Ok(logs)
    }

    /// An instance's own directory, kept from run to run.
    pub fn data(&self, instance: &str) -> PathBuf {
        self.0.join("data").join(instance)
    }

    /// Names of all instances, also of those that no longer run, that have kept something.
    ///
    /// # Errors
    /// What the file system says.
    pub fn instances_with_data(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.0.join("data"))? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }

    /// Where an instance announces its address.
    pub fn announcement(&self, instance: &str) -> PathBuf {
        self.0.join("addresses").join(instance)
    }

    /// Directory of Envoy's files.
    pub fn envoy(&self) -> PathBuf {
        self.0.join("envoy")
    }

    /// Directory of the proxy that stands in for kube-proxy.
    pub fn kube_proxy(&self) -> PathBuf {
        self.0.join("kube-proxy")
    }

    /// Files of a service's rollout.
    pub fn rollout(&self, service: &str) -> PathBuf {
        self.0.join("rollout").join(service)
    }

    /// Socket on which a running mesh takes requests.
    pub fn socket(&self) -> PathBuf {
        self.0.join("control.sock")
    }

    /// Where Prometheus finds what runs.
    pub fn targets(&self) -> PathBuf {
        self.0.join("targets.json")
    }

    /// Output of a mesh that runs in the background.
    pub fn output(&self) -> PathBuf {
        self.0.join("up.log")
    }

    /// Locks the directory.
    ///
    /// # Errors
    /// What the file system says; [`Locked::Elsewhere`] is no error.
    pub fn lock(&self) -> io::Result<Locked> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(self.0.join("lock"))?;
        match file.try_lock() {
            Ok(()) => {
                // What the last owner left must not be taken for ours.
                file.set_len(0)?;
                Ok(Locked::Here(Lock(file)))
            }
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                file.read_to_string(&mut text)?;
                Ok(Locked::Elsewhere(serde_json::from_str(&text).ok()))
            }
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

/// Who has the directory.
#[derive(Debug)]
pub enum Locked {
    /// We do, until the lock is dropped; also the death of the process drops it.
    Here(Lock),
    /// A running mesh; unknown for the moment it takes to start.
    Elsewhere(Option<Owner>),
}

/// The directory is ours.
#[derive(Debug)]
pub struct Lock(File);

impl Lock {
    /// Tells others who we are.
    ///
    /// # Errors
    /// What the file system says.
    pub fn announce(&mut self, owner: &Owner) -> io::Result<()> {
        self.0.set_len(0)?;
        self.0.rewind()?;
        self.0.write_all(serde_json::to_string(owner)?.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_owner_is_told_of_the_first() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let run_dir = RunDir::open(directory.path()).expect("opened");
        let Locked::Here(mut lock) = run_dir.lock().expect("lockable") else {
            panic!("nobody else has it");
        };
        assert!(matches!(run_dir.lock(), Ok(Locked::Elsewhere(None))));
        let address = "127.0.0.1:31221".parse().expect("an address");
        let addresses = Addresses {
            ingress: address,
            egress: address,
            admin: address,
        };
        lock.announce(&Owner { pid: 7, addresses })
            .expect("written");
        let Ok(Locked::Elsewhere(Some(owner))) = run_dir.lock() else {
            panic!("the first has it");
        };
        assert_eq!(
            (owner.pid, owner.url()),
            (7, "http://localhost:31221".to_owned())
        );
        drop(lock);
        let next = run_dir.lock().expect("lockable");
        assert!(matches!(next, Locked::Here(_)));
        assert!(matches!(run_dir.lock(), Ok(Locked::Elsewhere(None))));
    }
}
