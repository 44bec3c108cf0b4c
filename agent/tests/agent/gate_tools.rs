//! The commands by which a gate is set up: tried on a film, and looked at.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use airside_agent::capture::still;
use serde_json::Value;

use super::film::Material;

const PROGRAM: &str = env!("CARGO_BIN_EXE_airside-agent");

/// A film in which a block as large as a twentieth of the picture passes twice, and what a configuration and a truth say of it.
struct Site {
    material: Material,
    film: PathBuf,
}

/// When the block passes, in seconds.
const PASSAGES: [(u32, u32); 2] = [(6, 8), (15, 17)];
const SECONDS: u32 = 24;

impl Site {
    fn new() -> Self {
        let material = Material::new();
        let film = material.hall(SECONDS, &PASSAGES);
        Self { material, film }
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.material.path(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// Camera `1` shows the film, with these lines in its table.
    fn configuration(&self, lines: &str) -> PathBuf {
        let text = format!(
            "fps = 5\nwidth = 320\nheight = 240\n[[camera]]\nid = 1\nsource = '{}'\n{lines}\n",
            self.film.display()
        );
        self.write("agent.toml", &text)
    }

    fn truth(&self) -> PathBuf {
        self.write("truth.csv", "from,to\n0:06,0:08\n15,17.0\n")
    }

    fn gate_try(&self, truth: &Path, args: &[&str]) -> Output {
        let mut command = Command::new(PROGRAM);
        command
            .arg("gate-try")
            .arg(&self.film)
            .arg("--truth")
            .arg(truth);
        command.args(args).output().unwrap()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn succeeded(output: &Output) -> String {
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn a_gate_is_tried_on_a_film_and_compared_with_its_truth() {
    let site = Site::new();
    let config = site.configuration(
        "gate = { mode = \"motion\", min-area = 0.02, fps = 5, pre-roll = \"1s\", post-roll = \"1s\", heartbeat = \"0s\" }",
    );
    let (truth, config) = (site.truth(), config.to_str().unwrap().to_owned());
    let json = succeeded(&site.gate_try(&truth, &["--config", &config, "--json"]));
    let report: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(report["pictures"], 5 * SECONDS);
    assert_eq!(
        (&report["mode"], &report["passages"]),
        (&"motion".into(), &2.into())
    );
    let rows = report["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 25);
    for row in rows {
        let least = row["min-area"].as_f64().unwrap();
        // The block covers a twentieth.
        let misses = least > 0.05;
        let missed = if misses { vec![1, 2] } else { vec![] };
        assert_eq!(row["missed"], Value::from(missed), "{row}");
        assert_eq!(row["needless"], 0, "{row}");
        assert_eq!(
            row["in-force"],
            row["sensitivity"] == 50.0 && least == 0.02,
            "{row}"
        );
        let sent = row["sent"].as_u64().unwrap();
        // Each passage and its rolls take four seconds.
        assert!(
            if misses {
                sent == 0
            } else {
                (36..=50).contains(&sent)
            },
            "{row}"
        );
        assert_eq!(row["fewest-pictures"], if misses { 0 } else { 11 }, "{row}");
    }
    let table = succeeded(&site.gate_try(&truth, &["--config", &config]));
    let row = table.lines().find(|line| line.contains('▶')).unwrap();
    assert!(
        row.starts_with(" ▶          50      0.02       0      11         0"),
        "{table}"
    );
    assert!(row.ends_with('█'), "{table}");
    assert!(
        table.contains("Fewest bytes without a miss: sensitivity = "),
        "{table}"
    );
}

#[test]
fn a_gate_is_tried_without_any_configuration() {
    let site = Site::new();
    let output = site.gate_try(&site.truth(), &["--mode", "face"]);
    let table = succeeded(&output);
    assert!(
        table.contains("Each of these misses somebody."),
        "a block has no face: {table}"
    );
    assert!(table.contains("None is in force"), "{table}");
}

#[test]
fn a_truth_that_does_not_fit_is_refused_in_plain_words() {
    let site = Site::new();
    for (truth, wanted) in [
        (
            PathBuf::from("/nowhere/truth.csv"),
            "cannot read /nowhere/truth.csv",
        ),
        (
            site.write("empty.csv", "from,to\n"),
            "is no truth: nobody passes in it",
        ),
        (
            site.write("late.csv", "6,8\n30,31\n"),
            "passage 2 ends at 0:31.0, but the film at 0:24.0",
        ),
        (
            site.write(
                "other.json",
                r#"{"film":"door.mp4","passages":[{"from":1,"to":2}]}"#,
            ),
            "tells nothing of film.mp4: it is about door.mp4",
        ),
    ] {
        let output = site.gate_try(&truth, &[]);
        assert_eq!(output.status.code(), Some(1));
        let told = text(&output.stderr);
        assert!(told.contains(wanted), "{told}");
    }
    let output = site.gate_try(&site.truth(), &["--camera", "9"]);
    assert!(
        text(&output.stderr).contains("no camera '9'"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn a_preview_shows_zones_masks_and_what_moves() {
    let site = Site::new();
    let config = site.configuration(
        "masks = [[[0.75, 0.5], [1.0, 0.5], [1.0, 1.0], [0.75, 1.0]]]\n\
         gate = { mode = \"motion\", zones = [[[0.1, 0.5], [0.6, 0.5], [0.6, 0.95], [0.1, 0.95]]] }",
    );
    let output = site.material.path("seen");
    let mut command = Command::new(PROGRAM);
    command
        .args(["preview", "1", "--pictures", "40", "--output"])
        .arg(&output);
    let told = succeeded(&command.arg("--config").arg(config).output().unwrap());
    assert!(told.contains("40 pictures in "), "{told}");
    assert_eq!(fs::read_dir(&output).unwrap().count(), 40);
    let picture = |number: u32| {
        let jpeg = fs::read(output.join(format!("{number:06}.jpg"))).unwrap();
        still::decode(&jpeg.into()).unwrap()
    };
    let still = picture(20);
    let at = |picture: &airside_imaging::Picture, x: u32, y: u32| {
        let start = (y * picture.width() + x) as usize * 3;
        let pixel = &picture.pixels()[start..start + 3];
        [pixel[0], pixel[1], pixel[2]].map(i32::from)
    };
    let [red, green, blue] = at(&still, 32, 180);
    assert!(
        green > red + 40 && green > blue + 40,
        "the zone's left side: {:?}",
        [red, green, blue]
    );
    assert!(
        at(&still, 290, 200).iter().all(|level| *level < 40),
        "the mask's inside"
    );
    // From the sixth second on the block passes, within the zone at first.
    let orange = |picture: &airside_imaging::Picture| {
        let pixels = picture.pixels().chunks_exact(3);
        pixels
            .filter(|pixel| i32::from(pixel[0]) > i32::from(pixel[2]) + 60 && pixel[0] > pixel[1])
            .count()
    };
    assert!(orange(&still) < 20, "nothing moves: {}", orange(&still));
    assert!(
        orange(&picture(35)) > 200,
        "it moves: {}",
        orange(&picture(35))
    );
}
