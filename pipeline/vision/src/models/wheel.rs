//! ONNX Runtime: its library lies inside a Python wheel, so pip is the ordinary client that brings it.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::pull::{PullError, make_directory, run, write};

const VERSION: &str = "1.32.0";

/// SHA-256 of the wheels for CPython 3.11 to 3.14 on x86-64 and aarch64; pip refuses any other file.
const SHA256: [&str; 8] = [
    "5a34fc4dfeb5a7b4a74c95dcba1e773d722abda720b474edf1b0c419dc6d163d",
    "2303372a85299b6757b0e11e1cbf13e410ddf7e10c37f4b37e99d1c90e7daf7c",
    "99e1074c4b2197accd5073052a465361be17b89c093b8ffb6e6bd8f986c52df8",
    "e36c187006e7a7c8b8d6d57f1a209dd63f52430dca6c282b177718ad6b841054",
    "02ea12a28c069ea8510093d95a7f6ff8126bfd9fc5c0d3381c03b80fb2b424ba",
    "54d02baff2df38777b4c3cc7af326406fe8b8a48f54720f4c446d2d327920a79",
    "48b878f9551d465aa79ee94ecaf49a1f6b5d27f2975efa775ded374db14d0af1",
    "4135431395c1f37de0811f452c20a8b774f51812fda6c49611ed9899bbdbeeb4",
];

/// The library in the Python environment `venv`; both are made when they are not there.
pub(super) fn library(venv: &Path, progress: &mut dyn FnMut(&str)) -> Result<PathBuf, PullError> {
    if let Some(library) = find(venv) {
        return Ok(library);
    }
    let python = venv.join("bin/python");
    if !python.exists() {
        progress(&format!(
            "making a Python environment in {}",
            venv.display()
        ));
        make_directory(venv)?;
        run(
            Command::new("python3").args(["-m", "venv"]).arg(venv),
            "python3 is not installed",
        )?;
    }
    progress(&format!("fetching ONNX Runtime {VERSION} by pip (27 MB)"));
    // Hashes can only be given to pip in a file.
    let requirement = venv.join("onnxruntime.txt");
    let hashes: String = SHA256
        .iter()
        .map(|hash| format!(" --hash=sha256:{hash}"))
        .collect();
    write(
        &requirement,
        format!("onnxruntime=={VERSION}{hashes}\n").as_bytes(),
    )?;
    let mut pip = Command::new(&python);
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--require-hashes",
        "-r",
    ]);
    run(pip.arg(&requirement), "the Python environment is broken")?;
    find(venv).ok_or_else(|| PullError::NoLibrary(venv.to_owned()))
}

/// `lib/python3.*/site-packages/onnxruntime/capi/libonnxruntime.so.<version>`, absolute.
fn find(venv: &Path) -> Option<PathBuf> {
    let name = format!("libonnxruntime.so.{VERSION}");
    let interpreters = std::fs::read_dir(venv.join("lib")).ok()?.flatten();
    let places = interpreters.map(|entry| {
        entry
            .path()
            .join("site-packages/onnxruntime/capi")
            .join(&name)
    });
    std::path::absolute(places.into_iter().find(|place| place.is_file())?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_installed_library_is_found_without_any_program() {
        let venv = tempfile::tempdir().unwrap();
        assert_eq!(find(venv.path()), None);
        let folder = venv
            .path()
            .join("lib/python3.11/site-packages/onnxruntime/capi");
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join(format!("libonnxruntime.so.{VERSION}"));
        std::fs::write(&file, "").unwrap();
        assert_eq!(
            library(venv.path(), &mut |_| panic!("nothing to do")).unwrap(),
            file
        );
    }
}
