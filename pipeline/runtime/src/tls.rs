//! TLS by files, of clients. Files that change are read again, so that certificates can be renewed while a service runs; what is
//! of no use then leaves the old in force, and is told.
//!
//! ```text
//!           files changed and are of use
//!         ┌──────────────────────────────┐ connections from then on use them; `renewed` wakes up who holds older ones
//! in force│◀─────────────────────────────┘
//!         │ changed and are of no use
//!         └──────────────────────────────▶ in force still, with `trouble`
//! ```

mod client;
pub(crate) mod files;
mod peer;
mod refusal;
mod stream;

pub(crate) use self::{client::Protocol, stream::Stream};
pub use self::{
    client::{Client, Files, Prepared, Renewal, Standing, Validity},
    files::Error,
    peer::{InvalidPeer, Peer},
};
