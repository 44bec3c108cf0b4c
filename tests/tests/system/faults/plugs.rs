//! Plugs are pulled and put in again in any order: camera, agent, line, collector. Several may be out at once.

use std::time::Duration;

use airside_tests::{Case, case_within, eventually};
use anyhow::Result;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};

use super::{Endurance, SEED, checkpoint::Checkpoint, device::Device};

/// The longest pause between two plugs, in ms.
const LONGEST_PAUSE_MS: u64 = 2000;
/// A plug takes no longer than this on a busy machine; a camera that failed often is opened every half minute.
const TURN: Duration = Duration::from_secs(20);
/// Time for an agent to see that its camera is gone.
const NOTICED_WITHIN: Duration = Duration::from_secs(20);

/// What can be pulled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plug {
    Camera,
    Agent,
    Line,
    Collector,
}

const PLUGS: [Plug; 4] = [Plug::Camera, Plug::Agent, Plug::Line, Plug::Collector];

#[test]
fn plugs_may_be_pulled_in_any_order() {
    let turns = Endurance::wanted().of(14, 150);
    case_within(TURN * turns, "plugs", async |case| {
        let mut chance = StdRng::seed_from_u64(SEED);
        let checkpoint = Checkpoint::open(case, Device::usual(case)).await?;
        checkpoint.stream().await?;
        let mut sockets = Sockets {
            case,
            checkpoint,
            out: Vec::new(),
        };
        for _ in 0..turns {
            // The moment is by chance; nothing is waited for.
            let pause = Duration::from_millis(chance.random_range(0..LONGEST_PAUSE_MS));
            tokio::time::sleep(pause).await;
            let plug = *PLUGS.choose(&mut chance).unwrap_or(&Plug::Line);
            sockets.toggle(plug).await?;
        }
        while let Some(plug) = sockets.out.last() {
            sockets.toggle(*plug).await?;
        }
        sockets.checkpoint.holds().await
    });
}

/// Where the plugs are, and which of them are out.
struct Sockets<'a> {
    case: &'a Case,
    checkpoint: Checkpoint,
    out: Vec<Plug>,
}

impl Sockets<'_> {
    async fn toggle(&mut self, plug: Plug) -> Result<()> {
        if let Some(place) = self.out.iter().position(|out| *out == plug) {
            self.out.remove(place);
            self.put_in(plug).await
        } else {
            self.out.push(plug);
            self.pull(plug).await
        }
    }

    async fn pull(&mut self, plug: Plug) -> Result<()> {
        let checkpoint = &mut self.checkpoint;
        match plug {
            Plug::Camera => {
                checkpoint.go_dark().await?;
                checkpoint.reel.hide()?;
                match self.out.contains(&Plug::Agent) {
                    true => Ok(()),
                    false => self.camera_is_missed().await,
                }
            }
            Plug::Agent => checkpoint.kill_agent().await,
            Plug::Line => {
                checkpoint.pull_line();
                Ok(())
            }
            Plug::Collector => checkpoint.site.kill("collector"),
        }
    }

    async fn put_in(&mut self, plug: Plug) -> Result<()> {
        let checkpoint = &mut self.checkpoint;
        match plug {
            // Who is dead sees nothing; the film is wound for it when it is back.
            Plug::Camera if self.out.contains(&Plug::Agent) => checkpoint.reel.wind_to(0),
            Plug::Camera => {
                let captured = checkpoint.ledger().await?.captured;
                checkpoint.reel.wind_to(captured)?;
                checkpoint.light_again().await
            }
            Plug::Agent => {
                checkpoint.revive_agent(self.case).await?;
                match self.out.contains(&Plug::Camera) {
                    true => Ok(()),
                    false => checkpoint.light_again().await,
                }
            }
            Plug::Line => {
                checkpoint.put_line_in();
                Ok(())
            }
            Plug::Collector => checkpoint.revive_collector(self.case).await,
        }
    }

    async fn camera_is_missed(&self) -> Result<()> {
        eventually("the camera is missed", NOTICED_WITHIN, async || {
            let state = self.checkpoint.agent.get("/state").await?.json()?;
            Ok((state["camera"] == "failed").then_some(()))
        })
        .await
    }
}
