//! What each named figure was in a run.

use super::names::{OF_FAULTS, STATISTICS};
use super::{Figure, Unit};
use crate::figures::Figures;
use crate::figures::histogram::needed;
use crate::report::{ByNode, Distribution, FaultFigures, Waits};

/// Every figure that the run has.
pub(crate) fn all(figures: &Figures) -> Vec<Figure> {
    let mut list = List(Vec::new());
    let requests = &figures.requests;
    list.by_node("latency", &requests.from_start);
    list.by_node("latency.uncorrected", &requests.service_ms);
    let latency = &figures.latency;
    latency.per_kind.iter().for_each(|(kind, waits)| list.waits(kind, waits));
    for (name, phase) in &latency.phases {
        list.waits(name, &phase.waits);
        list.distribution(&format!("propagation.{name}"), &phase.propagation_ms);
    }
    for phase in &latency.fault_phases {
        let name = format!("fault-{}.{}", phase.fault, phase.phase);
        list.waits(&name, &phase.waits);
        phase.per_node.iter().for_each(|(node, waits)| list.waits(&format!("{name}.{node}"), waits));
        list.distribution(&format!("propagation.{name}"), &phase.propagation_ms);
    }
    let propagation = &figures.propagation;
    list.by_node("propagation", &propagation.from_start);
    list.by_node("propagation.from_answer", &propagation.from_ack);
    list.distribution("propagation.everywhere", &propagation.everywhere);
    list.distribution("propagation.outside_faults", &propagation.outside_faults);
    for (from, sights) in &latency.propagation_ms_per_pair {
        for (to, of) in sights {
            list.distribution(&format!("propagation.{from}.{to}"), of);
        }
    }
    list.singles(figures);
    list.faults(&figures.faults);
    let resources = &figures.resources;
    list.add(
        "cpu.per_1000_orders",
        Unit::CpuSeconds,
        resources.cpu_s_per_1000_orders,
        "all services, from the start of the load",
    );
    for (service, taken) in &resources.services {
        list.add(format!("cpu.{service}"), Unit::CpuSeconds, taken.cpu_s, "from the start of the load");
        list.add(format!("memory.{service}"), Unit::Bytes, Some(taken.memory_bytes_max as f64), "the most of all samples");
    }
    list.0
}

struct List(Vec<Figure>);

impl List {
    fn add(&mut self, name: impl Into<String>, unit: Unit, value: Option<f64>, note: impl Into<String>) {
        self.0.push(Figure { name: name.into(), unit, value, at_least: None, note: note.into() });
    }

    fn distribution(&mut self, head: &str, of: &Distribution) {
        for (statistic, (value, share)) in STATISTICS.iter().zip(statistics(of)) {
            self.add(format!("{head}.{statistic}"), Unit::Ms, value, note(of, value, share));
        }
    }

    fn by_node(&mut self, head: &str, of: &ByNode) {
        self.distribution(head, &of.overall);
        of.per_node.iter().for_each(|(node, of)| self.distribution(&format!("{head}.{node}"), of));
    }

    fn waits(&mut self, scope: &str, waits: &Waits) {
        self.distribution(&format!("latency.{scope}"), &waits.corrected_ms);
        self.distribution(&format!("latency.uncorrected.{scope}"), &waits.uncorrected_ms);
    }

    fn singles(&mut self, figures: &Figures) {
        let load = &figures.load;
        let over = "over the time of the load";
        self.add("throughput.offered", Unit::PerSecond, Some(load.offered_per_s), over);
        self.add("throughput.sent", Unit::PerSecond, Some(load.sent_per_s), over);
        self.add("throughput.acknowledged", Unit::PerSecond, Some(load.acknowledged_per_s), over);
        self.add("late_start.p99", Unit::Ms, load.late_start_p99_ms, "from the intended start to sending");
        self.add("availability", Unit::Share, figures.availability, "operations to nodes that no fault held");
        self.add("availability.all", Unit::Share, figures.availability_all, "all operations");
        let outbox = &figures.outbox;
        self.add("outbox.depth_max", Unit::Count, outbox.depth_max.map(|depth| depth as f64), "the deepest reading");
        self.add("outbox.age_max", Unit::Ms, outbox.oldest_age_ms_max.map(|age| age as f64), "the oldest row of any reading");
        self.add("outbox.drain", Unit::Ms, outbox.drain_ms, "the longest, from a heal");
    }

    fn faults(&mut self, faults: &[FaultFigures]) {
        let of = |family: &str, fault: &FaultFigures| match family {
            "detection" => (fault.detection_ms, None),
            "recovery" => (fault.recovery_ms, fault.recovery_censored_ms),
            _ => (fault.drain_ms, fault.drain_censored_ms),
        };
        for family in OF_FAULTS {
            let measured: Vec<(Option<f64>, Option<f64>)> = faults.iter().map(|fault| of(family, fault)).collect();
            for (number, (value, at_least)) in measured.iter().enumerate() {
                let note = if at_least.is_some() { "cut short by the next fault or the end" } else { "" };
                self.0.push(Figure {
                    name: format!("{family}.fault-{}", number + 1),
                    unit: Unit::Ms,
                    value: *value,
                    at_least: *at_least,
                    note: note.to_owned(),
                });
            }
            let told = measured.iter().filter(|(value, _)| value.is_some()).count();
            self.0.push(Figure {
                name: family.to_owned(),
                unit: Unit::Ms,
                value: measured.iter().filter_map(|(value, _)| *value).reduce(f64::max),
                at_least: measured.iter().filter_map(|(_, at_least)| *at_least).reduce(f64::max),
                note: format!("slowest of {told} measured of {} faults", faults.len()),
            });
        }
    }
}

/// In the order of [`STATISTICS`]: the value, and the share of a percentile.
fn statistics(of: &Distribution) -> [(Option<f64>, Option<f64>); 6] {
    let [p50, p90, p99, p999, p9999] = of.percentiles().map(|(share, value)| (value, Some(share)));
    [p50, p90, p99, p999, p9999, (of.max, None)]
}

fn note(of: &Distribution, value: Option<f64>, share: Option<f64>) -> String {
    let all = of.count + of.censored;
    let count = crate::report::count;
    match (value, share) {
        (Some(_), _) => format!("of {}", count(all)),
        (None, Some(share)) if all < needed(share) => format!("too few: {} of {} needed", count(all), count(needed(share))),
        (None, _) if of.censored > 0 => {
            format!("among those that never ended: {} of {}", count(of.censored), count(all))
        }
        (None, _) => "there were none".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::figure::Names;
    use crate::history::Step;
    use crate::plan::FaultKind;
    use crate::testing::{LOAD_START_US, NODES, Story, intended_us};

    #[test]
    fn what_a_run_has_is_what_can_be_named_and_in_the_same_unit() {
        let mut story = Story::good(3_000);
        story.read_back(10_000, 4, 1, (intended_us(4) + 20_000, intended_us(4) + 22_000), 200);
        let steps = [(10, Step::Inject), (11, Step::EffectVerified), (19, Step::Heal), (20, Step::HealVerified)];
        let steps = steps.map(|(s, step)| (step, LOAD_START_US + s * 1_000_000));
        story.strike(FaultKind::Pause, NODES[1], 10_000, &steps);
        let nodes = story.plan.roster.clone();
        let known: BTreeMap<String, crate::figure::Unit> = Names { nodes: &nodes, faults: 1 }.all().into_iter().collect();
        let report = story.report();
        for key in report.figures.keys() {
            let found = known.iter().any(|(name, unit)| format!("{name}{}", unit.suffix()) == *key);
            assert!(found, "{key} cannot be expected");
        }
        // All but the kinds of operations that there were none of, and what nobody counted.
        let missing: Vec<&String> = known
            .iter()
            .filter(|(name, unit)| !report.figures.contains_key(&format!("{name}{}", unit.suffix())))
            .map(|(name, _)| name)
            .filter(|name| !["replay", "conflict", "cpu.", "memory."].iter().any(|kind| name.contains(kind)))
            .collect();
        assert!(missing.is_empty(), "{missing:?}");
        assert_eq!(report.figures["throughput.offered_per_s"], Some(100.0));
        assert_eq!(report.figures["latency.p99.99_ms"], None, "3,000 are too few");
        assert_eq!(report.figures["latency.read.max_ms"], Some(2.1));
        assert!(report.figures["latency.fault-1.during.p50_ms"].is_some_and(|p50| (p50 - 5.0).abs() < 0.01));
    }
}
