//! The `[expect]` table: limits on figures, by name.

use std::collections::BTreeMap;
use std::time::Duration;

use toml::{Spanned, Value};

use super::NODES;
use super::fault::Wrong;
use crate::figure::{Bound, Names, Threshold, Unit, nearest, read_limit};

/// What a run is held against beyond safety.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ExpectSpec {
    pub propagation_p99: Option<Duration>,
    pub recovery: Option<Duration>,
    pub backlog_drained: Option<Duration>,
    pub availability: Option<f64>,
    /// On any other figure; nodes may still be called `node-a`, `node-b`, ...
    pub thresholds: Vec<Threshold>,
}

impl ExpectSpec {
    /// What is left of it when the same load runs without faults.
    #[must_use]
    pub fn without_faults(self) -> Self {
        let mut thresholds = self.thresholds;
        thresholds.retain(|threshold| !threshold.is_of_faults());
        Self { recovery: None, backlog_drained: None, thresholds, ..self }
    }
}

/// As written: by the names of figures.
pub(super) type Table = BTreeMap<Spanned<String>, Spanned<Value>>;

/// The names that stood here before there were others; each has its side.
const PLAIN: [(&str, Unit); 4] =
    [("propagation_p99", Unit::Ms), ("recovery", Unit::Ms), ("backlog_drained", Unit::Ms), ("availability", Unit::Share)];

/// `faults`: how many the scenario has at most.
pub(super) fn read(table: Table, nodes: usize, faults: usize) -> Result<ExpectSpec, Wrong> {
    let nodes = nodes_named(nodes);
    let names = Names { nodes: &nodes, faults };
    let mut spec = ExpectSpec::default();
    for (name, value) in table {
        let figure = name.get_ref();
        let plain = PLAIN.iter().find(|(known, _)| known == figure);
        let Some(unit) = plain.map(|(_, unit)| *unit).or_else(|| names.unit(figure)) else {
            return Err(Wrong { at: name.span(), message: unknown(figure, value.get_ref(), &names) });
        };
        let wrong = |message: String| Wrong { at: value.span(), message: format!("`{figure}`: {message}") };
        let text = match value.get_ref() {
            Value::String(text) => text.clone(),
            Value::Integer(number) => number.to_string(),
            Value::Float(number) => number.to_string(),
            other => return Err(wrong(format!("a limit is no {}", other.type_str()))),
        };
        let (bound, limit) = read_limit(&text, unit).map_err(wrong)?;
        let time = || {
            let usual = if unit.is_gain() { Bound::AtLeast } else { Bound::AtMost };
            if bound != usual {
                return Err(wrong(format!("its limit is always {}", usual.words())));
            }
            Ok(Duration::from_secs_f64(limit / 1_000.0))
        };
        match figure.as_str() {
            "propagation_p99" => spec.propagation_p99 = Some(time()?),
            "recovery" => spec.recovery = Some(time()?),
            "backlog_drained" => spec.backlog_drained = Some(time()?),
            "availability" => spec.availability = time().map(|_| Some(limit))?,
            _ => spec.thresholds.push(Threshold { figure: figure.clone(), bound, limit, unit }),
        }
    }
    Ok(spec)
}

fn unknown(figure: &str, value: &Value, names: &Names<'_>) -> String {
    if let Value::Table(inner) = value {
        let inside = inner.keys().next().map_or("p99", String::as_str);
        return format!("write the name of a figure in quotes: \"{figure}.{inside}\" = ...");
    }
    let mut known = names.all();
    known.extend(PLAIN.iter().map(|(name, unit)| ((*name).to_owned(), *unit)));
    known.sort();
    known.dedup();
    let near: Vec<String> = nearest(figure, &known).iter().map(|name| format!("`{name}`")).collect();
    format!("unknown figure `{figure}`; the nearest are {}; docs/report.md has them all", near.join(", "))
}

/// What nodes may be called before a roster is known: as in the cluster's file, as added ones, and by letter.
fn nodes_named(nodes: usize) -> Vec<String> {
    let fixed = (1..=nodes.min(NODES)).map(|number| format!("cluster-node-{number}"));
    let added = (NODES + 1..=nodes).map(|number| match number - NODES {
        1 => "cluster-node".to_owned(),
        more => format!("cluster-node.{more}"),
    });
    let letters = ('a'..='z').take(nodes).map(|letter| format!("node-{letter}"));
    fixed.chain(added).chain(letters).collect()
}
