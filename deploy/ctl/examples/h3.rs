//! scratch
use clap::Parser;
#[derive(clap::Parser)]
struct A { #[command(flatten)] o: airsidectl::footage::Options }
fn main() -> anyhow::Result<()> { Ok(airsidectl::footage::run(&A::parse().o)?) }
