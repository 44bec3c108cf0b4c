//! What Istio's rules mean here is what they mean to istiod, except for the differences that are listed.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::LazyLock;

use airside_conformance::case::{Case, home};
use airside_conformance::fixture::Fixtures;
use airside_conformance::known::KNOWN;
use airside_conformance::reading::LEFT_OUT;
use airside_conformance::review::Review;

/// Every case reviewed, and what is not known, in words.
static REVIEWED: LazyLock<(Review, Vec<String>)> = LazyLock::new(|| {
    let (mut fixtures, mut review) = (Fixtures::default(), Review::default());
    let mut found = Vec::new();
    for case in Case::all().unwrap() {
        let said = fixtures.read(&case).unwrap();
        let unknown = review.case(&case, said);
        found.extend(
            unknown
                .into_iter()
                .map(|one| format!("{}: {one}", case.name)),
        );
    }
    (review, found)
});

#[test]
fn rules_mean_what_istiod_says() {
    let (_, found) = &*REVIEWED;
    assert!(
        found.is_empty(),
        "{} differences:\n{}",
        found.len(),
        found.join("\n")
    );
}

#[test]
fn every_known_difference_is_still_there() {
    let (review, _) = &*REVIEWED;
    let unused: Vec<&str> = review.unused().map(|known| known.path).collect();
    assert!(unused.is_empty(), "nothing needs {unused:?}");
}

#[test]
fn every_difference_is_explained_in_the_documentation() {
    let text = std::fs::read_to_string(home().join("../../docs/conformance.md")).unwrap();
    // A bar inside of a table's cell is written with a backslash.
    let text = text.replace("\\|", "|");
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let differences = KNOWN.iter().map(|known| (known.path, known.reason));
    for (path, reason) in differences.chain(LEFT_OUT) {
        assert!(
            text.contains(&format!("| `{path}` |")),
            "docs/conformance.md lacks `{path}`"
        );
        assert!(
            text.contains(reason),
            "docs/conformance.md does not say: {reason}"
        );
    }
}

#[test]
fn every_field_that_is_read_is_compared() {
    let text = std::fs::read_to_string(home().join("../../docs/mesh.md")).unwrap();
    let (_, fields) = text.split_once("\n## What is read\n").unwrap();
    let (fields, _) = fields.split_once("\nDurations are written").unwrap();
    // Between an odd and an even backtick stand fields and values; what has a space is a command or a sentence.
    let quoted = fields.split('`').skip(1).step_by(2);
    let plain = quoted.filter(|quoted| !quoted.contains([' ', '<']));
    let said: BTreeSet<&str> = plain.flat_map(words).collect();
    let rules: String = Case::all()
        .unwrap()
        .iter()
        .flat_map(|case| case.files())
        .map(|source| source.text.as_str())
        .collect();
    let compared: BTreeSet<&str> = words(&rules).collect();
    let missing: Vec<&&str> = said.difference(&compared).collect();
    assert!(missing.is_empty(), "no rule file has {missing:?}");
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    words.filter(|word| !word.is_empty())
}

#[test]
fn every_fixture_has_its_rules() {
    let cases: BTreeSet<String> = Case::all()
        .unwrap()
        .into_iter()
        .map(|case| case.name)
        .collect();
    let fixtures = home().join("fixtures");
    let mut names = BTreeSet::new();
    collect(&fixtures, &fixtures, &mut names);
    assert_eq!(names, cases);
}

fn collect(root: &Path, folder: &Path, names: &mut BTreeSet<String>) {
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(root, &path, names);
        } else {
            let name = path.strip_prefix(root).unwrap().with_extension("");
            names.insert(name.to_string_lossy().into_owned());
        }
    }
}
