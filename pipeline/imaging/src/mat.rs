//! Views of our pixels as OpenCV matrices, without a copy. No OpenCV type leaves this crate.

use std::sync::Once;

use opencv::boxed_ref::{BoxedRef, BoxedRefMut};
use opencv::core::{Mat, MatTrait as _, MatTraitConst};

use crate::{Error, Result};

impl From<opencv::Error> for Error {
    fn from(error: opencv::Error) -> Self {
        Self::Operation(error.message)
    }
}

/// Rows × columns × channels as OpenCV counts them.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) channels: i32,
}

impl Shape {
    fn rows_and_bytes(self) -> Result<(i32, i32)> {
        let bytes = i64::from(self.width) * i64::from(self.channels);
        match (i32::try_from(self.height), i32::try_from(bytes)) {
            (Ok(rows), Ok(bytes)) => Ok((rows, bytes)),
            _ => Err(Error::Operation(format!(
                "{}x{} pixels are too many",
                self.width, self.height
            ))),
        }
    }

    pub(crate) fn len(self) -> usize {
        self.width as usize * self.height as usize * self.channels as usize
    }
}

/// A size for OpenCV.
pub(crate) fn size(width: u32, height: u32) -> Result<opencv::core::Size> {
    let (height, width) = Shape {
        width,
        height,
        channels: 1,
    }
    .rows_and_bytes()?;
    Ok(opencv::core::Size::new(width, height))
}

/// Shows `pixels` to OpenCV.
pub(crate) fn view<T>(
    pixels: &[u8],
    shape: Shape,
    work: impl FnOnce(&BoxedRef<'_, Mat>) -> Result<T>,
) -> Result<T> {
    on_this_thread_alone();
    let (rows, bytes) = shape.rows_and_bytes()?;
    let flat = Mat::new_rows_cols_with_data(rows, bytes, pixels)?;
    work(&flat.reshape(shape.channels, rows)?)
}

/// Lets OpenCV write exactly `shape` into new pixels.
pub(crate) fn write(
    shape: Shape,
    work: impl FnOnce(&mut BoxedRefMut<'_, Mat>) -> Result<()>,
) -> Result<Vec<u8>> {
    on_this_thread_alone();
    let (rows, bytes) = shape.rows_and_bytes()?;
    let mut pixels = vec![0; shape.len()];
    let mut flat = Mat::new_rows_cols_with_data_mut(rows, bytes, &mut pixels)?;
    let mut target = flat.reshape_mut(shape.channels, rows)?;
    let before = target.data();
    work(&mut target)?;
    // OpenCV quietly allocates elsewhere when size or type differ; then our pixels would stay black.
    if target.data() != before {
        return Err(Error::Operation(
            "the result has another size than asked for".into(),
        ));
    }
    Ok(pixels)
}

/// Lets OpenCV draw into `pixels`.
pub(crate) fn edit(
    pixels: &mut [u8],
    shape: Shape,
    work: impl FnOnce(&mut BoxedRefMut<'_, Mat>) -> Result<()>,
) -> Result<()> {
    on_this_thread_alone();
    let (rows, bytes) = shape.rows_and_bytes()?;
    let mut flat = Mat::new_rows_cols_with_data_mut(rows, bytes, pixels)?;
    work(&mut flat.reshape_mut(shape.channels, rows)?)
}

/// OpenCV would otherwise start a thread a core inside every call.
fn on_this_thread_alone() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if let Err(error) = opencv::core::set_num_threads(1) {
            debug_assert!(false, "setting OpenCV's thread count failed: {error}");
        }
    });
}
