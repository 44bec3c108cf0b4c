//! Asks a running istiod what the rules mean, keeps its answers, and compares them with ours.
#![allow(clippy::print_stderr, reason = "a command-line tool")]

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

/// Whether everything holds.
async fn renew(arguments: &Arguments) -> anyhow::Result<bool> {
    let cases = Case::all()?;
    let mut istiod = Istiod::reach(&arguments.istiod).await?;
    say!("istiod {}", istiod.version());
    let (mut before, mut now) = (Fixtures::default(), Fixtures::default());
    let mut review = Review::default();
    let mut unknown = 0;
    for case in &cases {
        let wanted = case.name.starts_with(&arguments.only);
        let needed = cases
            .iter()
            .any(|other| other.base.as_ref() == Some(&case.name));
        if !wanted && !needed {
            continue;
        }
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
