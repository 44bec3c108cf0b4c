//! A JPEG that a camera sent.
#![no_main]

use airside_agent::capture::jpeg::Picture;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(picture) = Picture::read(data) {
        assert!(picture.width > 0 && picture.height > 0);
    }
});
