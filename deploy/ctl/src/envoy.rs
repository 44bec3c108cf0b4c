//! The Envoy of the local mesh: its program, its files, and its own state.
//!
//! Envoy runs in the directory that holds its files, so every path in them is relative; which files there are
//! is told by [`airside_mesh::envoy`].
//!
//! `current` is a symbolic link that is replaced by one rename, so a set of files is taken over as
//! a whole. The sets are apart so that a change of routes touches no connection, and a change
//! of endpoints rebuilds no cluster.

mod admin;
mod clusters;
mod folder;
mod program;
mod publish;
mod watches;

pub use admin::Admin;
pub use clusters::Called;
use folder::Folder;
pub use program::{Program, ProgramError};
pub use publish::{Error, Publisher, TakenOver};
