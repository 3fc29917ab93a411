//! Figures and names as people read them, in the terminal and on the page.

use super::{Distribution, FaultFigures};

/// `12,345`.
pub(crate) fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut shown = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// Milliseconds with as many digits as tell something; `-` for what was not measured.
pub(super) fn ms(value: Option<f64>) -> String {
    match value {
        None => "-".to_owned(),
        Some(ms) if ms < 10.0 => format!("{ms:.2}"),
        Some(ms) if ms < 1_000.0 => format!("{ms:.1}"),
        Some(ms) => format!("{ms:.0}"),
    }
}

/// A percentile, or why there is none: `few` where too few samples lie behind it.
pub(super) fn percentile(of: &Distribution, percentile: (f64, Option<f64>)) -> String {
    if of.lacks(percentile).is_some() { "few".to_owned() } else { ms(percentile.1) }
}

/// Milliseconds as seconds; `-` for what was not measured.
pub(super) fn seconds(ms: Option<f64>) -> String {
    ms.map_or("-".to_owned(), |ms| format!("{:.1} s", ms / 1_000.0))
}

/// A share as per cent.
pub(super) fn share(value: Option<f64>) -> String {
    value.map_or("-".to_owned(), |share| format!("{:.2} %", share * 100.0))
}

/// Several services would not fit: then the scenario's word stands for them.
pub(super) fn fault_name(fault: &FaultFigures) -> String {
    let target = if let [service] = fault.services.as_slice() { service } else { &fault.target };
    format!("{} {target}", fault.kind.word())
}

pub(super) fn proven(verified: bool) -> String {
    if verified { "proven" } else { "NOT" }.to_owned()
}

/// A time, or how long it took at least.
pub(super) fn open(measured: Option<f64>, censored: Option<f64>) -> String {
    match (measured, censored) {
        (Some(_), _) => seconds(measured),
        (None, Some(_)) => format!("≥{}", seconds(censored)),
        (None, None) => seconds(None),
    }
}

pub(crate) fn figure(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.4}").trim_end_matches('0').to_owned() }
}
