//! The terminal summary: verdict first, then what it rests on. It reads the same without colour.

mod table;
mod text;

use self::table::Table;
pub use self::text::wrap;
use self::text::{Page, tone};
use super::words::{count, fault_name, ms, open, percentile, proven, seconds, share};
use super::{Delays, Distribution, FaultFigures, Report};
use crate::verdict::{Finding, OrderLife, Verdict};

/// How many orders of a finding the summary shows; the report has more.
const SHOWN: usize = 3;

/// The summary in lines of at most `width` columns (at least 60).
#[must_use]
pub fn summary(report: &Report, width: usize, color: bool) -> String {
    let mut page = Page::new(width.max(60), color);
    head(&mut page, report);
    counts(&mut page, report);
    page.blank();
    latencies(&mut page, report);
    page.blank();
    faults(&mut page, report);
    expectations(&mut page, report);
    checkers(&mut page, report);
    page.finish()
}

fn head(page: &mut Page, report: &Report) {
    let word = report.verdict.to_string().to_uppercase();
    page.toned(&word, tone(report.verdict), &format!("  {}, seed {}", report.scenario, report.seed));
    page.wrapped("", &report.reason);
    if report.expectations.iter().any(|expectation| expectation.met == Some(false)) {
        page.wrapped("", "an expectation of the scenario was missed");
    }
    page.blank();
    page.labelled("hypothesis", &report.hypothesis);
    if report.is_embedded() {
        page.labelled("cluster", "EMBEDDED: it holds for the nodes' code alone; no Redis, NATS, disk or network took part");
    }
    if !report.run.complete {
        page.labelled("run", "PARTIAL: it did not come to its own end");
    }
}

fn counts(page: &mut Page, report: &Report) {
    let orders = &report.orders;
    page.labelled(
        "orders",
        &format!(
            "{} attempted: {} acknowledged, {} failed (of them {} conflicts), {} indeterminate",
            count(orders.attempted),
            count(orders.acknowledged),
            count(orders.failed),
            count(orders.conflicts),
            count(orders.indeterminate)
        ),
    );
    let excused = if orders.excused > 0 {
        format!(" ({} of all these excused as the durability limit)", count(orders.excused))
    } else {
        String::new()
    };
    let unjudged = if orders.unjudged > 0 { format!(", {} not judged", count(orders.unjudged)) } else { String::new() };
    page.labelled(
        "",
        &format!(
            "{} lost, {} duplicated, {} unexpected{excused}{unjudged}; {} recovered, {} absent, {} unresolved",
            count(orders.lost),
            count(orders.duplicated),
            count(orders.unexpected),
            count(orders.recovered),
            count(orders.absent),
            count(orders.unresolved)
        ),
    );
    page.labelled(
        "nodes",
        match report.diverged {
            Some(false) => "agree",
            Some(true) => "DIVERGED",
            None => "whether they agree cannot be told",
        },
    );
    let load = &report.load;
    page.labelled("load", &super::words::load(load));
    page.labelled(
        "available",
        &format!("{} to nodes that no fault held, {} to all", share(report.availability), share(report.availability_all)),
    );
    let outbox = &report.outbox;
    let cut = if outbox.drain_censored > 0 { format!(" ({} drains cut short)", outbox.drain_censored) } else { String::new() };
    page.labelled(
        "outbox",
        &format!(
            "depth up to {}, oldest up to {}, drained {} after a heal at the latest{cut}",
            outbox.depth_max.map_or("?".to_owned(), count),
            seconds(outbox.oldest_age_ms_max.map(|ms| ms as f64)),
            seconds(outbox.drain_ms)
        ),
    );
    let exercised: Vec<String> = report.exercised.iter().map(|(name, value)| format!("{name} {}", count(*value))).collect();
    page.labelled("exercised", &exercised.join(", "));
}

fn latencies(page: &mut Page, report: &Report) {
    let mut table = Table::new(&["ms from intended start", "p50", "p90", "p99", "p99.9", "max", "count", "open"]);
    let propagation = &report.propagation_ms;
    row(&mut table, "propagation", &propagation.from_start.overall);
    for (node, distribution) in &propagation.from_start.per_node {
        row(&mut table, &format!("  {node}"), distribution);
    }
    row(&mut table, "  from the answer", &propagation.from_ack.overall);
    row(&mut table, "  to the last node", &propagation.everywhere);
    row(&mut table, "  outside faults", &propagation.outside_faults);
    let request = &report.request_ms;
    row(&mut table, "request", &request.from_start.overall);
    for (node, distribution) in &request.from_start.per_node {
        row(&mut table, &format!("  {node}"), distribution);
    }
    row(&mut table, "  from sending", &request.service_ms.overall);
    table.print(page);
    let of = |count: &Distribution| count.count + count.censored;
    let mut notes = Vec::new();
    if of(&propagation.everywhere).min(of(&request.from_start.overall)) < 10_000 {
        notes.push("few: a p99 needs 1,000 samples, a p99.9 10,000".to_owned());
    }
    if propagation.feed_cut > 0 {
        notes.push(format!("{} sights while a feed was cut are dated by the node's clock", count(propagation.feed_cut)));
    }
    if propagation.unplaced > 0 {
        notes.push(format!("{} of them could not be dated", count(propagation.unplaced)));
    }
    if request.unreached > 0 {
        notes.push(format!("{} operations never reached a node", count(request.unreached)));
    }
    if !notes.is_empty() {
        page.wrapped("", &notes.join("; "));
    }
}

fn row(table: &mut Table, name: &str, distribution: &Distribution) {
    let [p50, p90, p99, p999, _] = distribution.percentiles().map(|each| percentile(distribution, each));
    table.row(&[
        name.to_owned(),
        p50,
        p90,
        p99,
        p999,
        ms(distribution.max),
        count(distribution.count),
        count(distribution.censored),
    ]);
}

fn faults(page: &mut Page, report: &Report) {
    if report.faults.is_empty() {
        return;
    }
    let mut table = Table::new(&["fault", "at", "healed", "effect", "heal", "recovery", "drained"]);
    for fault in &report.faults {
        table.row(&[
            fault_name(fault),
            seconds(fault.injected_at_ms),
            seconds(fault.healed_at_ms),
            proven(fault.effect_verified),
            proven(fault.heal_verified),
            recovery(fault),
            open(fault.drain_ms, fault.drain_censored_ms),
        ]);
    }
    table.print(page);
    let (error, effect) = (delays(report.injection.error_ms), delays(report.injection.effect_ms));
    page.labelled("injection", &format!("ms from plan to call {error}; from call to proven effect {effect}"));
    page.blank();
}

fn delays(delays: Delays) -> String {
    format!("p50 {}, p99 {}, max {}", ms(delays.p50), ms(delays.p99), ms(delays.max))
}

fn recovery(fault: &FaultFigures) -> String {
    open(fault.recovery_ms, fault.recovery_censored_ms)
}

fn expectations(page: &mut Page, report: &Report) {
    for expectation in &report.expectations {
        let (word, tone) = match expectation.met {
            Some(true) => ("met", tone(Verdict::Valid)),
            Some(false) => ("MISSED", tone(Verdict::Invalid)),
            None => ("open", tone(Verdict::Unknown)),
        };
        let measured = expectation.measured_words().map_or("not measured".to_owned(), |value| format!("measured {value}"));
        let text = format!("{}: expected {}, {measured} ({})", expectation.name, expectation.expected_words(), expectation.note);
        page.marked(word, tone, "", &text);
    }
    if !report.expectations.is_empty() {
        page.blank();
    }
}

fn checkers(page: &mut Page, report: &Report) {
    for finding in &report.checkers {
        let word = match finding.verdict {
            Verdict::Valid => "valid",
            Verdict::Unknown => "UNKNOWN",
            Verdict::Invalid => "INVALID",
        };
        page.marked(word, tone(finding.verdict), &finding.name, &finding.summary);
        if finding.verdict != Verdict::Valid {
            evidence(page, finding);
        }
    }
}

fn evidence(page: &mut Page, finding: &Finding) {
    if finding.orders.is_empty() {
        finding.evidence.iter().take(SHOWN).for_each(|line| page.wrapped("          ", line));
        return;
    }
    for (at, order) in finding.orders.iter().enumerate().take(SHOWN) {
        // Evidence stands in the order of the findings' orders.
        let found = finding.evidence.get(at).map_or(order.order_id.as_str(), String::as_str);
        page.wrapped("          ", found);
        life(page, order);
    }
    if finding.count > SHOWN as u64 {
        page.wrapped("          ", &format!("and {} more; report.json names them", count(finding.count - SHOWN as u64)));
    }
}

fn life(page: &mut Page, order: &OrderLife) {
    page.wrapped("            ", &format!("reached: {}", order.reached));
    if !order.faults.is_empty() {
        page.wrapped("            ", &format!("under: {}", order.faults.join(", ")));
    }
}

#[cfg(test)]
mod tests;
