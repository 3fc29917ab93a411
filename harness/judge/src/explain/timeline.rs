//! An order's life in order of time, stage by stage, with the steps of the faults over it.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::case::Case;
use crate::history::{Op, OrderIx, Outcome, Quiescence, ReadBack, Step, Wall, wall_us};
use crate::life::content;

/// Faults are told, from beginning to end, of which a step is so near the order's own.
const AROUND_US: u64 = 6_000_000;

#[derive(Debug)]
struct Moment {
    t_us: u64,
    /// By a clock that is not the run's: a store's or a node's.
    by_their_clock: bool,
    what: String,
}

pub(super) fn of(case: &Case<'_>, number: OrderIx) -> Vec<String> {
    let history = case.history;
    let order = history.order(number);
    let mut moments = Vec::new();
    for op in order.ops().iter() {
        operation(case, op, &mut moments);
    }
    for read in order.read_back().iter() {
        moments.extend(read_back(case, read));
    }
    for message in order.published().iter() {
        let id = history.text(history.answer(message.answer).message_id);
        let what = format!("published: the stream has it as sequence {}, message {id}", message.sequence);
        moments.extend(placed(case, message.stored_at, what));
    }
    for seen in order.seen().iter() {
        let what =
            format!("delivered and applied: the feed of {} shows it at position {}", history.node_name(seen.node), seen.position);
        moments.push(Moment { t_us: seen.t_us, by_their_clock: false, what });
    }
    for held in case.projected(number) {
        let what = format!(
            "effect: {} holds it since then at position {}, applied {} times",
            history.node_name(held.node),
            held.position,
            held.applied
        );
        moments.extend(placed(case, held.applied_at, what));
    }
    for confirm in history.confirms.iter().filter(|confirm| confirm.order == number) {
        let what = format!("a GET at {} right after that was answered {}", history.node_name(confirm.node), confirm.status);
        moments.push(Moment { t_us: confirm.t_us, by_their_clock: false, what });
    }
    moments.extend(fault_steps(case, &moments));
    moments.sort_by_key(|moment| moment.t_us);
    let line = |moment: &Moment| {
        let about = if moment.by_their_clock { "~" } else { " " };
        format!("{about}{:+10.3} s  {}", case.edges.ms(moment.t_us) / 1_000.0, moment.what)
    };
    moments.iter().map(line).chain(at_the_end(case, number)).collect()
}

fn operation(case: &Case<'_>, op: &Op, moments: &mut Vec<Moment>) {
    let history = case.history;
    let node = history.node_name(op.node);
    let mut add = |t_us, what| moments.push(Moment { t_us, by_their_clock: false, what });
    let asked = content(history.text(op.customer_id), Some(op.amount_minor));
    add(op.intended_us, format!("operation {}: intended for {node}, {asked}", op.number));
    add(op.sent_us, format!("operation {}: sent", op.number));
    let Some(end) = &op.end else { return };
    let what = match (end.status, end.outcome) {
        (Some(status), outcome) => {
            let replayed = if end.replayed { " as a replay" } else { "" };
            let told = end.answer.map(|answer| history.text(history.answer(answer).message_id));
            let told = told.map(|id| format!(", message {id}")).unwrap_or_default();
            let so = match outcome {
                Outcome::Ok => "",
                Outcome::Fail => ": certainly without effect",
                Outcome::Info => ": it may have taken effect",
            };
            format!("answered {status}{replayed}{told}{so}")
        }
        (None, Outcome::Fail) => "never reached the node".to_owned(),
        (None, _) => "given up without an answer: it may have taken effect".to_owned(),
    };
    add(end.t_us, format!("operation {}: {what}", op.number));
}

fn read_back(case: &Case<'_>, read: &ReadBack) -> Option<Moment> {
    let (node, end) = (case.history.node_name(read.node), read.end?);
    let answered = end.status.map_or("never answered".to_owned(), |status| format!("answered {status}"));
    let sent_s = case.edges.ms(read.sent_us) / 1_000.0;
    let what = format!("operation {}: read back at {node}, asked at {sent_s:+.3} s, {answered}", read.number);
    Some(Moment { t_us: end.t_us, by_their_clock: false, what })
}

/// A wall-clock time on the run's clock, as far as the machines' clocks agree.
fn placed(case: &Case<'_>, wall: Wall, what: String) -> Option<Moment> {
    let since_start = case.history.wall_us(wall)? - wall_us(&case.history.header.started_at)?;
    Some(Moment { t_us: u64::try_from(since_start).unwrap_or(0), by_their_clock: true, what })
}

fn fault_steps(case: &Case<'_>, own: &[Moment]) -> Vec<Moment> {
    let first_us = own.iter().map(|moment| moment.t_us).min().unwrap_or(0).saturating_sub(AROUND_US);
    let last_us = own.iter().map(|moment| moment.t_us).max().unwrap_or(0) + AROUND_US;
    let near = case.history.faults.iter().filter(|step| (first_us..=last_us).contains(&step.t_us));
    let near: BTreeSet<usize> = near.map(|step| step.fault).collect();
    let steps = case.history.faults.iter().filter(|step| near.contains(&step.fault));
    steps
        .filter_map(|step| {
            let fault = case.plan.faults.get(step.fault)?;
            let what = match step.step {
                Step::Inject => "is being injected",
                Step::EffectVerified => "is in force",
                Step::Ineffective => "could not be shown to be in force",
                Step::Heal => "is being healed",
                Step::HealVerified => "is over",
                Step::Unhealed => "could not be shown to be over",
                Step::Injected | Step::Healed => return None,
            };
            let what = format!("FAULT {}: {} {what}", step.fault + 1, fault.label_on(std::slice::from_ref(&step.target)));
            Some(Moment { t_us: step.t_us, by_their_clock: false, what })
        })
        .collect()
}

/// Whether what is then missing is lost, or may have been late.
fn rest_line(case: &Case<'_>, rest: &Quiescence) -> String {
    let at = case.edges.ms(rest.t_us) / 1_000.0;
    let how = if rest.reached { "the cluster had come to rest" } else { "the cluster had not come to rest" };
    format!("at the end: {how} at {at:+.3} s, {:.1} s after load and faults", Duration::from_millis(rest.waited_ms).as_secs_f64())
}

/// What the final reads found, and where they found nothing.
fn at_the_end(case: &Case<'_>, number: OrderIx) -> Vec<String> {
    let history = case.history;
    let order = history.order(number);
    let mut lines: Vec<String> = history.quiescence.iter().map(|rest| rest_line(case, rest)).collect();
    for record in order.records().iter() {
        let content = content(history.text(record.customer_id), record.amount_minor);
        lines.push(format!("at the end: idempotency record of {content}, message {}", history.text(record.message_id)));
    }
    for row in order.rows().iter() {
        let error = row.last_error.as_deref().map(|error| format!(", last error: {error}")).unwrap_or_default();
        lines.push(format!("at the end: outbox row of message {} ({:?}){error}", row.message_id, row.state));
    }
    let nothing = |what: &str, is_empty: bool| {
        let known = if history.has_read(what) { "nothing in" } else { "unknown, not read:" };
        is_empty.then(|| format!("at the end: {known} {what}"))
    };
    lines.extend(nothing(crate::history::reads::RECORDS, order.records().is_empty()));
    lines.extend(nothing(crate::history::reads::OUTBOX, order.rows().is_empty()));
    lines.extend(nothing(crate::history::reads::STREAM, order.published().is_empty()));
    for node in &case.required {
        let is_empty = !case.projected(number).any(|held| held.node == *node);
        lines.extend(nothing(&crate::history::reads::projection(history.node_name(*node)), is_empty));
    }
    lines
}
