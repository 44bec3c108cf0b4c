//! How a trial of gates looks on a terminal.

use std::fmt::{self, Display, Formatter};

use super::{Progress, Report, Row};
use crate::gate::truth::Clock;

/// Width of the bars in characters.
const BAR: usize = 20;
/// Numbers of missed passages that are listed.
const LISTED: usize = 8;

impl Display for Progress {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let at = Clock(self.at);
        match self.length {
            Some(length) => {
                let percent =
                    self.at.as_secs_f64() / length.as_secs_f64().max(f64::EPSILON) * 100.0;
                write!(f, "{percent:.0} %, {at} of {}", Clock(length))
            }
            None => write!(f, "{at}"),
        }
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let megabytes = self.bytes as f64 / 1e6;
        writeln!(
            f,
            "{}: {} passages, seen in {} pictures or more; {} pictures of {megabytes:.1} MB in all\n",
            self.film.display(),
            self.passages,
            self.fewest_pictures,
            self.pictures,
        )?;
        writeln!(
            f,
            "   SENSITIVITY  MIN-AREA  MISSED  FEWEST  NEEDLESS  SENT   BYTES"
        )?;
        for row in &self.rows {
            writeln!(f, "{row}")?;
        }
        writeln!(f)?;
        match self.rows.iter().find(|row| row.in_force) {
            Some(row) if row.missed.is_empty() => writeln!(f, "▶ is in force.")?,
            Some(row) => writeln!(f, "▶ is in force; it misses {}.", Missed(&row.missed))?,
            None => writeln!(f, "None is in force: the configuration has another mode.")?,
        }
        match self.cheapest() {
            Some(row) => writeln!(
                f,
                "Fewest bytes without a miss: sensitivity = {}, min-area = {}",
                row.sensitivity, row.min_area
            ),
            None => writeln!(f, "Each of these misses somebody."),
        }
    }
}

impl Report {
    /// The row with the fewest bytes of those that miss nobody.
    #[must_use]
    pub fn cheapest(&self) -> Option<&Row> {
        let good = self.rows.iter().filter(|row| row.missed.is_empty());
        good.min_by_key(|row| row.bytes)
    }
}

impl Display for Row {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mark = if self.in_force { '▶' } else { ' ' };
        let filled = (self.share * BAR as f64).ceil() as usize;
        write!(
            f,
            " {mark} {:>11}  {:>8}  {:>6}  {:>6}  {:>8}  {:>4}  {:>5.1} %  {}",
            self.sensitivity,
            self.min_area,
            self.missed.len(),
            self.fewest_pictures,
            self.needless,
            self.sent,
            self.share * 100.0,
            "█".repeat(filled.min(BAR)),
        )
    }
}

/// `passages 2, 5 and 7`.
struct Missed<'a>(&'a [usize]);

impl Display for Missed<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.len() == 1 {
            "passage "
        } else {
            "passages "
        })?;
        for (index, number) in self.0.iter().take(LISTED).enumerate() {
            let before = if index > 0 { ", " } else { "" };
            write!(f, "{before}{number}")?;
        }
        match self.0.len().checked_sub(LISTED) {
            Some(more) if more > 0 => write!(f, " and {more} more"),
            _ => Ok(()),
        }
    }
}
