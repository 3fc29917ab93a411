//! What the services took: CPU time from the start of the load on, and the most memory.

use std::collections::BTreeMap;

use crate::case::Case;
use crate::history::{Outcome, Sample};
use crate::numbers::rounded;
use crate::report::{Resources, Taken};

pub(super) fn measure(case: &Case<'_>) -> Resources {
    let mut services: BTreeMap<&str, Meter> = BTreeMap::new();
    for sample in case.samples {
        if let Sample::Container { t_us, service, memory_bytes, cpu_us, .. } = sample {
            services.entry(service).or_default().read(*t_us >= case.edges.load_start_us, *cpu_us, *memory_bytes);
        }
    }
    let acknowledged = case.history.ops.iter().filter(|op| op.outcome() == Outcome::Ok).count();
    let cpu_us: Option<u64> = services.values().map(|meter| meter.used_us).sum();
    let cost = cpu_us.filter(|_| acknowledged > 0 && !services.is_empty());
    Resources {
        cpu_s_per_1000_orders: cost.map(|us| rounded(us as f64 / 1e6 / (acknowledged as f64 / 1_000.0))),
        services: services.iter().map(|(service, meter)| ((*service).to_owned(), meter.taken())).collect(),
    }
}

#[derive(Debug, Default)]
struct Meter {
    before_us: Option<u64>,
    /// `None` while two readings are not there.
    used_us: Option<u64>,
    memory_max: u64,
}

impl Meter {
    fn read(&mut self, loaded: bool, cpu_us: Option<u64>, memory_bytes: u64) {
        self.memory_max = self.memory_max.max(memory_bytes);
        let Some(now_us) = cpu_us else { return };
        let before_us = self.before_us.replace(now_us);
        if loaded && let Some(before_us) = before_us {
            // A container that began anew counts from 0 again; what it used before that is known up to its last sample.
            *self.used_us.get_or_insert(0) += now_us.checked_sub(before_us).unwrap_or(now_us);
        }
    }

    fn taken(&self) -> Taken {
        Taken { cpu_s: self.used_us.map(|us| rounded(us as f64 / 1e6)), memory_bytes_max: self.memory_max }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{LOAD_START_US, Story};

    fn story(readings: &[(&str, u64, Option<u64>)]) -> Story {
        let mut story = Story::good(1_200);
        story.samples.extend(readings.iter().map(|(service, s, cpu_ms)| Sample::Container {
            t_us: LOAD_START_US + s * 1_000_000,
            service: (*service).to_owned(),
            cpu_percent: 1.0,
            memory_bytes: (10 - s) << 20,
            cpu_us: cpu_ms.map(|ms| ms * 1_000),
        }));
        story
    }

    #[test]
    fn cpu_time_is_what_was_added_also_over_a_restart_and_its_cost_is_of_all_services() {
        let readings =
            [("a", 0, Some(5_000)), ("a", 1, Some(6_000)), ("a", 2, Some(500)), ("b", 0, Some(100)), ("b", 3, Some(1_000))];
        let report = story(&readings).report();
        let resources = &report.resources;
        assert_eq!(resources.services["a"], Taken { cpu_s: Some(1.5), memory_bytes_max: 10 << 20 });
        assert_eq!(resources.services["b"].cpu_s, Some(0.9));
        assert_eq!(resources.cpu_s_per_1000_orders, Some(2.0), "2.4 s for 1,200 orders");
        assert_eq!(report.figures["cpu.per_1000_orders_cpu_s"], Some(2.0));
    }

    #[test]
    fn what_was_not_counted_has_no_cost() {
        assert_eq!(Story::good(1_200).report().resources, Resources::default());
        let old = story(&[("a", 0, None), ("a", 1, None)]).report().resources;
        assert_eq!((old.services["a"].cpu_s, old.cpu_s_per_1000_orders), (None, None));
    }
}
