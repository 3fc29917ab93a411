//! A run folder as the comparison wants it.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use judge::compare::{Second, Side};
use judge::report::interval_log::{LATENCY, PROPAGATION, read_log};

use crate::folder::RunFolder;

/// Reads what a run measured, second by second.
///
/// # Errors
/// The folder is none of a run, or of one that was never judged, or by a harness that made no interval logs.
pub fn side(path: &Path) -> anyhow::Result<Side> {
    let folder = RunFolder::open(path);
    let judged =
        || format!("is {} the folder of a run? `harness check` judges it again, and makes what is missing", path.display());
    let report = folder.read_report().with_context(judged)?;
    let log = |name: &str| -> anyhow::Result<BTreeMap<u64, Second>> {
        let file = folder.path().join(name);
        let text = std::fs::read(&file).with_context(|| format!("cannot read {}", file.display())).with_context(judged)?;
        read_log(&text).map_err(anyhow::Error::msg).with_context(|| format!("cannot read {}", file.display()))
    };
    let window = |fault: &judge::report::FaultFigures| {
        let from_ms = fault.injected_at_ms?;
        Some((from_ms, fault.window_end_ms.or(fault.healed_at_ms).unwrap_or(f64::MAX)))
    };
    Ok(Side {
        name: path.display().to_string(),
        latency: log(LATENCY)?,
        propagation: log(PROPAGATION)?,
        windows: report.faults.iter().filter_map(window).collect(),
        figures: report.figures,
        warm_up_s: folder.read_plan()?.load.warm_up_ms / 1_000,
        setup: format!("{} at {:.0}/s", report.scenario, report.load.offered_per_s),
        load_priority: report.run.load_priority,
    })
}
