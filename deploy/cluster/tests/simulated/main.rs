//! Clusters that fail: real requests over real sockets to an API server that is told what to do wrong.

mod deploying;
mod operating;
mod pruning;
mod server;
mod trouble;
