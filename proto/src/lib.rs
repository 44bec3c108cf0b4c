//! The `airside.v1` protocol: generated messages, clients and servers.
//!
//! The `.proto` files beside this crate are the documentation; they carry units, errors and the
//! meaning of every field. Pictures and chips are [`bytes::Bytes`] and are never copied on the way.

mod frame;

/// Package `airside.v1`.
#[allow(missing_docs, unused_qualifications)]
pub mod v1 {
    tonic::include_proto!("airside.v1");

    pub use crate::frame::{Frame, Later};
}

/// The encoded `FileDescriptorSet` of the package, for gRPC reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/airside.v1.bin"));

/// Largest message that a service accepts, in bytes: a large picture and some room.
pub const MAX_MESSAGE_BYTES: usize = 16 * 1024 * 1024;
