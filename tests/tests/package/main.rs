//! The agent as it is installed: the Debian package in a clean emulated Debian with systemd, and the arm64 program under qemu-user.
//!
//! What is installed is built before, and takes minutes: `make test-package`, `make test-arm64`.

mod arm64;
mod debian;
mod device;
mod service;
