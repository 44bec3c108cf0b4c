//! Compiles the .proto files with protox: no protoc is needed on the machine.

use std::{env, error::Error, fs, path::PathBuf};

const FILES: &[&str] = &[
    "airside/v1/alerts.proto",
    "airside/v1/analysis.proto",
    "airside/v1/cpanel.proto",
    "airside/v1/frame.proto",
    "airside/v1/ingest.proto",
    "airside/v1/momentum.proto",
    "airside/v1/recognition.proto",
    "airside/v1/section.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=airside");
    let descriptors = protox::compile(FILES, ["."])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(
        out.join("airside.v1.bin"),
        prost::Message::encode_to_vec(&descriptors),
    )?;
    tonic_prost_build::configure()
        .bytes(".")
        .extern_path(".airside.v1.Frame", "crate::frame::Frame")
        .compile_fds(descriptors)?;
    Ok(())
}
