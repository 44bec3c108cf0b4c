//! What flags, environment and file come to, and what is said of mistakes.

use super::*;

#[derive(clap::Parser, Debug)]
#[command(name = "program")]
struct Settings {
    /// A number.
    #[arg(long, default_value_t = 1)]
    count: u16,
    /// A name.
    #[arg(long)]
    name: Option<String>,
    /// A switch.
    #[arg(long)]
    loud: bool,
    /// The file.
    #[arg(long, env = "AIRSIDE_CONFIG", global = true)]
    config: Option<PathBuf>,
    /// What else it can do.
    #[command(subcommand)]
    command: Option<Other>,
}

#[derive(clap::Subcommand, Debug)]
enum Other {
    /// Something.
    Show {
        /// How often.
        #[arg(long, default_value_t = 1)]
        times: u16,
    },
}

#[derive(serde::Deserialize, Debug)]
#[serde(default, deny_unknown_fields)]
#[derive(Default)]
struct Tables {
    camera: Vec<Camera>,
    spool: Spool,
}

#[derive(serde::Deserialize, Debug)]
#[serde(deny_unknown_fields)]
struct Camera {
    id: u8,
    #[allow(dead_code, reason = "only read")]
    name: Option<String>,
}

#[derive(serde::Deserialize, Debug, Default)]
#[serde(default, deny_unknown_fields)]
struct Spool {
    size: u8,
}

fn load_with(file: &str, flags: &[&str]) -> Result<Loaded<Settings, Tables>, Error> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("settings.toml");
    fs::write(&path, file).unwrap();
    let mut args: Vec<OsString> = vec!["program".into(), "--config".into(), path.into()];
    args.extend(flags.iter().map(Into::into));
    load(args, &["camera", "spool"])
}

#[test]
fn a_flag_comes_before_the_file_and_the_file_before_the_default() {
    let file = "count = 2\nloud = true\n[[camera]]\nid = 1\n[spool]\nsize = 5\n";
    let loaded = load_with(file, &["--name", "x"]).unwrap();
    assert_eq!(loaded.settings.count, 2);
    assert!(loaded.settings.loud);
    assert_eq!(loaded.settings.name.as_deref(), Some("x"));
    assert_eq!(
        (loaded.tables.camera[0].id, loaded.tables.spool.size),
        (1, 5)
    );
    let in_force = loaded.in_force.to_string();
    assert!(in_force.contains("file"), "{in_force}");
    let count = |file, flags| load_with(file, flags).unwrap().settings.count;
    assert_eq!(count("count = 2", &["--count", "3"]), 3);
    assert_eq!(count("", &[]), 1);
    // The file describes the program, also when it is asked for something else.
    assert_eq!(
        count("count = 2", &["--name", "show", "show", "--times", "2"]),
        2
    );
}

#[test]
fn every_mistake_is_named_with_place_key_value_and_accepted_form() {
    let file = r#"cuont = 2
count = 70000
name = { a = 1 }
[spool]
size = "big"
more = 1
[[camera]]
name = "no id"
[[camera]]
id = 300
colour = 1
"#;
    let error = load_with(file, &[]).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    let text = error.to_string();
    let lines: Vec<_> = text.lines().collect();
    let expected = [
        (
            "1:1",
            "key 'cuont': unknown; expected one of count, loud, name",
        ),
        (
            "2:1",
            "key 'count': '70000' is refused: 70000 is not in 0..=65535",
        ),
        ("3:1", "key 'name': expected a string, a number"),
        (
            "5:1",
            "key 'spool.size': string \"big\" is refused: expected u8",
        ),
        ("6:1", "key 'spool.more': unknown; expected size"),
        ("7:1", "key 'camera[0].id': missing"),
        (
            "10:1",
            "key 'camera[1].id': integer `300` is refused: expected u8",
        ),
        (
            "11:1",
            "key 'camera[1].colour': unknown; expected id or name",
        ),
    ];
    assert_eq!(lines.len(), expected.len(), "{text}");
    for (line, (place, message)) in lines.iter().zip(expected) {
        let wanted = format!("settings.toml:{place}: {message}");
        assert!(line.contains(&wanted), "{line} instead of {wanted}");
    }
    let text = load_with("", &["--count", "x"]).unwrap_err().to_string();
    assert!(text.contains("--count") && text.contains("'x'"), "{text}");
}

#[test]
fn what_is_no_toml_is_named_by_its_place_and_not_shown() {
    let text = load_with("count = 1\nname = \"s3cret\nloud = \n", &[])
        .unwrap_err()
        .to_string();
    assert!(text.contains("settings.toml:2:"), "{text}");
    assert!(text.contains("settings.toml:3:"), "{text}");
    assert!(!text.contains("s3cret"), "{text}");
}

#[test]
fn a_password_in_an_address_is_not_shown() {
    let shown = |name: &str| {
        let loaded = load_with("", &["--name", name]).unwrap();
        loaded.in_force.to_string()
    };
    let with = shown("postgres://airside:s3:cr@et@db:5432/airside?sslmode=require");
    assert!(!with.contains("s3"), "{with}");
    assert!(
        with.contains("postgres://airside:***@db:5432/airside?sslmode=require"),
        "{with}"
    );
    let without = "http://db:5432/a@b:c";
    assert!(shown(without).contains(without));
}

#[test]
fn a_missing_file_is_named() {
    let args = ["program", "--config", "/nowhere/a.toml"].map(OsString::from);
    let error = load::<Settings, Tables>(args, &[]).unwrap_err();
    assert!(error.to_string().contains("/nowhere/a.toml"), "{error}");
}
