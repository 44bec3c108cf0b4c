//! Whether Istio's rules mean here what they mean to a real istiod.
//!
//! ```text
//! rule file ─┬─ istiod ──▶ Envoy's configuration ─▶ Meaning ─▶ fixture (committed)
//!            │                                                    │ differences, each known with its reason
//!            └─ airside-mesh ─▶ Envoy's configuration ─▶ Meaning ─┘
//! ```
//!
//! Both sides pass through the same reading, so what is compared is what Envoy would do, not how it was written down. The tests
//! compare with the fixtures; the program `airside-conformance` renews them from a running istiod.
//!
//! Invariant: everything either side says about a cluster or a virtual host is compared, except the fields of
//! [`reading::LEFT_OUT`].

pub mod case;
pub mod difference;
pub mod fixture;
pub mod istiod;
pub mod known;
pub mod meaning;
pub mod reading;
pub mod review;
