//! Reads a history line by line into its index. What a crash may leave, a torn last line, is tolerated and reported.

use std::io::BufRead;

use serde::Deserialize;

use super::build::Builder;
use super::line::frequent;
use super::{Entry, FORMAT, Header, History, Invoke, Phase, Sample};

/// A history that cannot be judged at all.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    #[error("read line {line} of the history: {source}")]
    Io {
        line: u64,
        #[source]
        source: std::io::Error,
    },
    #[error("the history is empty: its run did not get as far as writing a header")]
    Empty,
    #[error("the history's first line is no header but `{found}`: is this a history.ndjson?")]
    NoHeader { found: String },
    #[error(
        "the history has format {found}, this harness knows up to {FORMAT}: judge it with the harness that wrote it, or a newer one"
    )]
    NewerFormat { found: u32 },
    #[error("line {line} of the history cannot be read: {reason}")]
    Line { line: u64, reason: String },
    #[error("line {line} of the history is a second header: two runs in one file cannot be told apart")]
    SecondHeader { line: u64 },
    #[error("the history has more than {LINES_MAX} lines, and its judgement would need more memory than machines have")]
    TooLong,
}

/// Whatever a line adds to the index, eight times as many are counted in four bytes.
pub(super) const LINES_MAX: u64 = u32::MAX as u64 / 8;

/// The last line was cut off in the middle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Torn {
    /// From 1.
    pub line: u64,
    pub bytes: usize,
}

/// Only as much of a header as tells whether the rest can be understood.
#[derive(Deserialize)]
struct FormatOnly {
    format: u32,
}

/// Reads a whole history.
///
/// # Errors
/// When it cannot be read, is no history, is of a newer format, or has an unreadable line before its last.
pub fn read(reader: impl BufRead) -> Result<History, HistoryError> {
    let mut lines = Lines::new(reader);
    let mut builder = Builder::new(header(&mut lines)?);
    let torn = each(&mut lines, |number, line| {
        if let Some(frequent) = frequent(line) {
            builder.add_line(frequent);
            return Ok(());
        }
        match serde_json::from_slice(line)? {
            Entry::Header(_) => Err(Refusal::Wrong(HistoryError::SecondHeader { line: number })),
            entry => {
                builder.add(entry);
                Ok(())
            }
        }
    })?;
    Ok(builder.finish(torn))
}

/// When operations were to begin, in microseconds from the start of the load, in no order; also those that were never begun.
///
/// # Errors
/// As [`read`].
pub fn arrivals(reader: impl BufRead) -> Result<Vec<u64>, HistoryError> {
    let mut lines = Lines::new(reader);
    header(&mut lines)?;
    let (mut start_us, mut times_us) = (0, Vec::new());
    each(&mut lines, |_, line| {
        match serde_json::from_slice(line)? {
            Entry::Phase { t_us, phase: Phase::Load } => start_us = t_us,
            Entry::Invoke(Invoke { intended_us, .. }) | Entry::Unstarted { intended_us, .. } => times_us.push(intended_us),
            _ => {}
        }
        Ok(())
    })?;
    Ok(times_us.into_iter().map(|t_us| t_us.saturating_sub(start_us)).collect())
}

fn header(lines: &mut Lines<impl BufRead>) -> Result<Header, HistoryError> {
    let first = lines.next()?.ok_or(HistoryError::Empty)?;
    if let Ok(header) = serde_json::from_slice::<FormatOnly>(first)
        && header.format > FORMAT
    {
        return Err(HistoryError::NewerFormat { found: header.format });
    }
    let Ok(Entry::Header(header)) = serde_json::from_slice(first) else {
        let found: String = String::from_utf8_lossy(first).chars().take(60).collect();
        return Err(HistoryError::NoHeader { found });
    };
    Ok(header)
}

/// Reads all samples. A torn last line is left out: samples are readings, and the next would have said the same.
///
/// # Errors
/// When it cannot be read, or has an unreadable line before its last.
pub fn read_samples(reader: impl BufRead) -> Result<Vec<Sample>, HistoryError> {
    let mut samples = Vec::new();
    each(&mut Lines::new(reader), |_, line| {
        samples.push(serde_json::from_slice(line)?);
        Ok(())
    })?;
    Ok(samples)
}

/// Why a line was not taken.
enum Refusal {
    /// It cannot be read; of the last line, that may be a crash's doing.
    Unreadable(serde_json::Error),
    /// It is no part of the history.
    Wrong(HistoryError),
}

impl From<serde_json::Error> for Refusal {
    fn from(error: serde_json::Error) -> Self {
        Self::Unreadable(error)
    }
}

/// Hands every line to `take`. A line that cannot be read is an error, unless it is the last.
fn each(
    lines: &mut Lines<impl BufRead>,
    mut take: impl FnMut(u64, &[u8]) -> Result<(), Refusal>,
) -> Result<Option<Torn>, HistoryError> {
    while let Some(bytes) = lines.next()?.map(<[u8]>::len) {
        let line = lines.number;
        match take(line, &lines.line) {
            Ok(()) => {}
            Err(Refusal::Wrong(error)) => return Err(error),
            Err(Refusal::Unreadable(reason)) => {
                let is_last = lines.next()?.is_none() && !lines.complete;
                return if is_last {
                    Ok(Some(Torn { line, bytes }))
                } else {
                    Err(HistoryError::Line { line, reason: reason.to_string() })
                };
            }
        }
    }
    Ok(None)
}

/// Non-empty lines with their numbers.
struct Lines<R> {
    reader: R,
    /// The line that was read last.
    line: Vec<u8>,
    number: u64,
    /// Did the last line that was read end in a line break?
    complete: bool,
}

impl<R: BufRead> Lines<R> {
    fn new(reader: R) -> Self {
        Self { reader, line: Vec::new(), number: 0, complete: true }
    }

    fn next(&mut self) -> Result<Option<&[u8]>, HistoryError> {
        loop {
            self.line.clear();
            let read = self.reader.read_until(b'\n', &mut self.line);
            let bytes = read.map_err(|source| HistoryError::Io { line: self.number + 1, source })?;
            if bytes == 0 {
                return Ok(None);
            }
            self.number += 1;
            if self.number > LINES_MAX {
                return Err(HistoryError::TooLong);
            }
            self.complete = self.line.last() == Some(&b'\n');
            while self.line.last().is_some_and(u8::is_ascii_whitespace) {
                self.line.pop();
            }
            if !self.line.is_empty() {
                return Ok(Some(&self.line));
            }
        }
    }
}

#[cfg(test)]
mod tests;
