//! The lines that a history has by the million, read without a copy of their texts.

use std::borrow::Cow;

use serde::Deserialize;

use super::{Complete, Invoke, Projection, Published, Record, Seen};

/// A text of the line that is being read; a copy only where the line has it escaped.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(transparent)]
pub(super) struct Piece<'l>(#[serde(borrow)] Cow<'l, str>);

impl AsRef<str> for Piece<'_> {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

#[derive(Debug)]
pub(super) enum Line<'l> {
    Invoke(Invoke<Piece<'l>>),
    Complete(Complete<Piece<'l>>),
    Seen(Seen<Piece<'l>>),
    Projection(Projection<Piece<'l>>),
    Published(Published<Piece<'l>>),
    Record(Record<Piece<'l>>),
}

/// One of the frequent lines, in the form in which the recorder writes it: its type comes first. `None` says nothing about a
/// line: what it is, or why it is none, is for [`super::Entry`] to tell.
pub(super) fn frequent(line: &[u8]) -> Option<Line<'_>> {
    let text = str::from_utf8(line).ok()?;
    let (kind, _) = text.strip_prefix("{\"type\":\"")?.split_once('"')?;
    match kind {
        "invoke" => parsed(text).map(Line::Invoke),
        "complete" => parsed(text).map(Line::Complete),
        "seen" => parsed(text).map(Line::Seen),
        "projection" => parsed(text).map(Line::Projection),
        "published" => parsed(text).map(Line::Published),
        "record" => parsed(text).map(Line::Record),
        _ => None,
    }
}

fn parsed<'l, T: Deserialize<'l>>(text: &'l str) -> Option<T> {
    serde_json::from_str(text).ok()
}
