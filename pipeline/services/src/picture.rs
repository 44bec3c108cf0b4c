//! Pictures from outside: decoded within limits, or refused in words that name the sizes.

use airside_imaging::{Error, Limits, Picture, decode, probe};
use airside_runtime::Problem;
use http::StatusCode;

/// Decodes a picture. Blocks: call it on a [`Workbench`](crate::workbench::Workbench).
pub(crate) fn read(image: &[u8]) -> Result<Picture, Problem> {
    decode(image, &Limits::default()).map_err(refuse)
}

/// Reads no more than the header.
pub(crate) fn check(image: &[u8]) -> Result<(), Problem> {
    match probe(image, &Limits::default()) {
        Ok(_) => Ok(()),
        Err(error) => Err(refuse(error)),
    }
}

/// 422 for what is no readable picture, wherever it comes in; the decoder's own trouble is ours.
fn refuse(error: Error) -> Problem {
    match &error {
        Error::NotAPicture | Error::TooLarge { .. } | Error::Broken(_) => {
            let most = Limits::default().max_pixels / 1_000_000;
            Problem::field("image", error.to_string())
                .expected(format!("a JPEG or PNG of at most {most} million pixels"))
                .with_status(StatusCode::UNPROCESSABLE_ENTITY)
        }
        Error::Shape { .. } | Error::Operation(_) => Problem::internal(&error),
    }
}
