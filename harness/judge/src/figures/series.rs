//! The run over time. The number of stretches is bounded, so that an hour's run makes a page of the same size.

use super::coarse::Coarse;
use super::requests::waited_us;
use crate::case::Case;
use crate::history::{Outcome, Sample};
use crate::numbers::{rounded, whole};
use crate::report::{NodeSeries, Series, Spread};

/// No screen shows more.
const STRETCHES_MAX: u64 = 600;
/// Shorter ones would hold too few operations to say anything.
const STEP_MIN_US: u64 = 250_000;

/// Equal stretches from the start of the load to the last moment of the run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Grid {
    from_us: u64,
    step_us: u64,
    stretches: usize,
}

impl Grid {
    pub(crate) fn of(case: &Case<'_>) -> Self {
        let from_us = case.edges.load_start_us;
        Self::over(from_us, case.edges.end_us.max(case.edges.load_end_us).saturating_sub(from_us).max(1))
    }

    fn over(from_us: u64, length_us: u64) -> Self {
        let step_us = length_us.div_ceil(STRETCHES_MAX).next_multiple_of(STEP_MIN_US);
        let stretches = usize::try_from(length_us.div_ceil(step_us)).unwrap_or(1);
        Self { from_us, step_us, stretches }
    }

    fn at(&self, t_us: u64) -> Option<usize> {
        let stretch = usize::try_from(t_us.checked_sub(self.from_us)? / self.step_us).ok()?;
        (stretch < self.stretches).then_some(stretch)
    }
}

/// Durations by when what they measure was to begin.
#[derive(Debug)]
pub(crate) struct OverTime {
    grid: Grid,
    stretches: Vec<Coarse>,
    all: Coarse,
}

impl OverTime {
    pub(crate) fn new(grid: Grid) -> Self {
        Self { grid, stretches: vec![Coarse::default(); grid.stretches], all: Coarse::default() }
    }

    pub(crate) fn add(&mut self, begun_us: u64, took_us: u64) {
        self.all.add(took_us);
        if let Some(stretch) = self.grid.at(begun_us) {
            self.stretches[stretch].add(took_us);
        }
    }

    fn spread(&self) -> Spread {
        let column = |of: &dyn Fn(&Coarse) -> Option<f64>| self.stretches.iter().map(|coarse| of(coarse).map(rounded)).collect();
        Spread {
            p50: column(&|coarse| coarse.at_ms(0.5)),
            p99: column(&|coarse| coarse.at_ms(0.99)),
            max: column(&Coarse::max_ms),
        }
    }
}

/// Everything but propagation is measured here; that is handed in, as it takes the whole of what is known of each order.
pub(crate) fn measure(case: &Case<'_>, samples: &[Sample], propagation: &OverTime) -> Series {
    let grid = propagation.grid;
    let mut series = Series {
        step_ms: grid.step_us as f64 / 1_000.0,
        stretches: grid.stretches,
        offered: vec![0; grid.stretches],
        served: vec![0; grid.stretches],
        failed: vec![0; grid.stretches],
        indeterminate: vec![0; grid.stretches],
        propagation_ms: propagation.spread(),
        propagation_bars: propagation.all.bars(),
        outbox_depth: vec![None; grid.stretches],
        outbox_age_ms: vec![None; grid.stretches],
        ..Series::default()
    };
    operations(case, grid, &mut series);
    for sample in samples {
        if let Sample::Outbox { t_us, depth, oldest_age_ms } = sample
            && let Some(at) = grid.at(*t_us)
        {
            series.outbox_depth[at] = series.outbox_depth[at].max(Some(*depth));
            series.outbox_age_ms[at] = series.outbox_age_ms[at].max(Some(*oldest_age_ms));
        }
    }
    series
}

fn operations(case: &Case<'_>, grid: Grid, series: &mut Series) {
    let mut requests = OverTime::new(grid);
    let mut by_node = vec![vec![(0_u64, 0_u64); grid.stretches]; case.history.nodes.len()];
    for slot_us in case.history.unstarted.iter().map(|(intended_us, _)| *intended_us) {
        if let Some(at) = grid.at(slot_us) {
            series.offered[at] += 1;
        }
    }
    for op in &case.history.ops {
        if let Some(us) = waited_us(op, op.intended_us) {
            requests.add(op.intended_us, us);
        }
        let Some(at) = grid.at(op.intended_us) else { continue };
        series.offered[at] += 1;
        let served = op.is_served();
        match op.outcome() {
            _ if served => series.served[at] += 1,
            Outcome::Info => series.indeterminate[at] += 1,
            Outcome::Ok | Outcome::Fail => series.failed[at] += 1,
        }
        if let Some(node) = by_node.get_mut(usize::from(op.node)) {
            node[at].0 += u64::from(served);
            node[at].1 += 1;
        }
    }
    for read in &case.history.read_back {
        let Some(at) = grid.at(read.intended_us) else { continue };
        series.offered[at] += 1;
        match read.end.map_or(Outcome::Info, |end| end.outcome) {
            Outcome::Ok => series.served[at] += 1,
            Outcome::Info => series.indeterminate[at] += 1,
            Outcome::Fail => series.failed[at] += 1,
        }
    }
    series.request_ms = requests.spread();
    series.request_bars = requests.all.bars();
    let share = |(served, all): &(u64, u64)| (*all > 0).then(|| whole(*served as f64 * 1_000.0 / *all as f64) as f64 / 1_000.0);
    series.nodes = case
        .history
        .nodes
        .iter()
        .zip(&by_node)
        .map(|(name, counts)| NodeSeries { name: name.clone(), served: counts.iter().map(share).collect() })
        .collect();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Story;

    #[test]
    fn every_operation_stands_in_one_stretch_and_what_stands_out_is_kept() {
        let mut story = Story::good(1_200);
        story.end_mut(600).t_us += 700_000;
        let series = story.judgement().series.expect("a good story has one");
        assert_eq!(series.offered.iter().sum::<u64>(), 1_200);
        assert_eq!(series.served.iter().sum::<u64>(), 1_200);
        assert_eq!((series.step_ms, series.nodes.len()), (250.0, 3));
        assert_eq!(series.request_ms.max[24], Some(705.0), "the one slow answer, exactly");
        assert!(series.request_ms.p50[24].is_some_and(|p50| p50 < 6.0), "which is not what the others took");
        assert_eq!(series.request_bars.iter().map(|(_, count)| count).sum::<u64>(), 1_200);
        assert_eq!(series.propagation_bars.iter().map(|(_, count)| count).sum::<u64>(), 3_600);
        assert!(series.nodes.iter().all(|node| node.served.iter().flatten().all(|share| (*share - 1.0).abs() < 1e-9)));
    }

    #[test]
    fn the_number_of_stretches_is_bounded() {
        let grid = |length_us: u64| {
            let grid = Grid::over(0, length_us);
            (grid.step_us, grid.stretches)
        };
        assert_eq!(grid(60_000_000), (250_000, 240));
        assert_eq!(grid(3_600_000_000), (6_000_000, 600));
    }
}
