//! All names that a figure can have in a run on some nodes with some faults.

use super::Unit;
use crate::figures::phases;
use crate::history::OpKind;
use crate::nearest::ranked;
use crate::plan::SERVICES;

/// The statistics of a distribution, by the last part of a name.
pub(super) const STATISTICS: [&str; 6] = ["p50", "p90", "p99", "p99.9", "p99.99", "max"];

/// What a run is made of, as far as figures are named after it.
#[derive(Debug, Clone)]
pub(crate) struct Names<'a> {
    pub(crate) nodes: &'a [String],
    /// How many faults there are at most.
    pub(crate) faults: usize,
}

impl Names<'_> {
    /// Every name with its unit.
    pub(crate) fn all(&self) -> Vec<(String, Unit)> {
        let mut all: Vec<(String, Unit)> = Vec::new();
        let mut distribution =
            |head: String| all.extend(STATISTICS.iter().map(|statistic| (format!("{head}.{statistic}"), Unit::Ms)));
        let phases = phases::NAMES.map(str::to_owned);
        let fault_phases: Vec<String> = self.fault_phases().collect();
        let kinds = OpKind::ALL.map(|kind| kind.word().to_owned());
        for head in ["latency", "latency.uncorrected"] {
            distribution(head.to_owned());
            for scope in self.nodes.iter().chain(&kinds).chain(&phases).chain(&fault_phases) {
                distribution(format!("{head}.{scope}"));
            }
            for phase in &fault_phases {
                self.nodes.iter().for_each(|node| distribution(format!("{head}.{phase}.{node}")));
            }
        }
        for head in ["propagation", "propagation.from_answer"] {
            distribution(head.to_owned());
            self.nodes.iter().for_each(|node| distribution(format!("{head}.{node}")));
        }
        for scope in phases.iter().chain(&fault_phases).map(String::as_str).chain(["everywhere", "outside_faults"]) {
            distribution(format!("propagation.{scope}"));
        }
        for from in self.nodes {
            self.nodes.iter().for_each(|to| distribution(format!("propagation.{from}.{to}")));
        }
        all.extend(SINGLE.iter().map(|(name, unit)| ((*name).to_owned(), *unit)));
        for service in self.nodes.iter().map(String::as_str).chain(SERVICES).chain([EMBEDDED]) {
            all.push((format!("cpu.{service}"), Unit::CpuSeconds));
            all.push((format!("memory.{service}"), Unit::Bytes));
        }
        for family in OF_FAULTS {
            all.push((family.to_owned(), Unit::Ms));
            all.extend((1..=self.faults).map(|fault| (format!("{family}.fault-{fault}"), Unit::Ms)));
        }
        all
    }

    pub(crate) fn unit(&self, name: &str) -> Option<Unit> {
        self.all().into_iter().find(|(known, _)| known == name).map(|(_, unit)| unit)
    }

    fn fault_phases(&self) -> impl Iterator<Item = String> + use<> {
        let faults = 1..=self.faults;
        faults.flat_map(|fault| phases::NAMES.into_iter().map(move |phase| format!("fault-{fault}.{phase}")))
    }
}

/// Of faults: the greatest of all, and each.
pub(super) const OF_FAULTS: [&str; 3] = ["detection", "recovery", "backlog_drained"];

/// The service that stands for a whole cluster in one process.
const EMBEDDED: &str = "embedded";

const SINGLE: [(&str, Unit); 10] = [
    ("throughput.offered", Unit::PerSecond),
    ("throughput.sent", Unit::PerSecond),
    ("throughput.acknowledged", Unit::PerSecond),
    ("late_start.p99", Unit::Ms),
    ("availability", Unit::Share),
    ("availability.all", Unit::Share),
    ("outbox.depth_max", Unit::Count),
    ("outbox.age_max", Unit::Ms),
    ("outbox.drain", Unit::Ms),
    ("cpu.per_1000_orders", Unit::CpuSeconds),
];

/// The names that are most like `name`, best first.
pub(crate) fn nearest(name: &str, known: &[(String, Unit)]) -> Vec<String> {
    ranked(name, known.iter().map(|(known, _)| known.as_str())).into_iter().take(3).map(|(_, known)| known.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn nodes() -> Vec<String> {
        crate::testing::NODES.map(str::to_owned).to_vec()
    }

    #[test]
    fn every_name_is_there_once() {
        let nodes = nodes();
        let all = Names { nodes: &nodes, faults: 2 }.all();
        let different: BTreeSet<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(different.len(), all.len());
        for name in [
            "latency.place.p99",
            "latency.uncorrected.cluster-node-2.p99.9",
            "latency.fault-2.during.cluster-node-1.max",
            "propagation.cluster-node-1.cluster-node-3.p50",
            "recovery.fault-1",
        ] {
            assert!(different.contains(name), "{name}");
        }
        assert!(!different.contains("recovery.fault-3"));
    }

    #[test]
    fn nearest_names_are_those_that_were_meant() {
        let nodes = nodes();
        let all = Names { nodes: &nodes, faults: 2 }.all();
        assert_eq!(nearest("latency.plaice.p99", &all)[0], "latency.place.p99");
        assert_eq!(nearest("propagation.p95", &all)[..2], ["propagation.p90".to_owned(), "propagation.p99".to_owned()]);
        assert!(nearest("throughput.acked", &all).contains(&"throughput.acknowledged".to_owned()));
    }
}
