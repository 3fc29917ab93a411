//! A table: the first column to the left, figures to the right, no wider than the page.

use super::text::{Page, clip, pad};

pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(head: &[&str]) -> Self {
        Self { rows: vec![head.iter().map(|cell| (*cell).to_owned()).collect()] }
    }

    pub(super) fn row(&mut self, cells: &[String]) {
        self.rows.push(cells.to_vec());
    }

    /// The figures keep their width; the first column gives way.
    pub(super) fn print(&self, page: &mut Page) {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width_of = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width_of).collect();
        let figures: usize = widths.iter().skip(1).map(|width| width + 2).sum();
        let first = widths.first().copied().unwrap_or(0).min(page.width().saturating_sub(figures));
        for row in &self.rows {
            let cells = row.iter().zip(&widths).enumerate();
            let line: String = cells
                .map(
                    |(column, (cell, width))| {
                        if column == 0 { pad(clip(cell, first), first) } else { format!("  {cell:>width$}") }
                    },
                )
                .collect();
            page.line(&line);
        }
    }
}
