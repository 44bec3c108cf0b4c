//! Runs, changes and measures Airside: the local mesh, its rules, demo footage and load.
//!
//! ```text
//! cli ─┬─ local ──── supervise, topology, run_dir   the programs
//!      │    └─────── envoy ◀── mesh ◀── istio       the rules
//!      ├─ panel, load ── fetch                      the system from outside
//!      ├─ logs, terminal
//!      └─ footage                                   demo films with a truth
//! ```
/// A line for whoever runs the command. Nobody may be reading any more (`airsidectl status | head -1`), and that must not end
/// what runs behind the words.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($text)*);
    }};
}

/// The same without ending the line.
macro_rules! say_on {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = write!(std::io::stdout(), $($text)*);
    }};
}

/// A line on standard error.
macro_rules! complain {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($text)*);
    }};
}

pub mod cli;
pub mod envoy;
pub mod fetch;
pub mod footage;
pub mod istio;
pub mod load;
pub mod local;
pub mod logs;
pub mod mesh;
pub mod panel;
pub mod run_dir;
pub mod supervise;
pub mod terminal;
pub mod topology;
