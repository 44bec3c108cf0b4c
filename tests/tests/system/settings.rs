//! Wrong settings: exit code 2 and a message that names key, value and accepted form, for every program.

use std::fs;

use airside_tests::{Spec, case};
use anyhow::{Result, ensure};

const ROLES: [&str; 7] = [
    "collector",
    "image-analysis",
    "face-recognition",
    "section",
    "alerts",
    "momentum",
    "cpanel",
];

fn programs() -> Vec<Spec> {
    let roles = ROLES.map(|role| Spec::role(role, role));
    let agent = Spec::agent("agent").flag("--source", "test://ball");
    roles.into_iter().chain([agent]).collect()
}

async fn refused(spec: Spec, named: &[&str]) -> Result<()> {
    let output = spec.output().await?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.code() == Some(2),
        "{}: {}: {said}",
        spec.name,
        output.status
    );
    for text in named {
        ensure!(
            said.contains(text),
            "{} does not name {text}: {said}",
            spec.name
        );
    }
    Ok(())
}

#[test]
fn every_program_refuses_wrong_settings_and_names_them() {
    case("settings", async |case| {
        let file = |name: &str, text: &str| {
            let path = case.directory().join(name);
            fs::write(&path, text).map(|()| path)
        };
        let wrong_value = file("value.toml", "listen = \"nowhere\"\n")?;
        let wrong_key = file("key.toml", "lisen = \"127.0.0.1:0\"\n")?;
        let no_toml = file("no.toml", "listen = \n")?;
        for program in programs() {
            let bad = program.clone().flag("--listen", "nowhere");
            refused(bad, &["--listen", "nowhere", "expected"]).await?;
            refused(program.clone().arg("--lisen"), &["--lisen"]).await?;
            let bad = program.clone().flag("--config", &wrong_value);
            refused(bad, &["value.toml", "listen", "nowhere", "expected"]).await?;
            refused(
                program.clone().flag("--config", &wrong_key),
                &["key.toml", "lisen"],
            )
            .await?;
            refused(
                program.clone().flag("--config", &no_toml),
                &["no.toml", "1"],
            )
            .await?;
            let missing = case.directory().join("missing.toml");
            refused(program.flag("--config", missing), &["missing.toml"]).await?;
        }
        Ok(())
    });
}

#[test]
fn values_of_single_programs_are_checked_too() {
    case("values", async |_| {
        let agent = Spec::agent("agent");
        refused(
            agent.clone().flag("--source", "ftp://gate"),
            &["--source", "ftp://gate", "expected"],
        )
        .await?;
        refused(agent.flag("--fps", "0"), &["--fps", "0"]).await?;
        let collector = Spec::role("collector", "collector");
        refused(
            collector.flag("--egress", "envoy"),
            &["--egress", "envoy", "expected"],
        )
        .await?;
        let section = Spec::role("section", "section");
        refused(
            section.flag("--section", "a/b"),
            &["--section", "a/b", "expected"],
        )
        .await?;
        let ctl = Spec::bare("airsidectl", "airsidectl").arg("up");
        refused(ctl.flag("--ingress", "nowhere"), &["--ingress", "nowhere"]).await?;
        refused(
            Spec::bare("airside", "airside").arg("colector"),
            &["colector"],
        )
        .await
    });
}

#[test]
fn check_prints_what_is_in_force() {
    case("check", async |_| {
        for program in programs() {
            let output = program
                .flag("--drain-timeout", "3s")
                .arg("--check")
                .output()
                .await?;
            let said = String::from_utf8_lossy(&output.stdout);
            ensure!(
                output.status.success() && said.contains("drain-timeout") && said.contains("3s"),
                "{said}"
            );
        }
        Ok(())
    });
}

/// An address may come with a password by environment or file, never by arguments; and nobody is told it.
#[test]
fn a_password_for_the_database_is_shown_nowhere() {
    const ADDRESS: &str = "postgres://airside:s3cret@db:5432/airside?sslmode=require";
    const SHOWN: &str = "postgres://airside:***@db:5432/airside?sslmode=require";
    case("password", async |case| {
        let file = |name: &str, address: &str| {
            let path = case.directory().join(name);
            fs::write(&path, format!("database = \"{address}\"\n")).map(|()| path)
        };
        let good = file("good.toml", ADDRESS)?;
        let unknown = file("unknown.toml", "postgres://airside:s3cret@db/airside?a=b")?;
        let no_port = file("port.toml", "postgres://airside:s3cret")?;
        for role in ["section", "alerts", "face-recognition"] {
            let spec = Spec::role(role, role);
            let output = spec.clone().flag("--config", &good).arg("--check");
            let said = output.output().await?.stdout;
            let said = String::from_utf8_lossy(&said);
            ensure!(said.contains(SHOWN) && !said.contains("s3cret"), "{said}");
            for (refused, named) in [
                (
                    spec.clone().flag("--database", ADDRESS),
                    "--database-password-file",
                ),
                (spec.clone().flag("--config", &unknown), "sslmode"),
                (
                    spec.clone().flag("--config", &no_port),
                    "postgres://USER@HOST",
                ),
                (
                    spec.flag("--database", "postgres://db/airside")
                        .flag("--database-password-file", "/nowhere"),
                    "database-password-file",
                ),
            ] {
                let output = refused.output().await?;
                let said = String::from_utf8_lossy(&output.stderr);
                ensure!(
                    output.status.code() == Some(2)
                        && said.contains(named)
                        && !said.contains("s3cret"),
                    "{role}: {said}"
                );
            }
        }
        Ok(())
    });
}
