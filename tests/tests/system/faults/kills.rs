//! `kill -9` of agent and collector at random moments while frames stream.

use std::time::Duration;

use airside_tests::case_within;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use super::{Endurance, SEED, checkpoint::Checkpoint, device::Device};

/// A killed program starts, at times only to be killed again, within this on a busy machine.
const TURN: Duration = Duration::from_secs(12);
/// The longest that both run between two kills, in ms: 0.9 s on average, four frames.
const LONGEST_RUN_MS: u64 = 1800;

#[test]
fn killed_agents_and_collectors_lose_nothing_and_repeat_nothing() {
    let kills = Endurance::wanted().of(20, 100);
    case_within(TURN * kills, "kills", async |case| {
        let mut chance = StdRng::seed_from_u64(SEED);
        let mut checkpoint = Checkpoint::open(case, Device::usual(case)).await?;
        checkpoint.stream().await?;
        for _ in 0..kills {
            // The moment is by chance; nothing is waited for.
            let run = Duration::from_millis(chance.random_range(0..LONGEST_RUN_MS));
            tokio::time::sleep(run).await;
            if chance.random_bool(0.4) {
                checkpoint.site.kill("collector")?;
                checkpoint.revive_collector(case).await?;
                continue;
            }
            checkpoint.kill_agent().await?;
            checkpoint.revive_agent(case).await?;
            if chance.random_bool(0.2) {
                // Once more, before it has captured anything.
                checkpoint.kill_agent().await?;
                checkpoint.revive_agent(case).await?;
            }
            checkpoint.light_again().await?;
        }
        checkpoint.holds().await
    });
}
