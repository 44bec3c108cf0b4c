//! Where an agent listens, told by a configuration file that may be broken by now: the agent runs on with what it read before.

use std::{fs, path::Path};

use airside_runtime::config::Document;
use toml::{Table, Value};

/// What leads to the control interface.
const ADDRESS: &str = "listen";
const CONTROL: &str = "control";
const OF_CONTROL: [&str; 4] = ["token-file", "certificate", "key", "client-ca"];

/// Of the file only the keys that lead to the control interface; none of them if it cannot be parsed at all.
#[must_use]
pub fn of_broken(file: &Path) -> Document {
    let text = fs::read_to_string(file).unwrap_or_default();
    let mut table = text.parse::<Table>().unwrap_or_default();
    table.retain(|key, _| key == ADDRESS || key == CONTROL);
    if let Some(Value::Table(control)) = table.get_mut(CONTROL) {
        control.retain(|key, _| OF_CONTROL.contains(&key));
    }
    // Settings without a camera are refused; whom to ask does not depend on it.
    table.insert("source".to_owned(), "test://".into());
    Document::new(file, table.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings;

    fn asked(text: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("agent.toml");
        fs::write(&file, text).unwrap();
        let args = [
            "airside-agent".into(),
            "--config".into(),
            file.clone().into(),
        ];
        assert!(settings::load(args.clone()).is_err());
        let loaded = settings::load_with(args, of_broken(&file)).unwrap();
        loaded.settings.control_url().unwrap().to_string()
    }

    #[test]
    fn a_broken_file_still_says_where_the_agent_listens() {
        let text = "listen = \"127.0.0.1:9\"\nfsp = 5\n[[camera]]\nid = 1\n[control]\nfsp = 5\n";
        assert_eq!(asked(text), "http://127.0.0.1:9/");
        let text =
            "listen = \"127.0.0.1:9\"\nfps = \"x\"\n[control]\ncertificate = \"c\"\nkey = \"k\"\n";
        assert_eq!(asked(text), "https://127.0.0.1:9/");
        assert_eq!(
            asked("listen = \"127.0.0.1:9\"\nfps = \n"),
            "http://127.0.0.1:8080/"
        );
    }
}
