//! Every plug is pulled: programs are killed, lines cut, disks full, read-only or emptied, clocks set. Afterwards the ledger
//! balances on both sides, nothing is lost that policy does not give up, nothing came twice, and the section counts what truly
//! happened in the film.
//!
//! The film is shown picture by picture ([`reel::Reel`]) and goes on where the agent's own ledger says it had come: so the
//! truth holds although the agent is killed, and a ledger that is wrong by one shows in the count of pictures.
//!
//! `make test-chaos` runs the same cases for longer ([`Endurance`]).

mod checkpoint;
mod clock;
mod device;
mod disk;
mod kills;
mod line;
mod plugs;
mod reel;

use std::env;

/// Where all chance of these cases comes from.
const SEED: u64 = 20_261;

/// How long the cases go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Endurance {
    /// As long as a run of all tests may take.
    Short,
    /// As long as it takes to say "tried to death".
    Long,
}

impl Endurance {
    /// As the environment has it: `AIRSIDE_TEST_ENDURANCE=long`.
    fn wanted() -> Self {
        if env::var_os("AIRSIDE_TEST_ENDURANCE").is_some_and(|value| value == "long") {
            Self::Long
        } else {
            Self::Short
        }
    }

    fn of<T>(self, short: T, long: T) -> T {
        match self {
            Self::Short => short,
            Self::Long => long,
        }
    }
}
