//! The files of a rollout, one directory a service.
//!
//! | file | written by | holds |
//! |---|---|---|
//! | `state.json` | who has the turn | [`State`], replaced whole |
//! | `order.json` | anybody | [`Order`], replaced whole, taken away when carried out |
//! | `decisions.jsonl` | who has the turn | every decision with its figures, one a line |
//! | `turn` | | locked by the process that runs the rollout, until it ends however it ends |

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Serialize, de::DeserializeOwned};

use super::state::{Decision, Order, State};

/// A rollout's directory.
#[derive(Debug, Clone)]
pub struct Desk(PathBuf);

/// The right to run the rollout, until dropped.
#[derive(Debug)]
pub struct Turn {
    _lock: File,
}

impl Desk {
    /// The directory, made if it is not there.
    ///
    /// # Errors
    /// What the file system says.
    pub fn open(directory: &Path) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        Ok(Self(directory.to_owned()))
    }

    /// Takes the turn unless another process has it.
    ///
    /// # Errors
    /// What the file system says.
    pub fn turn(&self) -> io::Result<Option<Turn>> {
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(self.0.join("turn"))?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(Turn { _lock: lock })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Where the last rollout of the service is, if there was one.
    ///
    /// # Errors
    /// The file cannot be read, or is no state.
    pub fn state(&self) -> io::Result<Option<State>> {
        read(&self.0.join("state.json"))
    }

    pub(super) fn store(&self, state: &State) -> io::Result<()> {
        replace(&self.0.join("state.json"), state)
    }

    /// Leaves an order for the process that runs the rollout.
    ///
    /// # Errors
    /// What the file system says.
    pub fn leave(&self, order: Order) -> io::Result<()> {
        replace(&self.0.join("order.json"), &order)
    }

    pub(super) fn take_order(&self) -> io::Result<Option<Order>> {
        let file = self.0.join("order.json");
        let order = read(&file)?;
        if order.is_some() {
            fs::remove_file(&file)?;
        }
        Ok(order)
    }

    pub(super) fn record(&self, decision: &Decision<'_>) -> io::Result<()> {
        let mut line = serde_json::to_vec(decision)?;
        line.push(b'\n');
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.decisions())?;
        file.write_all(&line)
    }

    /// The file of decisions.
    pub fn decisions(&self) -> PathBuf {
        self.0.join("decisions.jsonl")
    }
}

fn read<T: DeserializeOwned>(file: &Path) -> io::Result<Option<T>> {
    match fs::read(file) {
        Ok(text) => Ok(Some(serde_json::from_slice(&text)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Written whole or not at all, and on the disk before it counts.
fn replace(file: &Path, value: &impl Serialize) -> io::Result<()> {
    let new = file.with_extension("new");
    let mut written = File::create(&new)?;
    written.write_all(&serde_json::to_vec_pretty(value)?)?;
    written.sync_all()?;
    fs::rename(new, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_has_the_turn_and_others_leave_orders() {
        let directory = tempfile::tempdir().expect("a directory");
        let desk = Desk::open(directory.path()).expect("opened");
        let turn = desk.turn().expect("lockable").expect("nobody has it");
        assert!(desk.turn().expect("lockable").is_none());
        assert_eq!(desk.take_order().expect("read"), None);
        desk.leave(Order::Pause).expect("written");
        desk.leave(Order::Abort).expect("written");
        assert_eq!(desk.take_order().expect("read"), Some(Order::Abort));
        assert_eq!(desk.take_order().expect("read"), None);
        drop(turn);
        assert!(desk.turn().expect("lockable").is_some());
        assert!(desk.state().expect("read").is_none());
    }
}
