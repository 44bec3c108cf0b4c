//! An RTCP sender report of a camera.
#![no_main]

use airside_agent::capture::reported_time;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|packet: &[u8]| {
    if let Some(time) = reported_time(packet) {
        assert!(time >= 0);
    }
});
