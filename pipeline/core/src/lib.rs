//! Domain types and rules of Airside: no I/O, no transport, no pictures.
//!
//! Everything that decides *what counts* lives here and can be tested without a clock, a network or a
//! disk: the identity of a frame, the notation of time, who is one person ([`passage`]), which
//! sightings are one alert ([`sighting`]), what the two sides of the ledger say of a frame ([`ledger`]).

pub mod frame;
pub mod geometry;
pub mod ledger;
pub mod passage;
pub mod person;
pub mod runs;
pub mod sighting;
pub mod time;

pub use frame::{Event, FrameId, SectionId};
pub use geometry::Rect;
pub use person::{AgeRange, Gender, Person};
pub use runs::{Run, Runs};
pub use time::Timestamp;
