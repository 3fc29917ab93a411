//! Request latencies by kind of operation, and by phase of each fault.

use std::collections::BTreeMap;

use super::histogram::Latencies;
use super::phases::{self, Phases};
use super::recovery::{Reading, Readings};
use crate::case::Case;
use crate::history::NodeIx;
use crate::report::interval_log::Timings;
use crate::report::{FaultPhase, Latency, Phase, Waits};

/// From the intended start and from sending.
#[derive(Debug)]
struct Both {
    corrected: Latencies,
    uncorrected: Latencies,
}

impl Both {
    fn new() -> Self {
        Self { corrected: Latencies::new(), uncorrected: Latencies::new() }
    }

    fn add(&mut self, reading: &Reading) {
        for (latencies, us) in
            [(&mut self.corrected, reading.waited_us()), (&mut self.uncorrected, reading.waited_from_sending_us())]
        {
            match us {
                Some(us) => latencies.add(us),
                None if reading.is_open() => latencies.add_censored(),
                // It never reached a node.
                None => {}
            }
        }
    }

    fn waits(&self) -> Waits {
        Waits { corrected_ms: self.corrected.distribution(), uncorrected_ms: self.uncorrected.distribution() }
    }
}

/// Propagation is measured elsewhere; it is handed in by phase, in the order of `faults` and of [`phases::NAMES`].
pub(crate) fn measure(case: &Case<'_>, readings: &Readings, faults: &[Phases], propagation: &ByPhase) -> Latency {
    let mut kinds: BTreeMap<&str, Both> = BTreeMap::new();
    let mut all = [Both::new(), Both::new(), Both::new()];
    for reading in readings.all() {
        kinds.entry(reading.kind.word()).or_insert_with(Both::new).add(reading);
        for (phase, both) in all.iter_mut().enumerate() {
            if faults.iter().any(|fault| fault.at(reading.intended_us) == Some(phase)) {
                both.add(reading);
            }
        }
    }
    for reading in readings.reading_back() {
        kinds.entry(reading.kind.word()).or_insert_with(Both::new).add(reading);
    }
    let of_all = phases::NAMES.iter().zip(&all).zip(&propagation.all);
    let phases = of_all
        .map(|((name, both), sights)| ((*name).to_owned(), Phase { waits: both.waits(), propagation_ms: sights.distribution() }));
    Latency {
        per_kind: kinds.iter().map(|(kind, both)| ((*kind).to_owned(), both.waits())).collect(),
        phases: if faults.is_empty() { BTreeMap::new() } else { phases.collect() },
        fault_phases: faults
            .iter()
            .zip(&propagation.of_faults)
            .flat_map(|(fault, sights)| (0..3).filter_map(|phase| of_phase(case, readings, fault, phase, &sights[phase])))
            .collect(),
        ..Latency::default()
    }
}

fn of_phase(case: &Case<'_>, readings: &Readings, fault: &Phases, phase: usize, sights: &Latencies) -> Option<FaultPhase> {
    let (from_us, until_us) = fault.spans[phase];
    if from_us >= until_us {
        return None;
    }
    let mut whole = Both::new();
    let mut nodes: BTreeMap<NodeIx, Both> = BTreeMap::new();
    for reading in readings.within(from_us, until_us) {
        whole.add(reading);
        nodes.entry(reading.node).or_insert_with(Both::new).add(reading);
    }
    Some(FaultPhase {
        fault: fault.fault + 1,
        name: name(case, fault.fault),
        phase: phases::NAMES[phase].to_owned(),
        from_ms: case.edges.ms(from_us),
        until_ms: case.edges.ms(until_us),
        waits: whole.waits(),
        per_node: nodes.iter().map(|(node, both)| (case.history.node_name(*node).to_owned(), both.waits())).collect(),
        propagation_ms: sights.distribution(),
    })
}

/// Those of operations; propagation is added where it is measured.
pub(crate) fn timings(case: &Case<'_>, readings: &Readings) -> Timings {
    let header = &case.history.header;
    let mut timings = Timings {
        nodes: case.history.nodes.clone(),
        recording_started_at: header.started_at.clone(),
        load_start_us: case.edges.load_start_us,
        // Of ten million each: what grows by doubling would hold a third as much again.
        corrected: Vec::with_capacity(readings.all().len()),
        uncorrected: Vec::with_capacity(readings.all().len()),
        propagation: Vec::with_capacity(case.history.seen.len()),
    };
    for reading in readings.all() {
        let timed = |us: Option<u64>| timings.timed(reading.node, reading.intended_us, us?);
        let (corrected, uncorrected) = (timed(reading.waited_us()), timed(reading.waited_from_sending_us()));
        timings.corrected.extend(corrected);
        timings.uncorrected.extend(uncorrected);
    }
    timings
}

/// What was done to whom, as in the table of faults.
fn name(case: &Case<'_>, fault: usize) -> String {
    let (planned, span) = (&case.plan.faults[fault], &case.spans[fault]);
    let target = if let [service] = span.services.as_slice() { service } else { &planned.target };
    format!("{} {target}", planned.kind.word())
}

/// Sights of orders by the phase in which each was to begin.
#[derive(Debug)]
pub(crate) struct ByPhase {
    all: [Latencies; 3],
    of_faults: Vec<[Latencies; 3]>,
}

impl ByPhase {
    pub(crate) fn new(faults: &[Phases]) -> Self {
        let three = || [Latencies::new(), Latencies::new(), Latencies::new()];
        Self { all: three(), of_faults: faults.iter().map(|_| three()).collect() }
    }

    /// `None`: never seen.
    pub(crate) fn add(&mut self, faults: &[Phases], intended_us: u64, took_us: Option<u64>) {
        let mut met = [false; 3];
        for (fault, of_fault) in faults.iter().zip(&mut self.of_faults) {
            if let Some(phase) = fault.at(intended_us) {
                of_fault[phase].add_or_censor(took_us);
                met[phase] = true;
            }
        }
        for (all, _) in self.all.iter_mut().zip(met).filter(|(_, met)| *met) {
            all.add_or_censor(took_us);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::history::Step;
    use crate::plan::FaultKind;
    use crate::report::{Distribution, Report};
    use crate::testing::{LOAD_START_US, NODES, Story};

    /// 30 s at 100/s; node 2 is paused from 10 s to 20 s, and what is sent to it then takes 50 ms.
    fn paused() -> Report {
        let mut story = Story::good(3_000);
        let steps = [(10, Step::Inject), (11, Step::EffectVerified), (19, Step::Heal), (20, Step::HealVerified)];
        let steps = steps.map(|(s, step)| (step, LOAD_START_US + s * 1_000_000));
        story.strike(FaultKind::Pause, NODES[1], 10_000, &steps);
        for order in (1_000..2_000).filter(|order| order % 3 == 1) {
            story.end_mut(order).t_us += 45_000;
        }
        story.report()
    }

    fn near(distribution: &Distribution, p50: f64) -> bool {
        distribution.p50.is_some_and(|told| (told / p50 - 1.0).abs() < 0.002)
    }

    #[test]
    fn each_phase_of_a_fault_has_its_own_latencies_by_node() {
        let report = paused();
        let told: Vec<(usize, &str, f64, f64)> = report
            .latency
            .fault_phases
            .iter()
            .map(|phase| (phase.fault, phase.phase.as_str(), phase.from_ms, phase.until_ms))
            .collect();
        assert_eq!(told, [(1, "before", 0.0, 10_000.0), (1, "during", 10_000.0, 20_000.0), (1, "after", 20_000.0, 30_000.0)]);
        for phase in &report.latency.fault_phases {
            assert_eq!(phase.waits.corrected_ms.count, 1_000, "{phase:?}");
            assert_eq!(phase.propagation_ms.count, 3_000, "{phase:?}");
            let held = &phase.per_node[NODES[1]];
            let slow = phase.phase == "during";
            assert!(near(&held.corrected_ms, if slow { 50.0 } else { 5.0 }), "{phase:?}");
            assert!(near(&held.uncorrected_ms, if slow { 49.9 } else { 4.9 }), "{phase:?}");
            assert!(near(&phase.per_node[NODES[0]].corrected_ms, 5.0));
        }
        let during = &report.latency.phases["during"];
        assert_eq!((during.waits.corrected_ms.count, during.propagation_ms.count), (1_000, 3_000));
        assert_eq!(during.waits.corrected_ms.p99.map(f64::round), Some(50.0));
    }

    #[test]
    fn kinds_stand_apart() {
        let mut story = Story::good(1_200);
        for order in 0..40 {
            let at_us = LOAD_START_US + order * 10_000 + 1_000;
            let op = 10_000 + order;
            story.invoke(op, order, order, crate::history::OpKind::Conflict, at_us);
            story.complete(op, at_us + 2_000, crate::history::Outcome::Fail, Some(409), false, None);
        }
        let kinds = story.report().latency.per_kind;
        assert_eq!(kinds.keys().collect::<Vec<_>>(), ["conflict", "place"]);
        assert!(near(&kinds["conflict"].corrected_ms, 2.0) && kinds["conflict"].corrected_ms.count == 40, "{kinds:?}");
        assert_eq!(kinds["conflict"].corrected_ms.p90, None, "40 are too few");
    }

    #[test]
    fn a_run_without_faults_has_no_phases_but_pairs_of_nodes() {
        let latency = Story::good(300).report().latency;
        assert!(latency.phases.is_empty() && latency.fault_phases.is_empty());
        for from in NODES {
            let sights = &latency.propagation_ms_per_pair[from];
            assert_eq!(sights.keys().collect::<Vec<_>>(), NODES.iter().collect::<Vec<_>>());
            assert!(sights.values().all(|sight| sight.count == 100 && near(sight, 8.0)), "{sights:?}");
        }
    }
}
