//! Pictures: decode, encode, resize, warp, draw. The only code that knows OpenCV and libjpeg.
//!
//! Decoding and encoding are the feature `codecs`, on by default.
//!
//! Invariants:
//! - A [`Picture`] holds exactly `width × height` RGB pixels, and neither side is zero.
//! - No outside byte is decoded before the size its header states was checked against [`Limits`].
//! - Whatever the bytes are, decoding answers with a picture or an [`Error`]; it never panics.
//! - EXIF orientation is ignored: cameras send upright frames, and boxes must fit the stored pixels.
//! - Everything runs on the caller's thread; parallelism belongs to the caller.

#[cfg(feature = "codecs")]
mod decode;
pub mod draw;
#[cfg(feature = "codecs")]
mod encode;
mod letterbox;
mod mat;
pub mod motion;
mod picture;
mod segment;
mod shrink;
mod transform;

#[cfg(feature = "codecs")]
pub use decode::{Format, Header, Limits, decode, decode_at_least, probe};
#[cfg(feature = "codecs")]
pub use encode::encode_jpeg;
pub use letterbox::{Anchor, Letterbox};
pub use picture::{Grey, Picture, Rect};
pub use segment::{Hint, in_front};
pub use shrink::{Plane, shrink};
pub use transform::{crop, cut_grey, grey, pixelate, resize, thumbnail_grey, warp};

/// Why a picture could not be read or made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bytes start neither like a JPEG nor like a PNG.
    #[error("neither a JPEG nor a PNG")]
    NotAPicture,
    /// The header states more pixels than allowed; nothing was decoded.
    #[error("{width}x{height} pixels are more than the {limit} allowed")]
    TooLarge {
        /// Width the header states, in pixels.
        width: u32,
        /// Height the header states, in pixels.
        height: u32,
        /// Allowed number of pixels.
        limit: u64,
    },
    /// It starts like a picture but cannot be decoded to its end.
    #[error("broken picture: {0}")]
    Broken(String),
    /// Pixels and size do not belong together, or a side is zero.
    #[error("{width}x{height} is not the size of {bytes} bytes of pixels")]
    Shape {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// Bytes that were given.
        bytes: usize,
    },
    /// The picture library refused an operation on a valid picture, for example for want of memory.
    #[error("picture operation failed: {0}")]
    Operation(String),
}

/// Shorthand for results of this crate.
pub type Result<T> = std::result::Result<T, Error>;
