//! Figures and names as people read them, in the terminal and on the page.

use super::{Distribution, FaultFigures, LoadFigures};

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

/// What was sent of what was to be sent.
pub(super) fn load(load: &LoadFigures) -> String {
    let (started, served) = (count(load.started), load.served_per_s);
    if load.closed {
        let model = "closed model, latencies not corrected for what a slow cluster was spared";
        return format!("{started} started; {served:.1} served per second; {model}");
    }
    let (offered, unstarted, late) = (count(load.offered), count(load.unstarted), ms(load.late_start_p99_ms));
    format!(
        "{offered} offered, {started} started, {unstarted} never begun; {served:.1} served per second; starts late by {late} ms at p99"
    )
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closed_model_says_what_its_figures_are_not() {
        let open = LoadFigures { offered: 12_000, started: 11_990, unstarted: 10, served_per_s: 300.0, ..LoadFigures::default() };
        assert!(
            load(&open)
                .starts_with("12,000 offered, 11,990 started, 10 never begun; 300.0 served per second; starts late by - ms")
        );
        let told = load(&LoadFigures { closed: true, ..open });
        assert!(told.contains("closed model, latencies not corrected") && !told.contains("late by"), "{told}");
    }
}
