//! A polygon: what is accepted lies within the picture, and so do its pixels.
#![no_main]

use airside_agent::area::Polygon;
use libfuzzer_sys::fuzz_target;

const WIDTH: usize = 64;
const HEIGHT: usize = 36;

fuzz_target!(|text: &[u8]| {
    if let Ok(polygon) = serde_json::from_slice::<Polygon>(text) {
        assert!(polygon.corners().len() >= 3);
        for span in polygon.spans(WIDTH, HEIGHT) {
            assert!(span.row < HEIGHT && span.from < span.to && span.to <= WIDTH);
        }
        let _ = polygon.contains([0.5, 0.5]);
    }
});
