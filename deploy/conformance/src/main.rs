//! Asks a running istiod what the rules mean, keeps its answers, and compares them with ours.
#![allow(clippy::print_stderr, reason = "a command-line tool")]

use std::collections::BTreeSet;
use std::process::ExitCode;

use airside_conformance::case::Case;
use airside_conformance::difference;
use airside_conformance::fixture::Fixtures;
use airside_conformance::istiod::{Addresses, Istiod};
use airside_conformance::review::Review;
use airside_lab::say;
use clap::Parser;

/// Renews what a real istiod says about every rule file, and compares it with what the local mesh makes of it
#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    istiod: Addresses,
    /// Only cases whose name begins like this, and those that they are written against
    #[arg(long, default_value = "")]
    only: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let renewed = tokio::select! {
        renewed = renew(&arguments) => renewed,
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
    };
    match renewed {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// The cases whose name begins like this, and those that their fixtures are written against.
fn wanted(start: &str) -> anyhow::Result<Vec<Case>> {
    let mut cases = Case::all()?;
    let named = cases.iter().filter(|case| case.name.starts_with(start));
    let bases: BTreeSet<String> = named.clone().filter_map(|case| case.base.clone()).collect();
    anyhow::ensure!(named.count() > 0, "no case begins like `{start}`");
    // What is only a base of a base comes first of all.
    let needed = |case: &Case| case.base.is_none() || bases.contains(&case.name);
    cases.retain(|case| case.name.starts_with(start) || needed(case));
    Ok(cases)
}

/// Whether everything holds.
async fn renew(arguments: &Arguments) -> anyhow::Result<bool> {
    let cases = wanted(&arguments.only)?;
    let mut istiod = Istiod::reach(&arguments.istiod).await?;
    say!("istiod {}", istiod.version());
    let (mut before, mut now) = (Fixtures::default(), Fixtures::default());
    let mut review = Review::default();
    let mut unknown = 0;
    for case in &cases {
        let said = istiod.ask(case).await?;
        let old = before.read(case).ok().cloned();
        now.write(case, istiod.version(), said.clone())?;
        say!("{}", case.name);
        match old {
            None => say!("  is new"),
            Some(old) => {
                for change in difference::between(&old, &said) {
                    say!("  {}", change.renewal());
                }
            }
        }
        for found in review.case(case, &said) {
            unknown += 1;
            say!("  not known: {found}");
        }
    }
    say!("{unknown} differences that are not known");
    Ok(unknown == 0)
}
