//! Harness of the whole-system tests and benchmarks: the real programs as processes, real films, a real browser.
//!
//! ```text
//! case      one test: its directory, its deadline, what the programs logged when it fails
//! program   one process: started on a free port, ready, paused, killed, restarted
//! site      a whole pipeline of them behind one egress
//! egress    stand-in for the mesh's proxy: host names to processes, and neighbours that hang or are away
//! rest      what a client of the REST interface sees
//! wait      conditions with a deadline, instead of sleeping
//! films     demo films with their truth, made once
//! browser   headless Chromium, spoken to by WebDriver
//! ```
//!
//! Invariants:
//! - No process outlives its [`Program`](program::Program), nor the test run if that is killed.
//! - Cases run one at a time: each has the machine to itself, so that its deadlines mean something.
//! - Nothing is waited for by sleeping: there is a condition and a deadline.

pub mod browser;
pub mod case;
pub mod egress;
pub mod films;
pub mod program;
pub mod rest;
pub mod site;
pub mod wait;

pub use case::{Case, case};
pub use program::{Program, Spec};
pub use rest::Answer;
pub use site::Site;
pub use wait::eventually;
