//! The films through pods and sidecars, and the count compared with their truth.

use std::time::Duration;

use airside_core::Timestamp;
use airside_footage::Truth;
use airside_tests::{case::repository, case_within, truth};
use anyhow::Context as _;

use super::system::{CAMERAS, System, ctl};

/// Of the agents, unless they are told otherwise.
const FPS: u64 = 5;
/// Deploying from nothing and a film of a minute, on one busy node.
const DEADLINE: Duration = Duration::from_secs(1800);

#[test]
fn everybody_in_the_films_is_counted_once() {
    case_within(DEADLINE, "cluster-film", async |_| {
        let begun = Timestamp::now();
        let system = System::fresh().await?;
        let truth = Truth::read(&repository().join("demo"))?;
        // All cameras have streamed since they were deployed.
        let mut loops = 0;
        for (camera, film) in CAMERAS.into_iter().zip(&truth.films) {
            let cycle = system.camera(camera).await?["cycle"].as_u64();
            let length = FPS * u64::from(film.seconds);
            loops = loops.max(cycle.context("a cycle")? / length + 1);
            system.played(loops * length).await?;
        }
        ctl(&["cameras", "stop"]).await?;
        system.delivered().await?;
        let persons = async |query| system.get(&format!("/sections/1/persons?{query}")).await;
        let alerts = async |query| system.get(&format!("/alerts?{query}")).await;
        truth::compare((&truth, u32::try_from(loops)?), begun, persons, alerts).await?;
        // No collector was replaced, so that both sides remember every frame.
        ctl(&["ledger"]).await.map(drop)
    });
}
