//! A configuration file: it is read, or refused with a reason.
#![no_main]

use airside_agent::settings;
use airside_runtime::config::Document;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let document = Document::new("file", text.to_owned());
    match settings::load_with(["airside-agent".into()], document) {
        Ok(loaded) => assert!(!loaded.settings.cameras.is_empty()),
        Err(error) => {
            assert_eq!(error.exit_code(), 2);
            assert!(!error.to_string().is_empty());
        }
    }
});
