//! A difference with what the machine did to it taken out.
//!
//! A machine that is slow for a while makes requests and propagation slow together: over runs of one build both differ by an
//! eighth, and propagation beside the requests of the same run by a fortieth. Where requests differ no more between the builds than
//! chance lets them, what propagation differs by beyond what theirs explains is told far more surely than its own difference.

use super::blocks::Estimate;
use super::student;

/// Propagation of runs of one build differs by so much from what their requests let expect, as a share.
const DIFFERS: f64 = 0.03;
/// By how much propagation is slower where requests are slower by a little, and how far that is known before any run is: what the
/// runs themselves tell is added to it.
const SLOPE: f64 = 0.8;
const SLOPE_DIFFERS: f64 = 0.2;

/// One run: the companion and the figure itself.
pub(super) type Run = (Estimate, Estimate);

/// Those runs that tell both.
pub(super) fn runs(companion: &[Option<Estimate>], figure: &[Option<Estimate>]) -> Vec<Run> {
    companion.iter().zip(figure).filter_map(|(companion, figure)| companion.clone().zip(figure.clone())).collect()
}

/// The difference of the figure's means at one value of the companion, and half the width of its interval: an analysis of
/// covariance with one slope for both sides. `None` where a side has no run, or the two do not grow together.
pub(super) fn difference(base: &[Run], against: &[Run], prior_runs: f64, alpha: f64) -> Option<(f64, f64)> {
    if base.is_empty() || against.is_empty() {
        return None;
    }
    let sides = [Side::new(base), Side::new(against)];
    let sum = |of: fn(&Side) -> f64| sides.iter().map(of).sum::<f64>();
    let (xx, xy, yy) = (sum(|side| side.xx), sum(|side| side.xy), sum(|side| side.yy));
    // What is known before is worth runs that spread by so much.
    let known = (DIFFERS / SLOPE_DIFFERS).powi(2);
    let slope = (xy + SLOPE * known) / (xx + known);
    if slope <= 0.0 {
        return None;
    }
    let degrees = (base.len() + against.len()) as f64 - 2.0 + prior_runs;
    // What one run is expected to be off by: as its seconds say, and as runs do.
    let error = super::mean(base.iter().chain(against).map(|(companion, figure)| figure.unexplained_by(companion, slope)));
    let residual = yy - 2.0 * slope * xy + slope.powi(2) * xx + known * (slope - SLOPE).powi(2);
    let variance = (residual + prior_runs * (DIFFERS.powi(2) + error)) / degrees;
    let [base, against] = sides;
    let apart = against.x - base.x;
    let runs = 1.0 / base.runs + 1.0 / against.runs + apart.powi(2) / (xx + known);
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
    fn a_single_run_a_side_is_told_by_what_is_known_before() {
        let single = |x: f64, y: f64| [run(x, y, 0.0)];
        let (same, margin) = difference(&single(0.0, 0.0), &single(0.2, 0.16), PRIOR, ALPHA).expect("a run each");
        assert!(same.abs() < 1e-9, "{same}");
        let calm = difference(&single(0.0, 0.0), &single(0.0, 0.0), PRIOR, ALPHA).expect("a run each").1;
        assert!(calm > 0.1 && calm < 0.17 && margin > 1.2 * calm, "{calm}, and {margin} where the slope tells more");
    }

    #[test]
    fn runs_that_hang_together_otherwise_than_was_known_make_the_interval_wider() {
        let certain = |log: f64| Estimate::new(log, vec![log; 4], 1.0);
        let of = |slope: f64| [-0.2, -0.1, 0.0, 0.1, 0.2].map(|slow| (certain(slow), certain(slope * slow)));
        let margin = |slope: f64| difference(&of(slope), &of(slope), PRIOR, ALPHA).expect("enough runs").1;
        assert!(margin(0.1) > 1.3 * margin(SLOPE), "{} and {}", margin(0.1), margin(SLOPE));
    }

    #[test]
    fn nothing_is_taken_out_where_the_two_grow_against_each_other() {
        let against_each_other = [run(0.0, 1.4, 0.0), run(0.2, 1.1, 0.0), run(0.4, 0.8, 0.0)];
        assert_eq!(difference(&against_each_other, &against_each_other, PRIOR, ALPHA), None);
        assert_eq!(difference(&[], &against_each_other, PRIOR, ALPHA), None, "no run");
    }
}
