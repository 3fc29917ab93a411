//! How long until the cluster itself told of a fault: the first of its health answers that is not what it was.

use crate::case::Case;
use crate::history::Sample;
use crate::timeline::FaultSpan;

/// Before the injection all answers of so long must have been good, or nothing is told by a bad one after it.
const CALM_US: u64 = 2_000_000;

/// When a health answer was there, or was given up, and whether it was good.
type Answers = Vec<(u64, bool)>;

/// By fault, in milliseconds: from the injection call to the first bad health answer of any node, before the heal. `None`
/// where none was bad, or some were already.
pub(crate) fn measure(case: &Case<'_>) -> Vec<Option<f64>> {
    let answers = answers(case.samples);
    case.spans.iter().map(|span| of(span, &answers)).collect()
}

fn of(span: &FaultSpan, answers: &Answers) -> Option<f64> {
    let inject_us = span.inject_us?;
    let at = |t_us: u64| answers.partition_point(|(told_us, _)| *told_us < t_us);
    let before = &answers[at(inject_us.saturating_sub(CALM_US))..at(inject_us)];
    if before.is_empty() || before.iter().any(|(_, good)| !good) {
        return None;
    }
    let during = &answers[at(inject_us)..at(span.heal_us.unwrap_or(u64::MAX).max(inject_us))];
    let (told_us, _) = during.iter().find(|(_, good)| !good)?;
    Some((told_us - inject_us) as f64 / 1_000.0)
}

fn answers(samples: &[Sample]) -> Answers {
    let is_up = |part: &Option<String>| part.as_deref().is_none_or(|word| word == "up");
    let mut answers: Answers = samples
        .iter()
        .filter_map(|sample| match sample {
            Sample::Health { t_us, http, status, nats, redis, .. } => {
                let good = *http == Some(200) && status.as_deref() == Some("up") && is_up(nats) && is_up(redis);
                Some((*t_us, good))
            }
            _ => None,
        })
        .collect();
    answers.sort_unstable();
    answers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Step;
    use crate::plan::FaultKind;
    use crate::testing::{LOAD_START_US, NODES, Story};

    fn told(bad: impl Fn(u64) -> bool) -> Option<f64> {
        let mut story = Story::good(3_000);
        let steps = [(10, Step::Inject), (11, Step::EffectVerified), (20, Step::Heal), (21, Step::HealVerified)];
        let steps = steps.map(|(s, step)| (step, LOAD_START_US + s * 1_000_000));
        story.strike(FaultKind::Pause, NODES[1], 10_000, &steps);
        for ms in (0..30_000_u64).step_by(500) {
            let answered = !bad(ms);
            let word = |word: &str| answered.then(|| word.to_owned());
            story.samples.push(Sample::Health {
                t_us: LOAD_START_US + ms * 1_000,
                node: NODES[1].to_owned(),
                http: answered.then_some(200),
                status: word("up"),
                nats: word("up"),
                redis: word("up"),
                asked_us: None,
                live: None,
            });
        }
        story.report().faults[0].detection_ms
    }

    #[test]
    fn first_bad_answer_after_the_injection_tells() {
        assert_eq!(told(|ms| (11_200..19_000).contains(&ms)), Some(1_500.0));
    }

    #[test]
    fn what_was_never_noticed_or_was_bad_before_has_no_time() {
        assert_eq!(told(|_| false), None);
        assert_eq!(told(|ms| ms >= 25_000), None, "that was after the heal");
        assert_eq!(told(|ms| (9_000..19_000).contains(&ms)), None, "it was bad already");
    }
}
