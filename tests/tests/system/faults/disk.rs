//! The agent's disk is full, read-only, or emptied: what can go live goes live, and the ledger stays exact.

use std::fs;

use airside_tests::{Case, case, disk::SmallDisk};
use anyhow::{Result, ensure};

use super::{
    checkpoint::{Checkpoint, Ledger},
    device::Device,
};

/// Room for the spool and for what stands beside it.
const MEGABYTES: u32 = 8;
/// As small as a spool may be: a segment is full with one picture, so that the disk is needed for new files all the time.
const SPOOL: &str = "[spool]\nsize = \"1MiB\"\n";
/// What is captured during two troubles fits into this one.
const ROOMY: &str = "[spool]\nsize = \"2MiB\"\n";
/// As small as the first, and nothing is given up.
const STOPPING: &str = "[spool]\nsize = \"1MiB\"\npolicy = \"stop-capture\"\n";
/// Pictures during which a disk is in trouble.
const TROUBLE: u64 = 12;
/// Pictures that do not fit into the spool: 40 kB each.
const TOO_MANY: u64 = 45;

async fn open(case: &Case, disk: &SmallDisk, configuration: &str) -> Result<Checkpoint> {
    let device = Device::with_disk(case, disk, configuration)?;
    let checkpoint = Checkpoint::open(case, device).await?;
    checkpoint.stream().await?;
    checkpoint.more(TROUBLE).await?;
    Ok(checkpoint)
}

#[test]
fn a_disk_in_trouble_costs_nothing_while_the_line_is_good() {
    case("disk_trouble", async |case| {
        let disk = SmallDisk::mount(case, MEGABYTES)?;
        let mut checkpoint = open(case, &disk, SPOOL).await?;
        checkpoint.spool_finds_no_room(&disk).await?;
        checkpoint.more(TROUBLE).await?;
        disk.release()?;
        checkpoint.spool_works().await?;
        disk.set_read_only(true)?;
        checkpoint.spool_fails().await?;
        checkpoint.more(TROUBLE).await?;
        disk.set_read_only(false)?;
        checkpoint.spool_works().await?;
        starts_on_a_read_only_disk(case, &disk, &mut checkpoint).await?;
        checkpoint.holds().await
    });
}

/// What is on the disk is delivered, and what is captured then goes live.
async fn starts_on_a_read_only_disk(
    case: &Case,
    disk: &SmallDisk,
    checkpoint: &mut Checkpoint,
) -> Result<()> {
    checkpoint.pull_line();
    checkpoint.more(TROUBLE).await?;
    checkpoint.kill_agent().await?;
    disk.remount_read_only(true)?;
    checkpoint.put_line_in();
    checkpoint.revive_agent(case).await?;
    checkpoint.light_again().await?;
    checkpoint.more(TROUBLE).await?;
    checkpoint.stop().await?;
    checkpoint.delivered().await?;
    disk.remount_read_only(false)?;
    checkpoint.spool_works().await?;
    checkpoint.go_on().await?;
    // What was booked in memory is on the disk now.
    checkpoint.restart_agent(case).await
}

#[test]
fn a_spool_that_is_deleted_costs_what_was_in_it_and_nothing_else() {
    case("disk_deleted", async |case| {
        let disk = SmallDisk::mount(case, MEGABYTES)?;
        let mut checkpoint = open(case, &disk, ROOMY).await?;
        checkpoint.pull_line_in_quiet().await?;
        checkpoint.more(TROUBLE).await?;
        fs::remove_dir_all(disk.path_from_outside().join("spool"))?;
        checkpoint.more(TROUBLE).await?;
        checkpoint.put_line_in();
        // What was on its way is sent again, and then found to be gone.
        checkpoint.is_exact().await?;
        checkpoint.go_on().await?;
        checkpoint.more(TROUBLE).await?;
        checkpoint.restart_agent(case).await?;
        let Ledger { shed, dropped, .. } = checkpoint.is_exact().await?;
        ensure!(
            shed == 0 && dropped <= 2 * TROUBLE,
            "{shed} shed, {dropped} dropped"
        );
        Ok(())
    });
}

#[test]
fn a_full_spool_gives_up_the_oldest_and_counts_them() {
    case("disk_full", async |case| {
        let disk = SmallDisk::mount(case, MEGABYTES)?;
        let mut checkpoint = open(case, &disk, SPOOL).await?;
        checkpoint.pull_line_in_quiet().await?;
        checkpoint.more(TOO_MANY).await?;
        let before = checkpoint.ledger().await?;
        ensure!(before.shed > 0, "{before:?}");
        // And the disk before the spool is.
        disk.fill()?;
        checkpoint.more(TROUBLE).await?;
        checkpoint.restart_agent(case).await?;
        disk.release()?;
        checkpoint.put_line_in();
        checkpoint.more(TROUBLE).await?;
        let Ledger { shed, dropped, .. } = checkpoint.is_exact().await?;
        ensure!(shed > before.shed && dropped == 0, "{shed} {dropped}");
        Ok(())
    });
}

#[test]
fn a_full_spool_that_stops_capture_gives_up_nothing() {
    case("disk_stops_capture", async |case| {
        let disk = SmallDisk::mount(case, MEGABYTES)?;
        let mut checkpoint = open(case, &disk, STOPPING).await?;
        checkpoint.pull_line();
        checkpoint.is_full().await?;
        checkpoint.kill_agent().await?;
        checkpoint.revive_agent(case).await?;
        checkpoint.put_line_in();
        checkpoint.light_again().await?;
        checkpoint.holds().await
    });
}
