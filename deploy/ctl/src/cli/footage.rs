//! The making of films as seen in a terminal.

use std::{
    io::{IsTerminal, Write, stdout},
    sync::Mutex,
};

use airside_footage::{Options, Outcome, Progress, Result, Truth, make};

/// Makes the films and shows how far it is.
pub(super) fn run(options: &Options) -> Result<()> {
    let shown = Mutex::new(("", usize::MAX));
    let outcome = make(options, &|progress| {
        let percent = 100 * progress.done / progress.of.max(1);
        let mut shown = shown.lock().expect("printing does not panic");
        if *shown != (progress.step, percent) {
            show(progress, percent, shown.0);
            *shown = (progress.step, percent);
        }
    });
    if stdout().is_terminal() {
        // Clears what the progress left.
        say_on!("\r\x1b[K");
    }
    match outcome? {
        Outcome::UpToDate(truth) => {
            say!("up to date: {}", options.out.display());
            describe(&truth);
        }
        Outcome::Made(truth) => {
            say!("made: {}", options.out.display());
            describe(&truth);
        }
    }
    Ok(())
}

/// One line that changes in a terminal, one line a step elsewhere.
fn show(progress: Progress, percent: usize, before: &str) {
    if stdout().is_terminal() {
        say_on!("\r\x1b[K{} … {percent} %", progress.step);
        // A line that cannot be shown must not end the making.
        let _ = stdout().flush();
    } else if progress.step != before {
        say!("{} …", progress.step);
    }
}

fn describe(truth: &Truth) {
    for film in &truth.films {
        let of_interest = film.passages.iter().filter(|passage| passage.poi).count();
        say!(
            "  {}  {} s, {} passages ({}), {of_interest} of them the person of interest",
            film.file,
            film.seconds,
            film.passages.len(),
            film.event,
        );
    }
}
