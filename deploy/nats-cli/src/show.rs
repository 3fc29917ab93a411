//! Prints answers: lines of name and value, or a table, at 80 columns.

pub(crate) mod account;
pub(crate) mod consumer;
mod page;
pub(crate) mod stream;
mod units;

use serde_json::Value;

/// The server's own answer, indented.
pub(crate) fn json(raw: &Value) -> String {
    format!("{raw:#}")
}
