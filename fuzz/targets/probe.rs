//! An answer to a WS-Discovery probe: whoever is on the network may send one.
#![no_main]

use airside_agent::discover::probe::parse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    for found in parse(data).unwrap_or_default() {
        // They are printed on a terminal and pasted into a configuration.
        for text in [Some(found.endpoint), found.name, found.hardware] {
            assert!(!text.unwrap_or_default().contains(char::is_control));
        }
    }
});
