//! From `apt install` to `apt purge`, as docs/agent-install.md tells it.

use std::{
    ops::ControlFlow,
    time::{Duration, Instant},
};

use airside_tests::{
    Case, Program, Site, Spec, case::repository, case_within, films::Films, progressing,
};
use anyhow::{Result, ensure};

use super::{
    device::{Device, HOST, PATIENCE},
    service::{
        Frames, backlog_is_delivered, comes_back, frames, frames_arrive, frames_pile_up, log,
        property, status,
    },
};

/// A step that stands still fails by itself; this ends what moves for ever.
const DEADLINE: Duration = Duration::from_secs(4 * 3600);

/// Where the device's agent listens.
const CONTROL: u16 = 8080;

const INSTALLED: &str = env!("CARGO_PKG_VERSION");
/// What `make test-package` names the second package, which differs in nothing but this.
const UPGRADED: &str = concat!(env!("CARGO_PKG_VERSION"), "+1");

const CONFIGURATION: &str = "/etc/airside-agent/agent.toml";
const CREDENTIAL: &str = "/etc/airside-agent/credentials/camera";
const SPOOL: &str = "/var/lib/airside-agent";

#[test]
fn installed_edited_upgraded_removed_and_purged() {
    case_within(DEADLINE, "debian", async |case| {
        let films = Films::of_seconds(30).await?;
        let site = Site::start(case, None).await?;
        let collector = &site["collector"];
        let device = Device::boot(case).await?;
        device
            .copy(&films.path(&films.truth.films[0]), "/srv/gate.mp4")
            .await?;

        install(&device, INSTALLED).await?;
        is_off_until_edited(&device).await?;
        edit(&device, "/srv/gate.mp4", collector.address().port()).await?;
        frames_arrive(&device).await?;
        is_confined(&device).await?;
        logs_fields(&device).await?;
        refuses_a_broken_file(&device).await?;
        comes_back_when_killed_or_hung(&device).await?;
        takes_another_camera_while_it_runs(&device).await?;

        collector.pause();
        let before = frames_pile_up(&device).await?;
        install(&device, UPGRADED).await?;
        what_waited_is_still_there(&device, before).await?;
        collector.resume();
        // Only the edited configuration knows the way there.
        backlog_is_delivered(&device, Instant::now()).await?;
        ledgers_agree(case, &device, collector).await?;

        remove_and_purge(&device).await
    });
}

/// `apt install ./airside-agent_*.deb`, dependencies from Debian's mirrors.
async fn install(device: &Device, version: &str) -> Result<()> {
    let package = format!("airside-agent_{version}_amd64.deb");
    let built = repository().join("target/debian").join(&package);
    device.copy(&built, &format!("/root/{package}")).await?;
    let apt = "export DEBIAN_FRONTEND=noninteractive; apt-get update -q && apt-get install -qy --no-install-recommends";
    device.run(&format!("{apt} /root/{package}")).await?;
    let installed = device
        .run("dpkg-query --show --showformat='${Version}' airside-agent")
        .await?;
    ensure!(installed == version, "{installed}");
    Ok(())
}

async fn is_off_until_edited(device: &Device) -> Result<()> {
    for (name, expected) in [("ActiveState", "inactive"), ("UnitFileState", "enabled")] {
        let found = property(device, name).await?;
        ensure!(found == expected, "{name}: {found}");
    }
    let log = log(device, "").await?;
    ensure!(log.contains("agent.toml is unedited"), "{log}");
    Ok(())
}

/// The two lines that the file itself asks to edit.
async fn edit(device: &Device, source: &str, port: u16) -> Result<()> {
    let edit = format!(
        "sed -i -e 's|^#*source = .*|source = \"{source}\"|' -e 's|^#*destination = \"[^\"]*\"|destination = \"grpc://{HOST}:{port}\"|' \
         {CONFIGURATION}"
    );
    device.run(&edit).await?;
    device
        .run(&format!("airside-agent config check {CONFIGURATION}"))
        .await?;
    device
        .run("systemctl restart airside-agent")
        .await
        .map(drop)
}

async fn is_confined(device: &Device) -> Result<()> {
    device
        .run("systemd-analyze security --threshold=20 airside-agent")
        .await?;
    let main_pid = property(device, "MainPID").await?;
    let status = device.run(&format!("cat /proc/{main_pid}/status")).await?;
    for confined in ["CapEff:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"] {
        ensure!(status.contains(confined), "{status}");
    }
    let mode = device
        .run(&format!("stat --format='%a %U' {SPOOL}/"))
        .await?;
    ensure!(mode == "700 airside-agent", "{mode}");
    Ok(())
}

/// The journal finds entries by the value of a field.
async fn logs_fields(device: &Device) -> Result<()> {
    let found = log(device, "--quiet F_SOURCE=/srv/gate.mp4").await?;
    ensure!(found.contains("capturing"), "{found}");
    Ok(())
}

/// The configuration in force stays in force, and the log says where to look.
async fn refuses_a_broken_file(device: &Device) -> Result<()> {
    let before = property(device, "MainPID").await?;
    device
        .run(&format!(
            "cp -a {CONFIGURATION} /root/good.toml && echo 'fsp = 5' >> {CONFIGURATION}"
        ))
        .await?;
    let checked = format!("airside-agent config check {CONFIGURATION} 2>&1 || [ $? -eq 2 ]");
    let checked = device.run(&checked).await?;
    ensure!(checked.contains("fsp"), "{checked}");
    device.run("systemctl reload airside-agent").await?;
    progressing("the log names the line", PATIENCE, async || {
        let log = log(device, "-o cat --output-fields=MESSAGE,F_REASON").await?;
        let named = log.contains("agent.toml:") && log.contains("fsp");
        Ok(if named {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        })
    })
    .await?;
    frames_arrive(device).await?;
    ensure!(
        property(device, "MainPID").await? == before,
        "a broken file keeps the process"
    );
    device
        .run(&format!(
            "cp -a /root/good.toml {CONFIGURATION} && systemctl reload airside-agent"
        ))
        .await
        .map(drop)
}

async fn comes_back_when_killed_or_hung(device: &Device) -> Result<()> {
    for signal in ["KILL", "STOP"] {
        let before = property(device, "MainPID").await?;
        device
            .run(&format!("systemctl kill --signal={signal} airside-agent"))
            .await?;
        comes_back(device, &before).await?;
        frames_arrive(device).await?;
    }
    let log = log(device, "").await?;
    ensure!(log.contains("Watchdog timeout"), "{log}");
    Ok(())
}

/// A V4L2 device that is plugged in long after the service has started, and credentials that root alone may read.
async fn takes_another_camera_while_it_runs(device: &Device) -> Result<()> {
    let credential = format!("(umask 077; echo guard > {CREDENTIAL})");
    device
        .run(&format!("{credential} && systemctl restart airside-agent"))
        .await?;
    let loaded = device
        .run("ls -l /run/credentials/airside-agent.service")
        .await?;
    ensure!(loaded.contains("secret_camera"), "{loaded}");

    let before = property(device, "MainPID").await?;
    device
        .run("modprobe vivid n_devs=1 && udevadm settle")
        .await?;
    let found = device.run("airside-agent discover 2>&1").await?;
    ensure!(found.contains("/dev/video0"), "{found}");
    // One picture a second leaves a busy machine's collector time for what waits.
    device
        .run(&format!(
            "sed -i -e 's|^#*source = .*|source = \"/dev/video0\"|' -e 's|^#fps = .*|fps = 1|' {CONFIGURATION} && systemctl reload airside-agent"
        ))
        .await?;
    progressing("the device is filmed", PATIENCE, async || {
        let camera = &status(device).await?["cameras"][0];
        let filmed = camera["source"] == "/dev/video0" && camera["state"]["camera"] == "capturing";
        Ok(if filmed {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(camera["state"]["camera"].to_string())
        })
    })
    .await?;
    frames_arrive(device).await?;
    ensure!(
        property(device, "MainPID").await? == before,
        "a reload keeps the process"
    );
    Ok(())
}

/// Nobody took a frame meanwhile, so those that waited must all be there.
async fn what_waited_is_still_there(device: &Device, before: Frames) -> Result<()> {
    let after = progressing("the new version answers", PATIENCE, async || {
        Ok(match frames(device).await {
            Ok(frames) => ControlFlow::Break(frames),
            Err(_) => ControlFlow::Continue(property(device, "SubState").await?),
        })
    })
    .await?;
    let is_kept = after.spooled >= before.spooled
        && (after.shed, after.dropped) == (before.shed, before.dropped);
    ensure!(is_kept, "before {before:?}, after {after:?}");
    Ok(())
}

/// Frame by frame, over everything that happened to the device.
async fn ledgers_agree(case: &Case, device: &Device, collector: &Program) -> Result<()> {
    let compared = Spec::bare("airsidectl-ledger", "airsidectl")
        .arg("ledger")
        .flag("--run-dir", case.directory().join("run"))
        .flag("--agent-url", device.tunnel(CONTROL).await?)
        .flag("--collector-url", collector.url(""))
        .output()
        .await?;
    let said = String::from_utf8_lossy(&compared.stdout);
    ensure!(compared.status.success(), "{}: {said}", compared.status);
    Ok(())
}

async fn remove_and_purge(device: &Device) -> Result<()> {
    let apt = "DEBIAN_FRONTEND=noninteractive apt-get -qy";
    let left = async || {
        device
            .run(&format!(
                "ls -d {SPOOL} {CONFIGURATION} {CREDENTIAL} 2>/dev/null; true"
            ))
            .await
    };
    device.run(&format!("{apt} remove airside-agent")).await?;
    let removed = left().await?;
    ensure!(
        removed.lines().count() == 3,
        "removal keeps everything: {removed}"
    );

    let keep = "echo airside-agent airside-agent/purge-data boolean false | debconf-set-selections";
    device
        .run(&format!("{keep}; {apt} purge airside-agent"))
        .await?;
    keeps_data(&left().await?)?;

    install(device, UPGRADED).await?;
    // By dpkg, because apt has a terminal of its own and takes an early answer for itself.
    let asked = device
        .run(
            "echo no | script -qec 'DEBIAN_FRONTEND=teletype dpkg --purge airside-agent' /dev/null",
        )
        .await?;
    ensure!(
        asked.contains("Delete pictures that were not delivered"),
        "not asked: {asked}"
    );
    keeps_data(&left().await?)?;

    install(device, UPGRADED).await?;
    device.run(&format!("{apt} purge airside-agent")).await?;
    let all = device
        .run(&format!(
            "ls -d {SPOOL} /var/cache/airside-agent /etc/airside-agent 2>/dev/null; true"
        ))
        .await?;
    ensure!(all.is_empty(), "left behind: {all}");
    Ok(())
}

fn keeps_data(left: &str) -> Result<()> {
    ensure!(
        left.contains(SPOOL) && left.contains(CREDENTIAL) && !left.contains(CONFIGURATION),
        "kept on demand: {left}"
    );
    Ok(())
}
