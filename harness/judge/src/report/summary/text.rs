//! Lines that never exceed the width, and figures as people read them.

use crate::verdict::Verdict;

/// The width of the labels at the left.
const LABEL: usize = 12;
/// The width of the mark and the name of a checker.
const MARK: usize = 9;
const NAME: usize = 16;

/// An ANSI colour.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tone(&'static str);

pub(super) fn tone(verdict: Verdict) -> Tone {
    Tone(match verdict {
        Verdict::Valid => "\x1b[32m",
        Verdict::Unknown => "\x1b[33m",
        Verdict::Invalid => "\x1b[31m",
    })
}

/// Text that is being laid out.
pub(super) struct Page {
    width: usize,
    color: bool,
    text: String,
}

impl Page {
    pub(super) fn new(width: usize, color: bool) -> Self {
        Self { width, color, text: String::new() }
    }

    pub(super) fn finish(self) -> String {
        let mut text = self.text.trim_end().to_owned();
        text.push('\n');
        text
    }

    pub(super) fn width(&self) -> usize {
        self.width
    }

    pub(super) fn blank(&mut self) {
        self.text.push('\n');
    }

    pub(super) fn line(&mut self, line: &str) {
        self.text.push_str(clip(line, self.width).trim_end());
        self.text.push('\n');
    }

    /// A coloured word and the rest of its line.
    pub(super) fn toned(&mut self, word: &str, tone: Tone, rest: &str) {
        let rest = clip(rest, self.width.saturating_sub(word.chars().count())).to_owned();
        self.push_toned(word, tone);
        self.text.push_str(rest.trim_end());
        self.text.push('\n');
    }

    fn push_toned(&mut self, word: &str, tone: Tone) {
        if self.color {
            self.text.push_str(tone.0);
            self.text.push_str(word);
            self.text.push_str("\x1b[0m");
        } else {
            self.text.push_str(word);
        }
    }

    /// Text behind an indent, over as many lines as it needs.
    pub(super) fn wrapped(&mut self, indent: &str, text: &str) {
        for line in wrap(text, self.width - indent.len()) {
            self.line(&format!("{indent}{line}"));
        }
    }

    /// Text beside a label.
    pub(super) fn labelled(&mut self, label: &str, text: &str) {
        for (number, line) in wrap(text, self.width - LABEL).iter().enumerate() {
            let shown = if number == 0 { label } else { "" };
            self.line(&format!("{shown:LABEL$}{line}"));
        }
    }

    /// Text beside a coloured mark, and a name if there is one.
    pub(super) fn marked(&mut self, mark: &str, tone: Tone, name: &str, text: &str) {
        let indent = if name.is_empty() { MARK } else { MARK + NAME };
        for (number, line) in wrap(text, self.width - indent).iter().enumerate() {
            if number == 0 {
                self.push_toned(mark, tone);
                let gap = " ".repeat(MARK.saturating_sub(mark.chars().count()));
                self.text.push_str(&gap);
                if !name.is_empty() {
                    self.text.push_str(&pad(name, NAME));
                }
                self.text.push_str(line);
                self.text.push('\n');
            } else {
                self.line(&format!("{:indent$}{line}", ""));
            }
        }
    }
}

/// Breaks text at spaces; a word longer than a line is broken where the line ends.
#[must_use]
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split_whitespace() {
        let mut word: Vec<char> = word.chars().collect();
        if used > 0 && used + 1 + word.len() > width {
            lines.push(String::new());
            used = 0;
        }
        while word.len() > width {
            let rest = word.split_off(width);
            push(&mut lines, &word);
            lines.push(String::new());
            word = rest;
        }
        if used > 0 {
            push(&mut lines, &[' ']);
            used += 1;
        }
        push(&mut lines, &word);
        used += word.len();
    }
    lines
}

fn push(lines: &mut [String], chars: &[char]) {
    if let Some(line) = lines.last_mut() {
        line.extend(chars);
    }
}

/// Text filled up to `width` characters.
pub(super) fn pad(text: &str, width: usize) -> String {
    format!("{text:width$}")
}

/// At most `width` characters of a line.
pub(super) fn clip(line: &str, width: usize) -> &str {
    line.char_indices().nth(width).map_or(line, |(at, _)| &line[..at])
}
