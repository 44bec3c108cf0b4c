//! What a camera costs in processor time when there are many.

use airside_tests::{
    Case,
    report::{Goal, median, print_figures, print_verdict},
};
use anyhow::Result;

use super::{agent::Camera, beside::run_agent};

const COUNTS: [usize; 4] = [1, 4, 16, 64];
const ROUNDS: usize = 3;
/// So small and slow that 64 of them leave one of two cores free. The gate lets everything through, as the test source always moves.
const CAMERA: Camera<'_> = Camera {
    source: "test://ball",
    width: 320,
    height: 180,
    fps: 2,
    gate: "always",
};

pub(super) async fn measure(case: &Case) -> Result<()> {
    let mut costs: [Vec<f64>; COUNTS.len()] = Default::default();
    for _ in 0..ROUNDS {
        for (count, costs) in COUNTS.into_iter().zip(&mut costs) {
            let used = run_agent(case, CAMERA, count).await?;
            costs.push(used.cpu_percent * 10.0 / count as f64);
        }
    }
    let names = COUNTS.map(|count| format!("{count} cameras"));
    let figures: Vec<_> = names
        .iter()
        .map(String::as_str)
        .zip(costs.clone())
        .collect();
    print_figures(
        "CPU a camera of 2 test pictures of 320x180 a second, ms of a second",
        &figures,
    );
    let [first, .., last] = costs.map(median);
    print_verdict(
        "64 cameras, each of the first",
        last / first,
        Goal::AtMost(1.1),
    );
    Ok(())
}
