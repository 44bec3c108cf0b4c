//! Lines are bad, plugs are pulled, clocks are set. Afterwards the ledger balances on both sides, nothing is lost, nothing came
//! twice, and the section counts what truly happened in the film.
//!
//! The film is shown picture by picture ([`reel::Reel`]) and goes on where the agent's own ledger says it had come: so the
//! truth holds although the camera goes away, and a ledger that is wrong by one shows in the count of pictures.

mod checkpoint;
mod clock;
mod line;
mod plugs;
mod reel;

/// Where all chance of these cases comes from.
const SEED: u64 = 20_261;
