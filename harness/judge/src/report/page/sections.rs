//! The page from top to bottom.

use super::html::{Table, escaped, joined};
use super::{About, latencies};
use crate::report::words::{self, count, fault_name, ms, open, proven, seconds, share};
use crate::report::{Distribution, Expectation, Report};
use crate::verdict::{Finding, OrderLife, Verdict};

pub(super) fn head(report: &Report) -> String {
    let verdict = report.verdict;
    let missed = report.expectations.iter().filter(|expectation| expectation.met == Some(false)).count();
    let missed = if missed == 0 {
        String::new()
    } else {
        format!("<p class=\"missed\">{missed} of the scenario's expectations missed</p>\n")
    };
    let partial =
        if report.run.complete { "" } else { "<p class=\"unknown\">Partial: the run did not come to its own end.</p>\n" };
    let cluster = if report.run.cluster == "compose" {
        String::new()
    } else {
        format!(
            "<p class=\"unknown\">On the {} cluster: no container, no real NATS, no real Redis.</p>\n",
            escaped(&report.run.cluster)
        )
    };
    format!(
        "<header>\n<h1><span class=\"verdict {verdict}\">{}</span> {}</h1>\n<p class=\"reason\">{}</p>\n{missed}{partial}{cluster}<p><b>Hypothesis</b>: {}</p>\n<p class=\"quiet\">seed {}, started {}, harness {}</p>\n</header>\n",
        verdict.to_string().to_uppercase(),
        escaped(&report.scenario),
        escaped(&report.reason),
        escaped(&report.hypothesis),
        report.seed,
        escaped(&report.run.started_at),
        escaped(&report.run.harness),
    )
}

pub(super) fn tiles(report: &Report) -> String {
    let orders = &report.orders;
    let loss = |wrong: u64| if wrong == 0 { "valid" } else { "invalid" };
    let p50_p99 = |of: &Distribution| format!("{} / {}", ms(of.p50), ms(of.p99));
    let tiles = [
        ("orders attempted", count(orders.attempted), format!("{} acknowledged", count(orders.acknowledged)), ""),
        ("lost", count(orders.lost), excused(orders.excused), loss(orders.lost)),
        ("duplicated", count(orders.duplicated), String::new(), loss(orders.duplicated)),
        ("unexpected", count(orders.unexpected), String::new(), loss(orders.unexpected)),
        ("propagation, ms", p50_p99(&report.propagation_ms.from_start.overall), "p50 / p99".to_owned(), ""),
        ("request, ms", p50_p99(&report.request_ms.from_start.overall), "p50 / p99".to_owned(), ""),
        (
            "outbox",
            report.outbox.depth_max.map_or_else(|| "?".to_owned(), count),
            format!("deepest; drained {} after a heal", seconds(report.outbox.drain_ms)),
            "",
        ),
        ("available", share(report.availability), format!("{} to all nodes", share(report.availability_all)), ""),
    ];
    let tiles = joined(tiles.iter().map(|(name, value, more, class)| {
        format!("<div><dt>{name}</dt><dd class=\"{class}\">{}<small>{}</small></dd></div>\n", escaped(value), escaped(more))
    }));
    format!("<dl class=\"tiles\">\n{tiles}</dl>\n")
}

fn excused(excused: u64) -> String {
    if excused == 0 { String::new() } else { format!("{} excused as the durability limit", count(excused)) }
}

pub(super) fn charts() -> String {
    "<h2>Over time</h2>\n<noscript><p>The charts need JavaScript; the tables below do not.</p></noscript>\n<div class=\"bar\"><span id=\"readout\" aria-live=\"polite\"></span><span class=\"quiet\">red: a fault, and the drain of its backlog. Drag to zoom; arrow keys move, + and - zoom, Esc shows all <button id=\"reset\" type=\"button\">show all</button></span></div>\n<div class=\"charts\" id=\"charts\" tabindex=\"0\" role=\"group\" aria-label=\"Charts over time\"></div>\n".to_owned()
}

pub(super) fn bars() -> String {
    "<h2>Histograms</h2>\n<p class=\"quiet\">Milliseconds, two bars for each doubling; heights are the roots of the counts, so that the rare ones show.</p>\n<div class=\"pair\"><div id=\"request-bars\"><h3>Requests, from the intended start</h3></div><div id=\"propagation-bars\"><h3>Propagation, to sight on a node</h3></div></div>\n".to_owned()
}

pub(super) fn faults(report: &Report) -> String {
    if report.faults.is_empty() {
        return "<h2>Faults</h2>\n<p>None was planned.</p>\n".to_owned();
    }
    let mut table =
        Table::new(&["fault", "planned#", "injected#", "noticed#", "healed#", "effect", "heal", "recovery#", "drained#"]);
    for fault in &report.faults {
        let shown = |verified: bool| {
            let class = if verified { "valid" } else { "unknown" };
            format!("<span class=\"{class}\">{}</span>", proven(verified))
        };
        table.row(&[
            escaped(&fault_name(fault)),
            seconds(Some(fault.planned_at_ms as f64)),
            seconds(fault.injected_at_ms),
            seconds(fault.detection_ms),
            seconds(fault.healed_at_ms),
            shown(fault.effect_verified),
            shown(fault.heal_verified),
            open(fault.recovery_ms, fault.recovery_censored_ms),
            open(fault.drain_ms, fault.drain_censored_ms),
        ]);
    }
    format!(
        "<h2>Faults</h2>\n{}<p class=\"quiet\">Noticed: from the injection to the first health answer that tells of it. Recovery and drain count from the heal; ≥ where the next fault or the end cut the watch short.</p>\n",
        table.finish()
    )
}

pub(super) fn expectations(report: &Report) -> String {
    if report.expectations.is_empty() {
        return String::new();
    }
    let mut table = Table::new(&["", "figure", "expected#", "measured#", "of"]);
    for expectation in &report.expectations {
        let Expectation { name, met, note, .. } = expectation;
        let (word, class) = match met {
            Some(true) => ("met", "met"),
            Some(false) => ("MISSED", "missed"),
            None => ("open", "unknown"),
        };
        let measured = expectation.measured_words().unwrap_or_else(|| "-".to_owned());
        let expected = expectation.expected_words();
        table.row(&[format!("<span class=\"{class}\">{word}</span>"), escaped(name), expected, measured, escaped(note)]);
    }
    format!("<h2>Expectations</h2>\n{}", table.finish())
}

pub(super) fn distributions(report: &Report) -> String {
    let mut table = Table::new(&latencies::COLUMNS);
    let mut row = |name: &str, of: &Distribution| table.row(&latencies::row(name, of));
    let (propagation, request) = (&report.propagation_ms, &report.request_ms);
    row("propagation, from the intended start", &propagation.from_start.overall);
    propagation.from_start.per_node.iter().for_each(|(node, of)| row(&format!("… to {node}"), of));
    row("… from the answer", &propagation.from_ack.overall);
    row("… to the last node", &propagation.everywhere);
    row("… outside faults", &propagation.outside_faults);
    row("request, from the intended start", &request.from_start.overall);
    request.from_start.per_node.iter().for_each(|(node, of)| row(&format!("… to {node}"), of));
    row("… from sending", &request.service_ms.overall);
    for (kind, waits) in &report.latency.per_kind {
        row(&format!("… {kind}"), &waits.corrected_ms);
        row(&format!("… {kind}, from sending"), &waits.uncorrected_ms);
    }
    let load = &report.load;
    let priority =
        report.run.load_priority.map_or_else(String::new, |priority| format!(" Its threads ran {}.", priority.words()));
    format!(
        "<h2>Latencies</h2>\n{}<p class=\"quiet\">{}</p>\n{}{}<h3>Load</h3>\n<p>{:.1}/s offered, {:.1}/s sent, {:.1}/s acknowledged. Operations: {}.{priority}</p>\n",
        table.finish(),
        latencies::LEGEND,
        latencies::pairs(report),
        latencies::phases(report),
        load.offered_per_s,
        load.sent_per_s,
        load.acknowledged_per_s,
        words::load(load)
    )
}

pub(super) fn resources(report: &Report) -> String {
    let resources = &report.resources;
    if resources.services.is_empty() {
        return String::new();
    }
    let mut table = Table::new(&["service", "CPU, s#", "most memory, MiB#"]);
    for (service, taken) in &resources.services {
        let cpu = taken.cpu_s.map_or_else(|| "-".to_owned(), |s| format!("{s:.1}"));
        table.row(&[escaped(service), cpu, format!("{:.1}", taken.memory_bytes_max as f64 / f64::from(1 << 20))]);
    }
    let cost = resources.cpu_s_per_1000_orders.map_or_else(|| "-".to_owned(), |s| format!("{s:.2}"));
    format!("<h2>Resources</h2>\n{}<p>CPU seconds for each 1,000 orders: {cost}</p>\n", table.finish())
}

pub(super) fn checkers(report: &Report) -> String {
    let mut table = Table::new(&["verdict", "checker", "finding"]);
    for finding in &report.checkers {
        let word = finding.verdict.to_string();
        let word = if finding.verdict == Verdict::Valid { word } else { word.to_uppercase() };
        table.row(&[
            format!("<span class=\"{}\">{word}</span>", finding.verdict),
            escaped(&finding.name),
            format!("{}{}", escaped(&finding.summary), evidence(finding)),
        ]);
    }
    format!("<h2>Checkers</h2>\n{}", table.finish())
}

fn evidence(finding: &Finding) -> String {
    let lines = joined(finding.evidence.iter().map(|line| item(line)));
    let lines = if lines.is_empty() { lines } else { format!("<ul>\n{lines}</ul>\n") };
    lines + &joined(finding.orders.iter().map(life))
}

fn item(text: &str) -> String {
    format!("<li>{}</li>\n", escaped(text))
}

fn life(order: &OrderLife) -> String {
    let steps = joined(order.steps.iter().map(|step| item(step)));
    let faults =
        if order.faults.is_empty() { String::new() } else { format!("<p>under: {}</p>\n", escaped(&order.faults.join(", "))) };
    format!(
        "<details><summary><code>{}</code> reached: {}</summary>\n<ol>\n{steps}</ol>\n{faults}</details>\n",
        escaped(&order.order_id),
        escaped(&order.reached)
    )
}

pub(super) fn about(report: &Report, about: &About) -> String {
    let run = &report.run;
    let mut table = Table::new(&["what", "value"]);
    let own = [
        ("cluster".to_owned(), run.cluster.clone()),
        ("nodes".to_owned(), run.nodes.join(", ")),
        ("nonce".to_owned(), run.nonce.clone()),
        ("recorded".to_owned(), seconds(Some(run.length_ms))),
    ];
    for (name, value) in own.iter().chain(&about.versions) {
        table.row(&[escaped(name), format!("<code>{}</code>", escaped(value))]);
    }
    let exercised: Vec<String> = report.exercised.iter().map(|(name, times)| format!("{name} {}", count(*times))).collect();
    let repeat = about.repeat.as_ref().map_or_else(String::new, |repeat| format!("<pre>{}</pre>\n", escaped(repeat)));
    format!("<h2>The run</h2>\n{repeat}{}<p>Exercised: {}</p>\n", table.finish(), escaped(&exercised.join(", ")))
}
