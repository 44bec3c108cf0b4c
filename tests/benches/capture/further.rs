//! What further cameras add to the memory of an agent.

use airside_tests::{
    Case,
    report::{Goal, print_figures, print_verdict},
};
use anyhow::Result;

use super::{agent::Camera, beside::run_agent, film};

const COUNTS: [usize; 3] = [1, 2, 4];

pub(super) async fn measure(case: &Case) -> Result<()> {
    let film = film().await?.display().to_string();
    let mut memory = Vec::new();
    for count in COUNTS {
        let used = run_agent(case, Camera::large(&film), count).await?;
        memory.push(used.memory_mb);
    }
    let names = COUNTS.map(|count| format!("{count} cameras"));
    let figures = names.iter().map(String::as_str).zip(&memory);
    let figures: Vec<_> = figures.map(|(name, mb)| (name, vec![*mb])).collect();
    print_figures("Peak resident memory with more cameras, MB", &figures);
    let (first, all) = (memory[0], memory[COUNTS.len() - 1]);
    let further = (all - first) / (COUNTS[COUNTS.len() - 1] - 1) as f64;
    let what = format!("each further camera {further:.1} MB, of the first");
    print_verdict(&what, further / first, Goal::AtMost(0.6));
    Ok(())
}
