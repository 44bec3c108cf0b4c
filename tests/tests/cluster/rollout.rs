//! A canary that is judged by what the proxies count, while clients ask.

use std::{cell::Cell, time::Duration};

use airside_tests::case_within;
use anyhow::{Context as _, Result, ensure};

use super::system::{System, ctl};

/// Three steps of ten seconds, and a busy node.
const DEADLINE: Duration = Duration::from_secs(900);
/// Enough requests in a step to judge by.
const PAUSE: Duration = Duration::from_millis(20);
const VERSION: &str = "cpanel-v2";

#[test]
fn a_faulty_version_is_taken_back_and_a_sound_one_takes_over() {
    case_within(DEADLINE, "cluster-rollout", async |_| {
        let system = System::deployed().await?;
        ctl(&["reset"]).await?;
        ctl(&["fault", VERSION]).await?;
        let faulty = rolled_out(&system).await;
        // It is asked a second time and plays normal again.
        ctl(&["fault", VERSION]).await?;
        let reason = faulty.err().context("a faulty version took over")?;
        ensure!(format!("{reason:#}").contains("falls behind"), "{reason:#}");
        let sound = rolled_out(&system).await;
        ctl(&["reset"]).await?;
        sound
    });
}

async fn rolled_out(system: &System) -> Result<()> {
    let over = Cell::new(false);
    let judged = async {
        let steps = ["--steps", "10,50,100", "--interval", "10s"];
        let rollout = ["rollout", "cpanel", "--to", "v2"];
        let judged = ctl(&[&rollout[..], &steps].concat()).await;
        over.set(true);
        judged
    };
    let asked = async {
        while !over.get() {
            system.get("/status").await?;
            tokio::time::sleep(PAUSE).await;
        }
        anyhow::Ok(())
    };
    let (judged, asked) = tokio::join!(judged, asked);
    asked?;
    judged.map(drop)
}
