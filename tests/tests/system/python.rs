//! A gRPC client in another language: exactly the file that the documentation shows.

use std::time::Duration;

use airside_tests::{Site, case, case::repository, pictures};
use anyhow::{Context as _, Result, ensure};
use tokio::process::Command;

/// Python compiles the protocol first.
const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn the_documented_python_client_streams_pictures() {
    case("python", async |case| {
        let site = Site::start(case, None).await?;
        let picture = case.directory().join("people.jpg");
        std::fs::write(&picture, pictures::people()?)?;
        let collector = site["collector"].address().to_string();
        let said = run(&["--collector", &collector, &picture.display().to_string()]).await?;
        ensure!(said.to_uppercase().contains("RECORDED"), "{said}");
        let path = "/persons?from=2020-01-01T00:00:00Z&to=2100-01-01T00:00:00Z&aggregate=count";
        let count: u32 = site["section-1"].get(path).await?.text().parse()?;
        ensure!(
            count > 1,
            "{count} of the people in the picture were counted"
        );
        Ok(())
    });
}

async fn run(args: &[&str]) -> Result<String> {
    let repository = repository();
    let output = Command::new(repository.join(".airside/venv/bin/python3"))
        .arg(repository.join("docs/examples/stream.py"))
        .args(args)
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(LIMIT, output)
        .await
        .context("the client hangs")?;
    let output = output.context("no Python environment; run `make setup`")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{said}{errors}");
    Ok(said)
}
