//! Where a scenario is wrong, and what was expected there.

use std::ops::Range;

use crate::nearest;

/// A scenario that cannot be read. Shows as `scenarios/x.toml:12:8: message`, then the line and a caret under the place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {message}\n{excerpt}")]
pub struct ScenarioError {
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What is wrong and what was expected.
    pub message: String,
    excerpt: String,
}

impl ScenarioError {
    pub(super) fn new(name: &str, text: &str, message: &str, span: Option<Range<usize>>) -> Self {
        let mut offset = span.as_ref().map_or(0, |span| span.start).min(text.len());
        while !text.is_char_boundary(offset) {
            offset -= 1;
        }
        let before = text.get(..offset).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = before.matches('\n').count() + 1;
        let column = text.get(line_start..offset).unwrap_or_default().chars().count() + 1;
        let shown = text.get(line_start..).unwrap_or_default().lines().next().unwrap_or_default();
        let width = span.map_or(1, |span| marked(text, offset, span.end));
        let gutter = line.to_string();
        let excerpt = format!(
            "  {gutter} | {shown}\n  {pad} | {indent}{carets}",
            pad = " ".repeat(gutter.len()),
            indent = " ".repeat(column - 1),
            carets = "^".repeat(width),
        );
        Self { file: path(name), line, column, message: nearest::with_guess(&one_line(message)), excerpt }
    }
}

/// How many characters of the line to mark, at least one and none beyond its end.
fn marked(text: &str, start: usize, end: usize) -> usize {
    let rest = text.get(start..).unwrap_or_default().lines().next().unwrap_or_default();
    let span = end.saturating_sub(start).min(rest.len());
    rest.char_indices().take_while(|(at, _)| *at < span).count().max(1)
}

/// The parser's own messages may go over several lines; ours are one.
fn one_line(message: &str) -> String {
    message.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(", ")
}

fn path(name: &str) -> String {
    let is_path = name.contains('/') || std::path::Path::new(name).extension().is_some_and(|ext| ext == "toml");
    if is_path { name.to_owned() } else { format!("scenarios/{name}.toml") }
}

/// The scenario's own name: `default` for `scenarios/default.toml`.
pub(super) fn stem(name: &str) -> &str {
    let file = name.rsplit(['/', '\\']).next().unwrap_or(name);
    file.strip_suffix(".toml").unwrap_or(file)
}

/// Where `word` first stands in `text`.
pub(super) fn find(text: &str, word: &str) -> Option<Range<usize>> {
    text.find(word).map(|start| start..start + word.len())
}
