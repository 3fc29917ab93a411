//! Where a node's own clock stands against the run's: its `acceptedAt` lies between sending and answer.

use std::collections::HashMap;

use crate::history::{History, NodeIx, Outcome, Wall};

/// Bounds of (node's wall clock - run clock) in microseconds, for each node that accepted something.
#[derive(Debug, Default)]
pub(crate) struct Clocks {
    bounds: HashMap<NodeIx, (i64, i64)>,
}

impl Clocks {
    pub(crate) fn of(history: &History) -> Self {
        let by_id: HashMap<&str, NodeIx> =
            history.header.nodes.iter().filter_map(|node| Some((node.id.as_str(), history.node(&node.name)?))).collect();
        let mut bounds: HashMap<NodeIx, (i64, i64)> = HashMap::new();
        for op in &history.ops {
            let Some(end) = op.end.filter(|end| end.outcome == Outcome::Ok && !end.replayed) else {
                continue;
            };
            let Some(answer) = end.answer.map(|answer| history.answer(answer)) else { continue };
            let Some(node) = by_id.get(history.text(answer.accepted_by)) else {
                continue;
            };
            let Some(accepted) = history.wall_us(answer.accepted_at) else {
                continue;
            };
            let (low, high) = (accepted - signed(end.t_us), accepted - signed(op.sent_us));
            let bound = bounds.entry(*node).or_insert((low, high));
            *bound = (bound.0.max(low), bound.1.min(high));
        }
        // A clock that was set meanwhile satisfies no bounds: its times cannot be placed.
        bounds.retain(|_, (low, high)| low <= high);
        Self { bounds }
    }

    /// The latest moment on the run's clock that a node's wall-clock time can mean.
    pub(crate) fn latest_us(&self, history: &History, node: NodeIx, wall: Wall) -> Option<u64> {
        let (low, _) = self.bounds.get(&node)?;
        u64::try_from(history.wall_us(wall)? - low).ok()
    }
}

fn signed(us: u64) -> i64 {
    i64::try_from(us).unwrap_or(i64::MAX)
}
