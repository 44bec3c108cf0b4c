//! Frames with sidecars beside those without.

use airside_tests::report::{Comparison, Goal, print_figures, quantile};
use anyhow::Result;

use crate::{
    site::{Load, Round, Site},
    used::Used,
};

const ROUNDS: usize = 3;
/// As many as two cores can do: two frames wait for the two that are analysed.
const FULL: Load = Load {
    cameras: 2,
    under_way: 2,
    every_ms: None,
    seconds: 10,
};
/// Two frames a second of each camera, which leave the cores half idle.
const PACED: Load = Load {
    every_ms: Some(500),
    seconds: 12,
    ..FULL
};

pub(super) async fn measure(mesh: &Site, plain: &Site) -> Result<()> {
    let (ours, bare) = rounds(mesh, plain, FULL).await?;
    let of = |side: &[Round], figure: fn(&Round) -> f64| side.iter().map(figure).collect();
    let compare = |title: &str, figure: fn(&Round) -> f64, (ours, bare), goal| {
        Comparison {
            title,
            airside: ("with sidecars", of(ours, figure)),
            bare: ("without", of(bare, figure)),
            goal,
        }
        .print();
    };
    let title = "Frames a second, analysed, recognised and stored; as many as go";
    let goal = Some(Goal::AtLeast(0.9));
    compare(title, Round::frames_a_second, (&ours, &bare), goal);
    print_figures(
        "CPU, ms a frame",
        &[
            (
                "services, with sidecars",
                of(&ours, |round| round.services_ms),
            ),
            ("services, without", of(&bare, |round| round.services_ms)),
            ("all sidecars", of(&ours, |round| round.proxies_ms)),
        ],
    );
    let (ours, bare) = rounds(mesh, plain, PACED).await?;
    let p50 = |round: &Round| quantile(&round.told.milliseconds, 0.5);
    let p99 = |round: &Round| quantile(&round.told.milliseconds, 0.99);
    compare("Four frames a second: p50, ms", p50, (&ours, &bare), None);
    compare("Four frames a second: p99, ms", p99, (&ours, &bare), None);
    print_memory(&Used::now(mesh.operator).await?);
    Ok(())
}

/// Both sides in turn; the first round warms up.
async fn rounds(mesh: &Site, plain: &Site, load: Load) -> Result<(Vec<Round>, Vec<Round>)> {
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let pair = (mesh.drive(load).await?, plain.drive(load).await?);
        if round > 0 {
            ours.push(pair.0);
            bare.push(pair.1);
        }
    }
    Ok((ours, bare))
}

fn print_memory(used: &Used) {
    println!("\nMemory in use after it, MB");
    println!("  {:<24} {:>9} {:>9}", "role", "programs", "sidecars");
    for (role, [programs, sidecars]) in used.memory_mb() {
        println!("  {role:<24} {programs:>9.0} {sidecars:>9.0}");
    }
}
