//! Whole-system tests and benchmarks of Airside.
