//! What Airside keeps: persons, alerts, and what was answered for frames; in SQLite, one file a role.
//!
//! Invariants:
//! - What a function here has answered is on the disk (WAL, `synchronous = FULL`).
//! - Each write is one transaction together with the note that it was carried out: the identity of a frame
//!   ([`PersonsWrite::is_new`], [`Settlements::enter`]), or the id of a request ([`Request`]). A repetition changes nothing.
//! - There is one writer at a time; readers see the last commit and never wait for it.
//!
//! The SQL keeps to what PostgreSQL understands as well.

mod alerts;
mod database;
mod error;
mod frames;
mod persons;
mod requests;
pub mod settlements;

pub use alerts::{Alert, Alerts, Page, Report, StoredAlert, Window};
pub use error::Error;
pub use persons::{CameraKey, CameraState, Persons, PersonsWrite};
pub use requests::{Answer, Once, Request};
pub use settlements::Settlements;
