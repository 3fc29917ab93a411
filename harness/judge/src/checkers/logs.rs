//! Logs and processes: no node panics, none begins anew without a fault that explains it, each tells of what it applied.
//!
//! - *Panics* of a node are wrong; a crash of NATS or Redis is the surroundings' fault, and leaves the run unproven.
//! - *Restarts and kills for memory* need a fault on the service's process, memory, disk or descriptors.
//! - *Errors* that a node logs are known: each belongs to a weather that is described. Others leave the run unproven.
//! - *The order line*: a node logs each order that it applies. A process that ends takes its last lines with it, and a log
//!   may be filtered, so only a whole log that tells of some orders and not of many others is wrong.

use std::collections::BTreeSet;

use super::Desk;
use crate::case::Case;
use crate::history::{ContainerLife, OrderIx, ServiceLog};
use crate::numbers::many;
use crate::plan::{Part, SERVICES};
use crate::verdict::Finding;

/// What a node says at level ERROR in a weather that it is made for: how each line begins.
const KNOWN: [&str; 12] = [
    "the stream is refused",
    "nats is not set up as orders need it",
    "the store refuses to be written to",
    "the store has forgotten what this node applied",
    "redis is not fit for an outbox",
    "an outbox row can never be published",
    "an outbox row is set aside",
    "an outbox row has no valid message id",
    "the key of an outbox row is no hash",
    "a message was set aside",
    "messages left the stream before this node had applied all of them",
    "the stream lost messages that this node has applied",
];

/// Fewer missing lines, by number and by share of the orders, tell nothing.
const MISSING_MIN: u64 = 20;
const MISSING_SHARE: f64 = 0.05;

#[derive(Default)]
struct Found {
    wrong: Vec<String>,
    open: Vec<String>,
}

impl Found {
    fn of(&mut self, service: &str, line: String) {
        if SERVICES.contains(&service) { self.open.push(line) } else { self.wrong.push(line) }
    }
}

pub(super) fn check(desk: &Desk<'_>) -> Finding {
    const NAME: &str = "logs";
    let case = desk.case;
    let history = case.history;
    let mut found = Found::default();
    for log in &history.logs {
        panics(log, &mut found);
        errors(case, log, &mut found);
        found.wrong.extend(silent(case, log));
    }
    for life in &history.lives {
        restarts(case, life, &mut found);
    }
    let Found { wrong, open } = found;
    if !wrong.is_empty() {
        let summary = format!("{} that no fault explains", many(wrong.len(), "event"));
        return Finding::invalid(NAME, summary).counting(wrong.len()).with(wrong).with(open);
    }
    if !open.is_empty() {
        let summary = format!("{} that nothing explains", many(open.len(), "event"));
        return Finding::unknown(NAME, summary).counting(open.len()).with(open);
    }
    if history.logs.is_empty() && history.lives.is_empty() {
        return Finding::valid(NAME, "no logs were read");
    }
    Finding::valid(NAME, format!("no panic and no unexplained restart in {}", many(history.logs.len(), "log")))
}

fn panics(log: &ServiceLog, found: &mut Found) {
    if log.panics > 0 {
        let first = log.first_panics.first().map(|line| format!(", the first: {line}")).unwrap_or_default();
        found.of(
            &log.service,
            format!("{}: {}{first}", log.service, many(usize::try_from(log.panics).unwrap_or(usize::MAX), "panic")),
        );
    }
}

fn errors(case: &Case<'_>, log: &ServiceLog, found: &mut Found) {
    if case.history.node(&log.service).is_none() {
        return;
    }
    let unknown = log.errors.iter().filter(|(message, _)| !KNOWN.iter().any(|known| message.starts_with(known)));
    found.open.extend(unknown.map(|(message, count)| format!("{}: logged {count} times: {message}", log.service)));
}

fn restarts(case: &Case<'_>, life: &ContainerLife, found: &mut Found) {
    if is_explained(case, &life.service) {
        return;
    }
    if life.oom_killed {
        found.of(
            &life.service,
            format!("{}: the kernel ended it for taking too much memory, and no fault had taken any", life.service),
        );
    } else if life.restarts > 0 || life.started_before != life.started_after {
        let told = format!("{}: began anew at {}, and no fault had ended it", life.service, life.started_after);
        found.of(&life.service, told);
    }
}

/// May a fault of the plan have ended the service's process?
fn is_explained(case: &Case<'_>, service: &str) -> bool {
    let ends = |part| matches!(part, Part::Process | Part::Memory | Part::Disk | Part::Descriptors);
    case.plan
        .faults
        .iter()
        .zip(&case.spans)
        .any(|(fault, span)| ends(fault.kind.part()) && span.services.iter().chain(&fault.services).any(|hit| hit == service))
}

/// A node whose log leaves out many of the orders that it applied.
fn silent(case: &Case<'_>, log: &ServiceLog) -> Option<String> {
    let node = case.history.node(&log.service).filter(|node| case.has_projection(*node))?;
    if !log.complete || log.orders == 0 || is_explained(case, &log.service) {
        return None;
    }
    let held = case.history.projected.iter().filter(|entry| entry.node == node && entry.applied > 0).map(|entry| entry.order);
    let held = held.collect::<BTreeSet<OrderIx>>().len() as u64;
    let missing = held.saturating_sub(log.orders);
    let is_much = missing >= MISSING_MIN && missing as f64 > held as f64 * MISSING_SHARE;
    is_much.then(|| format!("{}: holds {held} orders, and its log tells of {}", log.service, log.orders))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::history::{ContainerLife, Entry, ServiceLog};
    use crate::plan::{Fault, FaultKind};
    use crate::testing::{NODES, Story};
    use crate::verdict::{Finding, Verdict};

    fn log(service: &str) -> ServiceLog {
        ServiceLog { service: service.to_owned(), lines: 500, complete: true, orders: 200, ..ServiceLog::default() }
    }

    fn life(service: &str) -> ContainerLife {
        ContainerLife {
            t_us: 0,
            service: service.to_owned(),
            started_before: "2026-01-01T00:00:00Z".to_owned(),
            started_after: "2026-01-01T00:00:00Z".to_owned(),
            restarts: 0,
            oom_killed: false,
        }
    }

    fn with(entries: impl IntoIterator<Item = Entry>) -> Story {
        let mut story = Story::good(200);
        story.entries.extend(entries);
        story
    }

    fn finding(entry: Entry) -> Finding {
        with([entry]).finding("logs")
    }

    #[test]
    fn whole_logs_and_one_life_are_fine() {
        let services = || NODES.into_iter().chain(["nats", "redis"]);
        let story = with(
            services().map(|service| Entry::Log(log(service))).chain(services().map(|service| Entry::Container(life(service)))),
        );
        assert_eq!(story.finding("logs").verdict, Verdict::Valid, "{:?}", story.finding("logs").evidence);
        assert_eq!(Story::good(5).finding("logs").verdict, Verdict::Valid, "a cluster without logs has none to read");
    }

    #[test]
    fn one_log_without_a_life_was_read_all_the_same() {
        let finding = finding(Entry::Log(log(NODES[0])));
        assert_eq!(finding.summary, "no panic and no unexplained restart in 1 log");
    }

    #[test]
    fn log_need_only_tell_of_what_its_own_node_applied() {
        let mut story = with([Entry::Log(ServiceLog { orders: 20, ..log(NODES[1]) })]);
        for entry in &mut story.entries {
            if let Entry::Projection(held) = entry
                && held.node == NODES[1]
                && held.position > 20
            {
                held.applied = 0;
            }
        }
        assert_eq!(story.finding("logs").verdict, Verdict::Valid, "{:?}", story.finding("logs").evidence);
    }

    #[test]
    fn panic_of_a_node_is_wrong_and_one_of_a_store_proves_nothing() {
        for (service, verdict) in [(NODES[0], Verdict::Invalid), ("redis", Verdict::Unknown)] {
            let panicked =
                ServiceLog { panics: 2, first_panics: vec!["thread 'main' panicked at x.rs".to_owned()], ..log(service) };
            let finding = finding(Entry::Log(panicked));
            assert_eq!((finding.verdict, finding.count), (verdict, 1), "{service}");
        }
    }

    #[test]
    fn errors_of_a_known_weather_are_fine_and_others_prove_nothing() {
        for (message, verdict) in [
            ("the store refuses to be written to; no order can be accepted", Verdict::Valid),
            ("a part of the node ended badly", Verdict::Unknown),
        ] {
            let errors = [(message.to_owned(), 3)].into();
            assert_eq!(finding(Entry::Log(ServiceLog { errors, ..log(NODES[1]) })).verdict, verdict, "{message}");
        }
    }

    #[test]
    fn restart_needs_a_fault_that_explains_it() {
        let again = ContainerLife { started_after: "2026-01-01T00:01:00Z".to_owned(), ..life(NODES[0]) };
        let killed = ContainerLife { oom_killed: true, ..life(NODES[0]) };
        for ended in [again, killed] {
            let mut story = with([Entry::Container(ended.clone())]);
            assert_eq!(story.finding("logs").verdict, Verdict::Invalid);
            let services = vec![NODES[0].to_owned()];
            let cut = FaultKind::Cut { from: crate::plan::Peer::Nats, direction: crate::plan::Direction::Both };
            for (kind, verdict) in [(cut, Verdict::Invalid), (FaultKind::Kill, Verdict::Valid)] {
                story.plan.faults =
                    vec![Fault { kind, target: "one".to_owned(), services: services.clone(), at_ms: 0, for_ms: 1 }];
                assert_eq!(story.finding("logs").verdict, verdict, "{kind}");
            }
            let of_redis = ContainerLife { service: "redis".to_owned(), ..ended };
            assert_eq!(finding(Entry::Container(of_redis)).verdict, Verdict::Unknown);
        }
    }

    #[test]
    fn of_many_orders_a_twentieth_may_be_missing() {
        let verdict = |orders: u64| {
            let mut story = Story::good(1_000);
            story.entries.push(Entry::Log(ServiceLog { orders, ..log(NODES[2]) }));
            story.finding("logs").verdict
        };
        assert_eq!((verdict(950), verdict(949)), (Verdict::Valid, Verdict::Invalid));
    }

    #[test]
    fn restart_is_found_by_its_count_alone() {
        let again = ContainerLife { restarts: 1, ..life(NODES[0]) };
        assert_eq!(finding(Entry::Container(again)).verdict, Verdict::Invalid);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn node_is_found_exactly_where_its_log_leaves_out_many_orders(orders in 0..220_u64, complete: bool) {
            let finding = finding(Entry::Log(ServiceLog { complete, orders, ..log(NODES[2]) }));
            prop_assert_eq!(finding.verdict == Verdict::Invalid, complete && orders > 0 && orders <= 180);
        }
    }
}
