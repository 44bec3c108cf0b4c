//! What Istio's rules mean here is what they mean to istiod, except for the differences that are listed.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::collections::BTreeSet;
use std::path::Path;

use airside_conformance::case::{Case, home};
use airside_conformance::fixture::Fixtures;
use airside_conformance::known::KNOWN;
use airside_conformance::reading::LEFT_OUT;
use airside_conformance::review::Review;

/// Reviews every case; returns what is not known, in words.
fn reviewed() -> (Review, Vec<String>) {
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
}

#[test]
fn rules_mean_what_istiod_says() {
    let (_, found) = reviewed();
    assert!(
        found.is_empty(),
        "{} differences:\n{}",
        found.len(),
        found.join("\n")
    );
}

#[test]
fn every_known_difference_is_still_there() {
    let (review, _) = reviewed();
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
