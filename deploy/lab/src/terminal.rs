//! Tables and bars in a terminal.

use std::fmt::{self, Display, Formatter};

/// Width of the longest bar.
const BAR: usize = 40;
/// Width of a share's bar, beside six columns in a terminal of 80.
const SHARE_BAR: usize = 24;

/// Rows under a header, every column as wide as its widest cell.
#[derive(Debug, Clone)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these columns.
    pub fn new<const N: usize>(header: [&str; N]) -> Self {
        Self {
            rows: vec![header.map(str::to_owned).into()],
        }
    }

    /// Adds a row; missing cells are empty.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.into());
    }
}

impl Display for Table {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or_default()
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for row in &self.rows {
            let cells = row.iter().zip(&widths);
            let line: Vec<String> = cells
                .map(|(cell, width)| format!("{cell:width$}"))
                .collect();
            writeln!(f, "{}", line.join("  ").trim_end())?;
        }
        Ok(())
    }
}

/// The lines of `text`, each a step to the right.
pub fn indented(text: &impl Display) -> String {
    let lines = text.to_string();
    let lines = lines.lines().map(|line| match line {
        "" => "\n".to_owned(),
        line => format!("   {line}\n"),
    });
    lines.collect()
}

/// A bar for `part` of `whole`.
pub fn bar(part: usize, whole: usize) -> String {
    "█".repeat((part * BAR).checked_div(whole).unwrap_or_default())
}

/// A bar for a share, with a tick where it should end.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a share of some tens of characters"
)]
pub fn share_bar(share: f64, wanted: Option<f64>) -> String {
    let place = |share: f64| (share.clamp(0.0, 1.0) * SHARE_BAR as f64).round() as usize;
    let mut cells: Vec<char> = vec![' '; SHARE_BAR];
    cells[..place(share)].fill('█');
    if let Some(wanted) = wanted {
        cells[place(wanted).min(SHARE_BAR - 1)] = '┃';
    }
    cells.iter().collect::<String>().trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_stands_where_a_share_should_end() {
        assert_eq!(share_bar(0.0, Some(0.0)), "┃");
        assert_eq!(share_bar(1.0, None).chars().count(), SHARE_BAR);
        assert_eq!(share_bar(1.0, Some(1.0)).chars().last(), Some('┃'));
        let short = share_bar(0.25, Some(0.5));
        assert_eq!(
            short.chars().filter(|cell| *cell == '█').count(),
            SHARE_BAR / 4
        );
        assert_eq!(short.chars().last(), Some('┃'));
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(["name", "n"]);
        table.row(["cpanel-v1-0".to_owned(), "50".to_owned()]);
        assert_eq!(table.to_string(), "name         n\ncpanel-v1-0  50\n");
    }

    #[test]
    fn a_bar_is_a_share() {
        assert_eq!(bar(1, 2).chars().count(), 20);
        assert_eq!(bar(1, 0), "");
        assert_eq!(bar(3, 3).chars().count(), 40);
    }
}
