//! A strict reader of the text format that Prometheus scrapes, for tests: what it does not refuse, a scraper takes.

use std::collections::{BTreeMap, BTreeSet};

/// Labels and their values, in their order.
pub(crate) type Pairs = Vec<(String, String)>;

/// One metric with its samples.
#[derive(Debug, Default)]
pub(crate) struct Metric {
    pub(crate) kind: String,
    pub(crate) help: String,
    /// Sample name, labels, value.
    pub(crate) samples: Vec<(String, Pairs, f64)>,
}

/// Reads a whole exposition.
///
/// HELP, then TYPE, then the samples of each metric together; counters end in `_total`, names and labels use the allowed
/// characters, no series comes twice, counters are finite and not negative, and the buckets of a histogram rise to
/// `+Inf`, which equals its count.
pub(crate) fn read(text: &str) -> Result<BTreeMap<String, Metric>, String> {
    if !text.ends_with('\n') {
        return Err("the last line has no end".to_owned());
    }
    let mut metrics = BTreeMap::<String, Metric>::new();
    let mut current: Option<(String, Metric)> = None;
    for line in text.lines() {
        let wrong = |why: &str| format!("{why}: {line:?}");
        if let Some(rest) = line.strip_prefix("# HELP ") {
            keep(&mut metrics, current.take())?;
            let (name, help) = rest.split_once(' ').ok_or_else(|| wrong("HELP without text"))?;
            if !is_name(name) {
                return Err(wrong("no metric name"));
            }
            current = Some((name.to_owned(), Metric { help: help.to_owned(), ..Metric::default() }));
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').ok_or_else(|| wrong("TYPE without a type"))?;
            match &mut current {
                Some((of, metric)) if of == name && metric.kind.is_empty() => kind.clone_into(&mut metric.kind),
                _ => return Err(wrong("TYPE not behind its HELP")),
            }
            if !["counter", "gauge", "histogram"].contains(&kind) || (kind == "counter") != name.ends_with("_total") {
                return Err(wrong("unknown type, or _total at what is no counter, or a counter without"));
            }
        } else {
            let Some((name, metric)) = &mut current else { return Err(wrong("sample without HELP and TYPE")) };
            let (sample, labels, value) = sample(line).ok_or_else(|| wrong("no sample"))?;
            let suffixes: &[&str] = if metric.kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
            if metric.kind.is_empty() || !suffixes.iter().any(|suffix| sample == format!("{name}{suffix}")) {
                return Err(wrong("sample of another metric"));
            }
            if metric.kind != "gauge" && !(value >= 0.0 && value.is_finite()) {
                return Err(wrong("a count that is none"));
            }
            metric.samples.push((sample, labels, value));
        }
    }
    keep(&mut metrics, current.take())?;
    Ok(metrics)
}

fn keep(metrics: &mut BTreeMap<String, Metric>, metric: Option<(String, Metric)>) -> Result<(), String> {
    let Some((name, metric)) = metric else { return Ok(()) };
    let mut seen = BTreeSet::new();
    for (sample, labels, _) in &metric.samples {
        if !seen.insert((sample, labels)) {
            return Err(format!("series twice: {sample} {labels:?}"));
        }
    }
    if metric.kind.is_empty() {
        return Err(format!("{name} has no TYPE"));
    }
    if metric.kind == "histogram" {
        histogram(&name, &metric)?;
    }
    if metrics.insert(name.clone(), metric).is_some() {
        return Err(format!("{name} comes twice"));
    }
    Ok(())
}

fn histogram(name: &str, metric: &Metric) -> Result<(), String> {
    // Its last bucket so far by the other labels: bound and count.
    let mut open = BTreeMap::<Pairs, (f64, f64)>::new();
    let mut complete = BTreeMap::<Pairs, u32>::new();
    for (sample, labels, value) in &metric.samples {
        let mut others = labels.clone();
        let bound = others.iter().position(|(label, _)| label == "le").map(|at| others.remove(at).1);
        match (sample.strip_prefix(name).unwrap_or_default(), bound) {
            ("_bucket", Some(bound)) => {
                let bound = number(&bound).ok_or_else(|| format!("{name}: le={bound}"))?;
                if let Some((below, count)) = open.insert(others, (bound, *value))
                    && (below >= bound || count > *value)
                {
                    return Err(format!("{name}: bucket {bound} with {value} after {below} with {count}"));
                }
            }
            ("_sum", None) => *complete.entry(others).or_default() += 1,
            ("_count", None) => {
                if open.get(&others) != Some(&(f64::INFINITY, *value)) {
                    return Err(format!("{name}: count {value}, last bucket {:?}", open.get(&others)));
                }
                *complete.entry(others).or_default() += 1;
            }
            other => return Err(format!("{name}: {other:?}")),
        }
    }
    let whole = open.keys().all(|labels| complete.get(labels) == Some(&2)) && complete.len() == open.len();
    if whole { Ok(()) } else { Err(format!("{name}: a series without sum or count")) }
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn number(text: &str) -> Option<f64> {
    match text {
        "+Inf" => Some(f64::INFINITY),
        // Rust would read more, such as "inf" and "infinity".
        _ if text.bytes().all(|b| b.is_ascii_digit() || b".+-eE".contains(&b)) => text.parse().ok(),
        _ => None,
    }
}

/// `name value` or `name{label="value",...} value`.
fn sample(line: &str) -> Option<(String, Pairs, f64)> {
    let (series, value) = line.rsplit_once(' ')?;
    let value = number(value)?;
    let (name, mut rest) = match series.split_once('{') {
        Some((name, labels)) => (name, labels.strip_suffix('}')?),
        None => (series, ""),
    };
    let mut labels = Vec::new();
    while !rest.is_empty() {
        let (label, quoted) = rest.split_once("=\"")?;
        let end = quoted.find('"')?;
        if !is_name(label) || quoted[..end].contains('\\') {
            return None;
        }
        labels.push((label.to_owned(), quoted[..end].to_owned()));
        rest = &quoted[end + 1..];
        if let Some(next) = rest.strip_prefix(',') {
            rest = Some(next).filter(|next| !next.is_empty())?;
        } else if !rest.is_empty() {
            return None;
        }
    }
    is_name(name).then(|| (name.to_owned(), labels, value))
}
