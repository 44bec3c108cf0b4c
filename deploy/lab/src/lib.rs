//! The system seen from outside: load is driven at its entrance, answers are counted and shown.
//!
//! ```text
//! experiment ─┬─ platform (rules, instances)     what is changed
//!             ├─ load ── fetch (HTTP)            what is asked
//!             ├─ statistics                      what chance explains
//!             └─ report ── terminal              what came of it
//! ledger ── fetch                              what became of every frame, told by both sides
//! rollout ────┬─ platform (weights, copies)      a new version step by step,
//!             └─ fisher, binomial                judged on what it answers
//! ```
//!
//! Nothing here knows how the system was started: the same works on one machine and on a cluster.

/// A line for whoever runs the command. Nobody may be reading any more (`airsidectl status | head -1`), and that must not end
/// what runs behind the words.
#[macro_export]
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($text)*);
    }};
}

/// The same without ending the line.
#[macro_export]
macro_rules! say_on {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = write!(std::io::stdout(), $($text)*);
    }};
}

/// A line on standard error.
#[macro_export]
macro_rules! complain {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($text)*);
    }};
}

pub mod experiment;
pub mod fetch;
pub mod ledger;
pub mod load;
mod openmetrics;
pub mod panel;
pub mod platform;
pub mod report;
pub mod rollout;
pub mod statistics;
pub mod terminal;
