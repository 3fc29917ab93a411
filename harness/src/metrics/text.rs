//! The metrics in Prometheus' text format.

use std::fmt::Write;

use judge::history::{Outcome, Phase};
use judge::plan::Plan;

use crate::live::{Buckets, State};

/// All metrics; `docs/report.md` tells of each.
pub(super) fn text(plan: &Plan, state: &State) -> String {
    let mut page = Page(String::new());
    page.head("harness_load_offered_per_second", "gauge", "Operations that the plan wants each second.");
    page.line("harness_load_offered_per_second", &[], plan.load.rate);
    page.head("harness_phase", "gauge", "1 for the phase that the run is in.");
    for (phase, word) in
        [(Phase::Load, "load"), (Phase::Heal, "heal"), (Phase::Quiescence, "quiescence"), (Phase::FinalReads, "final_reads")]
    {
        page.line("harness_phase", &[("phase", word)], f64::from(u8::from(state.phase == Some(phase))));
    }
    page.head("harness_operations_sent_total", "counter", "Operations that were sent.");
    for (node, count) in &state.sent {
        page.line("harness_operations_sent_total", &[("node", node)], *count as f64);
    }
    page.head("harness_operations_total", "counter", "Operations that ended.");
    for ((node, kind, outcome), count) in &state.ended {
        let outcome = match outcome {
            Outcome::Ok => "ok",
            Outcome::Fail => "fail",
            Outcome::Info => "info",
        };
        let labels = [("node", node.as_str()), ("kind", kind.word()), ("outcome", outcome)];
        page.line("harness_operations_total", &labels, *count as f64);
    }
    page.head("harness_operations_in_flight", "gauge", "Operations that were sent and have not ended.");
    page.line("harness_operations_in_flight", &[], state.in_flight() as f64);
    page.head("harness_operations_unstarted_total", "counter", "Slots of the schedule that nobody was free to begin.");
    page.line("harness_operations_unstarted_total", &[], state.unstarted as f64);
    page.histogram("harness_latency_corrected_seconds", "From the intended start.", &state.corrected);
    page.histogram("harness_latency_uncorrected_seconds", "From sending.", &state.uncorrected);
    cluster(&mut page, state);
    faults(&mut page, plan, state);
    page.0
}

fn cluster(page: &mut Page, state: &State) {
    if let Some((depth, age_ms)) = state.outbox {
        page.head("harness_outbox_depth", "gauge", "Rows in the outbox.");
        page.line("harness_outbox_depth", &[], depth as f64);
        page.head("harness_outbox_oldest_age_seconds", "gauge", "Age of the oldest row, 0 where there is none.");
        page.line("harness_outbox_oldest_age_seconds", &[], age_ms as f64 / 1_000.0);
    }
    page.head("harness_consumer_pending", "gauge", "Messages that a consumer has not acknowledged.");
    for (consumer, pending) in &state.pending {
        page.line("harness_consumer_pending", &[("consumer", consumer)], *pending as f64);
    }
    page.head("harness_node_up", "gauge", "1 while the node's health says up.");
    for (node, word) in &state.nodes {
        page.line("harness_node_up", &[("node", node)], f64::from(u8::from(word == "up")));
    }
}

fn faults(page: &mut Page, plan: &Plan, state: &State) {
    page.head("harness_fault_in_force", "gauge", "1 from the injection of a fault until it is proven healed, then 0.");
    for ((fault, target), in_force) in &state.faults {
        let kind = plan.faults.get(*fault).map_or("fault", |fault| fault.kind.word());
        let number = (fault + 1).to_string();
        let labels = [("fault", number.as_str()), ("kind", kind), ("target", target.as_str())];
        page.line("harness_fault_in_force", &labels, f64::from(u8::from(*in_force)));
    }
}

struct Page(String);

impl Page {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn line(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        let labels: Vec<String> = labels.iter().map(|(label, value)| format!("{label}=\"{}\"", escaped(value))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }

    fn histogram(&mut self, name: &str, help: &str, buckets: &Buckets) {
        self.head(name, "histogram", help);
        let bucket = format!("{name}_bucket");
        for (edge_s, count) in buckets.cumulative() {
            self.line(&bucket, &[("le", &edge_s.to_string())], count as f64);
        }
        self.line(&bucket, &[("le", "+Inf")], buckets.count() as f64);
        self.line(&format!("{name}_sum"), &[], buckets.sum_s());
        self.line(&format!("{name}_count"), &[], buckets.count() as f64);
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
pub(super) mod tests {
    use judge::history::{Sample, Step};
    use judge::plan::{Abilities, Overrides, resolve};
    use judge::scenario::Scenario;

    use super::*;
    use crate::live::Live;
    use crate::live::tests::{complete, invoke, step};

    pub(in crate::metrics) fn plan() -> Plan {
        let text = "hypothesis = \"x\"\n[load]\nprofile = \"constant\"\nrate = 300\nduration = \"75s\"\n\
                    [[fault]]\nat = \"10s\"\nfor = \"5s\"\nkind = \"kill\"\ntarget = \"cluster-node-1\"\n";
        let scenario = Scenario::parse("x", text).expect("a scenario");
        let roster = ["cluster-node-1".to_owned(), "cluster-node-2".to_owned()];
        resolve(&scenario, 7, &Overrides::default(), &roster, &Abilities::everything()).expect("a plan")
    }

    #[test]
    fn every_sample_has_a_type_and_a_fault_is_told_until_its_end_and_after() {
        let live = Live::default();
        live.entry(&invoke(1, 1_000));
        live.entry(&complete(1, 2_500, Outcome::Ok));
        live.entry(&step(Step::Inject));
        live.sample(&Sample::Outbox { t_us: 5, depth: 7, oldest_age_ms: 1_500 });
        let told = text(&plan(), &live.state());
        for line in [
            "harness_fault_in_force{fault=\"1\",kind=\"kill\",target=\"cluster-node-1\"} 1",
            "harness_latency_corrected_seconds_bucket{le=\"0.002\"} 1",
            "harness_latency_corrected_seconds_bucket{le=\"0.001\"} 0",
            "harness_latency_corrected_seconds_bucket{le=\"+Inf\"} 1",
            "harness_latency_corrected_seconds_sum 0.002",
            "harness_outbox_depth 7",
        ] {
            assert!(told.lines().any(|found| found == line), "{line}\n{told}");
        }
        for line in told.lines().filter(|line| !line.starts_with('#')) {
            let name = line.split(['{', ' ']).next().expect("a name");
            let family = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
            assert!(told.contains(&format!("# TYPE {family} ")), "{line}");
        }
        live.entry(&step(Step::HealVerified));
        let healed = text(&plan(), &live.state());
        assert!(healed.contains("target=\"cluster-node-1\"} 0\n"), "{healed}");
    }
}
