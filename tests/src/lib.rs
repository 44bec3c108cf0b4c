//! Harness of the whole-system tests and benchmarks: the real programs as processes, real films, a real browser.
//!
//! ```text
//! case      one test: its directory, its deadline, what the programs logged when it fails
//! disk      a small disk that is filled, or made read-only
//! process   one program: started, paused, killed, stopped
//! program   one service or agent: started on a free port, ready, asked, restarted
//! site      a whole pipeline of them behind one egress
//! mesh      the real mesh, as airsidectl starts it
//! operator  who types airsidectl and kubectl at a cluster
//! following how soon requests follow a rule
//! prometheus a real Prometheus that scrapes it
//! egress    stand-in for the mesh's proxy: host names to processes, and neighbours that hang or are away
//! relay     stand-in for a bad line: late, slow, lossy, cut, half-open
//! rest      what a client of the REST interface sees
//! clients   requests all the while something changes
//! wait      conditions with a deadline, instead of sleeping
//! ingest    a camera without a camera: streams given pictures
//! pictures  empty, broken, too large, of a person
//! films     demo films with their truth, made once
//! truth     what was counted, against what truly happened in them
//! browser   headless Chromium, spoken to by WebDriver
//! sink      a collector that acknowledges at once
//! view      whoever knows the mesh
//! usage     what a process has used
//! report    figures of a benchmark
//! ```
//!
//! Invariants:
//! - No process outlives its [`Process`], nor the test run if that is killed.
//! - Cases run one at a time: each has the machine to itself, so that its deadlines mean something.
//! - Nothing is waited for by sleeping: there is a condition and a deadline.

pub mod browser;
pub mod case;
pub mod clients;
pub mod disk;
pub mod egress;
pub mod films;
pub mod following;
pub mod ingest;
pub mod mesh;
pub mod operator;
pub mod pictures;
pub mod process;
pub mod program;
pub mod prometheus;
pub mod relay;
pub mod report;
pub mod rest;
pub mod sink;
pub mod site;
pub mod truth;
pub mod usage;
pub mod view;
pub mod wait;

pub use case::{Case, case, case_within};
pub use clients::while_asked;
pub use mesh::LocalMesh;
pub use operator::Operator;
pub use process::{Process, Spec};
pub use program::Program;
pub use prometheus::Prometheus;
pub use relay::Relay;
pub use rest::Answer;
pub use site::Site;
pub use wait::{eventually, progressing};
