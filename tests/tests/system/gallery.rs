//! Persons of interest in a database: instances of face recognition follow who is added and erased there, and go on without it.

use std::time::Duration;

use airside_postgres::Postgres;
use airside_tests::{Program, Spec, case, case::models, eventually, films::Films};
use anyhow::{Result, ensure};
use tokio::task::block_in_place;

/// Every five seconds an instance looks; the rest is for a busy machine.
const FOLLOWED_WITHIN: Duration = Duration::from_secs(60);

#[test]
fn whoever_is_added_or_erased_is_followed_by_every_instance() {
    case("gallery", async |case| {
        let server = block_in_place(|| Postgres::start(""));
        let address = block_in_place(|| server.database());
        let on_server = |spec: Spec| {
            spec.flag("--database", &address)
                .flag("--database-password-file", server.password_file())
        };
        let command = async |words: &[&str]| {
            let spec = Spec::bare("gallery", "airside").arg("gallery");
            let spec = words.iter().fold(spec, |spec, word| spec.arg(*word));
            let output = on_server(spec).output().await?;
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
            Ok::<_, anyhow::Error>((output.status.success(), said, complaint))
        };
        let mut instances = Vec::new();
        for name in ["first", "second"] {
            let spec = on_server(Spec::role(name, "face-recognition"));
            let spec = spec.flag("--models", models()?);
            instances.push(Program::start(case, spec).await?);
        }
        let films = Films::of_seconds(30).await?;
        let folder = films.gallery().display().to_string();
        let (_, added, _) = command(&["import", &folder]).await?;
        ensure!(added.ends_with("added, 0 were there\n"), "{added}");
        let (_, again, _) = command(&["import", &folder]).await?;
        ensure!(again.starts_with("0 pictures added"), "{again}");
        searched_for(&instances, 1.0).await?;

        block_in_place(|| server.crash());
        ensure!(
            !command(&["list"]).await?.0,
            "there is no list without a server"
        );
        for instance in &instances {
            ensure!(instance.get("/readyz").await?.status == 200);
        }
        searched_for(&instances, 1.0).await?;
        block_in_place(|| server.resume());

        let name = films.truth.person_of_interest.name.as_str();
        let (_, list, _) = command(&["list"]).await?;
        ensure!(list.starts_with(name), "{list}");
        let (_, erased, _) = command(&["remove", name]).await?;
        ensure!(erased.ends_with("erased\n"), "{erased}");
        searched_for(&instances, 0.0).await?;
        let (found, _, complaint) = command(&["remove", name]).await?;
        ensure!(!found && complaint.contains("nobody"), "{complaint}");
        Ok(())
    });
}

async fn searched_for(instances: &[Program], persons: f64) -> Result<()> {
    for instance in instances {
        eventually("the gallery is followed", FOLLOWED_WITHIN, async || {
            let enrolled = instance.metric("airside_gallery_persons", "").await?;
            Ok((enrolled == persons).then_some(()))
        })
        .await?;
    }
    Ok(())
}
