//! A difference with what the machine did to it taken out.
//!
//! A machine that is slow for a while makes requests and propagation slow together: over runs of one build both differ by an
//! eighth, and propagation beside the requests of the same run by a fortieth. Where requests differ no more between the builds than
//! chance lets them, what propagation differs by beyond what theirs explains is told far more surely than its own difference.

use super::blocks::Estimate;
use super::student;

/// Fewer runs a side do not show how the two hang together.
const RUNS_MIN: usize = 3;
/// Propagation of runs of one build differs by so much from what their requests let expect, as a share.
const DIFFERS: f64 = 0.03;

/// One run: the companion and the figure itself.
pub(super) type Run = (Estimate, Estimate);
/// Estimates that differ by less in all, squared, are the same.
const SAME: f64 = 1e-9;

/// Those runs that tell both.
pub(super) fn runs(companion: &[Option<Estimate>], figure: &[Option<Estimate>]) -> Vec<Run> {
    companion.iter().zip(figure).filter_map(|(companion, figure)| companion.clone().zip(figure.clone())).collect()
}

/// The difference of the figure's means at one value of the companion, and half the width of its interval: an analysis of
/// covariance with one slope for both sides. `None` where the two do not grow together, or there are too few runs.
pub(super) fn difference(base: &[Run], against: &[Run], prior_runs: f64, alpha: f64) -> Option<(f64, f64)> {
    if base.len().min(against.len()) < RUNS_MIN {
        return None;
    }
    let sides = [Side::new(base), Side::new(against)];
    let sum = |of: fn(&Side) -> f64| sides.iter().map(of).sum::<f64>();
    let (xx, xy, yy) = (sum(|side| side.xx), sum(|side| side.xy), sum(|side| side.yy));
    if xx <= SAME || xy <= 0.0 {
        return None;
    }
    let slope = xy / xx;
    let degrees = (base.len() + against.len()) as f64 - 3.0 + prior_runs;
    // What one run is expected to be off by: as its seconds say, and as runs do.
    let error = super::mean(base.iter().chain(against).map(|(companion, figure)| figure.unexplained_by(companion, slope)));
    let variance = ((yy - slope * xy).max(0.0) + prior_runs * (DIFFERS.powi(2) + error)) / degrees;
    let [base, against] = sides;
    let apart = against.x - base.x;
    let runs = 1.0 / base.runs + 1.0 / against.runs + apart.powi(2) / xx;
    Some((against.y - base.y - slope * apart, student::two_sided(alpha, degrees) * (variance * runs).sqrt()))
}

/// Means, and squares and products of what is off them.
struct Side {
    runs: f64,
    x: f64,
    y: f64,
    xx: f64,
    xy: f64,
    yy: f64,
}

impl Side {
    fn new(runs: &[Run]) -> Self {
        let mean = |of: fn(&Run) -> f64| super::mean(runs.iter().map(of));
        let (x, y) = (mean(|run| run.0.log), mean(|run| run.1.log));
        let sum = |of: &dyn Fn(&Run) -> f64| runs.iter().map(of).sum();
        Self {
            runs: runs.len() as f64,
            x,
            y,
            xx: sum(&|run| (run.0.log - x).powi(2)),
            xy: sum(&|run| (run.0.log - x) * (run.1.log - y)),
            yy: sum(&|run| (run.1.log - y).powi(2)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRIOR: f64 = 8.0;
    const ALPHA: f64 = 0.02;

    /// Its resampled runs are off by `own` in what is the figure's own, and by much more in what both have.
    fn run(x: f64, y: f64, own: f64) -> Run {
        let both = [-0.1, 0.1, 0.1, -0.1];
        let alone = [own, own, -own, -own];
        let figure = both.iter().zip(alone).map(|(both, alone)| y + both + alone).collect();
        (Estimate::new(x, both.map(|both| x + both).to_vec(), 1.0), Estimate::new(y, figure, 1.0))
    }

    /// Runs on a machine of that slowness; the figure goes with it, is off by `off`, and differs by a little of its own.
    fn slowed(slowness: [f64; 5], off: f64) -> Vec<Run> {
        let own = [0.01, -0.01, 0.0, 0.02, -0.02];
        slowness.iter().zip(own).map(|(slow, own)| run(*slow, 0.8 * slow + off + own, 0.0)).collect()
    }

    #[test]
    fn what_the_machine_did_to_both_is_no_difference_and_what_is_left_is_one() {
        let base = slowed([0.0, 0.1, 0.2, 0.3, 0.1], 0.0);
        let slow = [0.3, 0.2, 0.4, 0.3, 0.5];
        let (same, margin) = difference(&base, &slowed(slow, 0.0), PRIOR, ALPHA).expect("enough runs");
        assert!(same.abs() < 0.02 && margin > 0.03 && margin < 0.09, "{same} within {margin}");
        let (slower, margin) = difference(&base, &slowed(slow, 0.1), PRIOR, ALPHA).expect("enough runs");
        assert!((slower - same - 0.1).abs() < 1e-9 && slower > margin, "{slower} within {margin}");
    }

    #[test]
    fn what_a_run_is_unsure_of_beyond_its_companion_makes_the_interval_wider() {
        let of = |error: f64| [0.0, 0.1, 0.2].map(|slow| run(slow, slow, error));
        let margin = |error: f64| difference(&of(error), &of(error), PRIOR, ALPHA).expect("enough runs").1;
        assert!(margin(0.08) > 2.0 * margin(0.0), "{} and {}", margin(0.08), margin(0.0));
    }

    #[test]
    fn nothing_is_taken_out_by_what_tells_nothing() {
        let flat = [run(0.0, 1.0, 0.0), run(1e-9, 1.1, 0.0), run(0.0, 1.2, 0.0)];
        assert_eq!(difference(&flat, &flat, PRIOR, ALPHA), None, "the companion does not vary");
        let against_each_other = [run(0.0, 1.2, 0.0), run(0.1, 1.1, 0.0), run(0.2, 1.0, 0.0)];
        assert_eq!(difference(&against_each_other, &against_each_other, PRIOR, ALPHA), None, "they do not grow together");
        assert_eq!(difference(&flat[..2], &flat, PRIOR, ALPHA), None, "too few runs");
    }
}
