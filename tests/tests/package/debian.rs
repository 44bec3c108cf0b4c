//! From `apt install` to `apt purge`, as docs/agent-install.md tells it.

use std::time::Duration;

use airside_tests::{
    Case, Program, Site, Spec, case::repository, case_within, eventually, films::Films,
};
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::device::{Device, HOST};

/// Emulated from the first instruction to the last package.
const DEADLINE: Duration = Duration::from_secs(1800);
/// The service starts again after 5 s, and an emulated camera takes its time.
const NOTICED_WITHIN: Duration = Duration::from_secs(120);
/// As many as show that frames keep flowing.
const FRAMES: u64 = 10;

/// Where the device's agent listens.
const CONTROL: u16 = 8080;

const INSTALLED: &str = env!("CARGO_PKG_VERSION");
/// What `make test-package` names the second package, which differs in nothing but this.
const UPGRADED: &str = concat!(env!("CARGO_PKG_VERSION"), "+1");

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
        comes_back_when_killed(&device).await?;
        takes_another_camera_while_it_runs(&device).await?;

        collector.pause();
        let before = frames_pile_up(&device).await?;
        install(&device, UPGRADED).await?;
        what_waited_is_still_there(&device, before).await?;
        collector.resume();
        // Only the edited configuration knows the way there.
        frames_arrive(&device).await?;
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
    let state = device
        .run("systemctl show --value -p UnitFileState,ActiveState airside-agent")
        .await?;
    ensure!(
        state.split_whitespace().eq(["inactive", "enabled"]),
        "{state}"
    );
    let log = device.run("journalctl --no-pager -u airside-agent").await?;
    ensure!(log.contains("agent.toml is unedited"), "{log}");
    Ok(())
}

/// The two lines that the file itself asks to edit.
async fn edit(device: &Device, source: &str, port: u16) -> Result<()> {
    let edit = format!(
        "sed -i -e 's|^#*source = .*|source = \"{source}\"|' -e 's|^#*destination = \"[^\"]*\"|destination = \"grpc://{HOST}:{port}\"|' \
         /etc/airside-agent/agent.toml"
    );
    device.run(&edit).await?;
    device
        .run("systemctl restart airside-agent")
        .await
        .map(drop)
}

async fn frames_arrive(device: &Device) -> Result<()> {
    let before = frames(device).await.map_or(0, |frames| frames.acknowledged);
    eventually("frames are acknowledged", NOTICED_WITHIN, async || {
        let frames = frames(device).await.ok();
        Ok(frames
            .filter(|frames| frames.acknowledged >= before + FRAMES)
            .map(drop))
    })
    .await
}

async fn is_confined(device: &Device) -> Result<()> {
    device
        .run("systemd-analyze security --threshold=20 airside-agent")
        .await?;
    let status = device
        .run("cat /proc/$(systemctl show --value -p MainPID airside-agent)/status")
        .await?;
    for confined in ["CapEff:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"] {
        ensure!(status.contains(confined), "{status}");
    }
    let mode = device
        .run("stat --format='%a %U' /var/lib/airside-agent/")
        .await?;
    ensure!(mode == "700 airside-agent", "{mode}");
    Ok(())
}

async fn comes_back_when_killed(device: &Device) -> Result<()> {
    let before = main_pid(device).await?;
    device
        .run("systemctl kill --signal=KILL airside-agent")
        .await?;
    eventually("the service is back", NOTICED_WITHIN, async || {
        let active = device
            .run("systemctl is-active airside-agent")
            .await
            .is_ok();
        Ok((active && main_pid(device).await? != before).then_some(()))
    })
    .await?;
    frames_arrive(device).await
}

/// A V4L2 device that is plugged in long after the service has started, and credentials that root alone may read.
async fn takes_another_camera_while_it_runs(device: &Device) -> Result<()> {
    device.run("(umask 077; echo guard > /etc/airside-agent/credentials/camera) && systemctl restart airside-agent").await?;
    let loaded = device
        .run("ls -l /run/credentials/airside-agent.service")
        .await?;
    ensure!(loaded.contains("secret_camera"), "{loaded}");

    let before = main_pid(device).await?;
    device
        .run("modprobe vivid n_devs=1 && udevadm settle")
        .await?;
    device
        .run("sed -i 's|^#*source = .*|source = \"/dev/video0\"|' /etc/airside-agent/agent.toml")
        .await?;
    device.run("systemctl reload airside-agent").await?;
    eventually("the device is filmed", NOTICED_WITHIN, async || {
        let camera = &status(device).await?["cameras"][0];
        let filmed = camera["source"] == "/dev/video0" && camera["state"]["camera"] == "capturing";
        Ok(filmed.then_some(()))
    })
    .await?;
    frames_arrive(device).await?;
    ensure!(
        main_pid(device).await? == before,
        "a reload keeps the process"
    );
    Ok(())
}

/// Waits for frames that nobody takes.
async fn frames_pile_up(device: &Device) -> Result<Frames> {
    eventually("frames wait", NOTICED_WITHIN, async || {
        let frames = frames(device).await?;
        Ok((frames.spooled >= FRAMES).then_some(frames))
    })
    .await
}

/// Nobody took a frame meanwhile, so those that waited must all be there.
async fn what_waited_is_still_there(device: &Device, before: Frames) -> Result<()> {
    let after = eventually("the new version answers", NOTICED_WITHIN, async || {
        Ok(frames(device).await.ok())
    })
    .await?;
    let is_kept = after.spooled >= before.spooled
        && (after.shed, after.dropped) == (before.shed, before.dropped);
    ensure!(is_kept, "before {before:?}, after {after:?}");
    Ok(())
}

/// Frame by frame, over everything that happened to the device.
async fn ledgers_agree(case: &Case, device: &Device, collector: &Program) -> Result<()> {
    let tunnel = device.tunnel(CONTROL).await?;
    let compared = Spec::bare("airsidectl-ledger", "airsidectl")
        .arg("ledger")
        .flag("--run-dir", case.directory().join("run"))
        .flag("--agent-url", tunnel.url())
        .flag("--collector-url", collector.url(""))
        .output()
        .await?;
    let said = String::from_utf8_lossy(&compared.stdout);
    ensure!(compared.status.success(), "{}: {said}", compared.status);
    Ok(())
}

async fn remove_and_purge(device: &Device) -> Result<()> {
    let apt = "DEBIAN_FRONTEND=noninteractive apt-get -qy";
    let left = "ls -d /var/lib/airside-agent /etc/airside-agent/agent.toml /etc/airside-agent/credentials/camera 2>/dev/null; true";
    device.run(&format!("{apt} remove airside-agent")).await?;
    ensure!(
        device.run(left).await?.lines().count() == 3,
        "removal keeps everything"
    );

    let keep = "echo airside-agent airside-agent/purge-data boolean false | debconf-set-selections";
    device
        .run(&format!("{keep}; {apt} purge airside-agent"))
        .await?;
    let kept = device.run(left).await?;
    ensure!(
        kept.contains("/var/lib") && kept.contains("camera"),
        "kept on demand: {kept}"
    );

    install(device, UPGRADED).await?;
    device.run(&format!("{apt} purge airside-agent")).await?;
    let all = device.run("ls -d /var/lib/airside-agent /var/cache/airside-agent /etc/airside-agent 2>/dev/null; true").await?;
    ensure!(all.is_empty(), "left behind: {all}");
    Ok(())
}

async fn main_pid(device: &Device) -> Result<String> {
    device
        .run("systemctl show --value -p MainPID airside-agent")
        .await
}

/// The ledger of all cameras.
#[derive(Debug)]
struct Frames {
    captured: u64,
    gated: u64,
    acknowledged: u64,
    shed: u64,
    dropped: u64,
    spooled: u64,
}

/// Reads the ledger, which must balance at every moment.
async fn frames(device: &Device) -> Result<Frames> {
    let state = status(device).await?;
    let count = |name: &str| {
        state["frames"][name]
            .as_u64()
            .with_context(|| format!("no {name}: {state}"))
    };
    let frames = Frames {
        captured: count("captured")?,
        gated: count("gated")?,
        acknowledged: count("acknowledged")?,
        shed: count("shed")?,
        dropped: count("dropped")?,
        spooled: count("spooled")?,
    };
    let settled = frames.gated + frames.acknowledged + frames.shed + frames.dropped;
    ensure!(frames.captured == settled + frames.spooled, "{frames:?}");
    Ok(frames)
}

async fn status(device: &Device) -> Result<Value> {
    // It ends with 1 while something is wrong, such as a collector that hangs.
    let answer = device
        .run("airside-agent status --json || [ $? -eq 1 ]")
        .await?;
    serde_json::from_str(&answer).with_context(|| answer.clone())
}
