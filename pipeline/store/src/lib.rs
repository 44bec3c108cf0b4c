//! What Airside keeps: persons, alerts, persons of interest, and what was answered for frames; in SQLite, one file a role, or
//! in PostgreSQL, one schema a role, which several instances of it share.
//!
//! Invariants:
//! - What a function here has answered is on the disk (SQLite: WAL, `synchronous = FULL`; PostgreSQL: as the server is set,
//!   which by default is the same).
//! - Each write is one transaction together with the note that it was carried out: the identity of a frame
//!   ([`PersonsWrite::is_new`], [`Settlements::enter`]), or the id of a request ([`Request`]). A repetition changes nothing, at
//!   whichever instance.
//! - About one camera there is one writer at a time; readers see the last commit and never wait for it.
//!
//! The SQL keeps to what both databases understand; what differs is in `database` and in the folders of `migrations`.

mod alerts;
mod database;
mod error;
mod frames;
mod persons;
mod place;
mod portraits;
mod requests;
pub mod settlements;
#[cfg(test)]
mod trial;

pub use alerts::{Alert, Alerts, Page, Report, StoredAlert, Window};
pub use error::Error;
pub use persons::{CameraKey, CameraState, Change, Persons, PersonsWrite, Version};
pub use place::{Address, InvalidAddress, Place, Sharing};
pub use portraits::{Portrait, Portraits};
pub use requests::{Answer, Once, Request};
pub use settlements::Settlements;
