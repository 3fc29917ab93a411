//! The two shapes of an answer: sections of names and values, and a table of names and figures.

use std::fmt::Write as _;

const NAME_WIDTH: usize = 20;
/// A longer name in a table gets a line of its own, and its figures the next.
const TABLE_NAME_WIDTH: usize = 34;

/// Lines of `name: value` under headings.
#[derive(Debug, Default)]
pub(crate) struct Page(String);

impl Page {
    pub(crate) fn new(title: &str) -> Self {
        Self(format!("{title}\n"))
    }

    pub(crate) fn section(mut self, title: &str) -> Self {
        let _ = write!(self.0, "\n{title}\n\n");
        self
    }

    pub(crate) fn line(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        let name = format!("{name}:");
        let _ = writeln!(self.0, "  {name:<NAME_WIDTH$} {value}");
        self
    }

    pub(crate) fn end(self) -> String {
        self.0
    }
}

/// Names to the left, figures to the right.
pub(crate) fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].as_str()).chain([head[column]]);
        let widths = cells.map(|cell| cell.chars().count());
        if column == 0 {
            widths.filter(|width| *width <= TABLE_NAME_WIDTH).max().unwrap_or_default()
        } else {
            widths.max().unwrap_or_default()
        }
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let mut text = String::new();
    for cells in [head].into_iter().chain(rows.iter().map(|row| row.each_ref().map(String::as_str))) {
        let mut name = cells[0];
        if name.chars().count() > widths[0] {
            let _ = writeln!(text, "{name}");
            name = "";
        }
        let _ = write!(text, "{name:<width$}", width = widths[0]);
        for (cell, width) in cells.iter().zip(widths).skip(1) {
            let _ = write!(text, "  {cell:>width$}");
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_stand_under_each_other_and_a_long_name_gets_its_own_line() {
        let long = "x".repeat(TABLE_NAME_WIDTH + 1);
        let rows = [[String::from("A"), String::from("10")], [long.clone(), String::from("9")]];
        assert_eq!(table(["Name", "Many"], &rows), format!("Name  Many\nA       10\n{long}\n         9\n"));
    }
}
