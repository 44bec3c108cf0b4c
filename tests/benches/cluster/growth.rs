//! Image analysis in one pod and in three.
//!
//! Each pod is held to a fifth of a core (overlay `held`), so that what is seen is how the design scales and not how many cores the
//! node has.

use airside_tests::report::{Comparison, Goal, print_figures};
use anyhow::Result;

use crate::site::{Load, Site};

const ROUNDS: usize = 3;
const DEPLOYMENT: &str = "image-analysis-v1";
/// Enough for each of three pods to have its next frame at hand, and few enough that none of one pod's waits too long.
const LOAD: Load = Load {
    cameras: 3,
    under_way: 2,
    every_ms: None,
    seconds: 12,
};

pub(super) async fn measure(site: &Site) -> Result<()> {
    site.update("held").await?;
    let (mut three, mut one) = (Vec::new(), Vec::new());
    let mut cost = Vec::new();
    // The first round warms up.
    for round in 0..=ROUNDS {
        site.operator.ctl(&["scale", DEPLOYMENT, "3"]).await?;
        let many = site.drive(LOAD).await?;
        site.operator.ctl(&["scale", DEPLOYMENT, "1"]).await?;
        let single = site.drive(LOAD).await?;
        if round > 0 {
            three.push(many.frames_a_second());
            one.push(single.frames_a_second());
            cost.push(1e3 / single.frames_a_second());
        }
    }
    let title = "Frames a second, image analysis held to 0.2 of a core a pod";
    Comparison {
        title,
        airside: ("three pods", three),
        bare: ("one pod", one),
        goal: Some(Goal::AtLeast(2.7)),
    }
    .print();
    print_figures("What a frame costs one pod so, ms", &[("one pod", cost)]);
    Ok(())
}
