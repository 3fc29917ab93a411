//! Histories for tests: a run in which everything went well, and ways to spoil it.

use std::collections::BTreeMap;

use crate::history::{
    Answer, Complete, Entry, FaultStep, FeedState, Header, History, Invoke, NodeIdentity, OpKind, Outcome, Phase, Projection,
    Published, Quiescence, Record, Sample, Seen, Step, read, reads,
};
use crate::plan::{Expect, FORMAT, Fault, FaultKind, Keys, Load, Model, Plan, Profile};
use crate::report::Report;
use crate::verdict::Finding;

pub(crate) const NODES: [&str; 3] = ["cluster-node-1", "cluster-node-2", "cluster-node-3"];
pub(crate) const LOAD_START_US: u64 = 2_000_000;
/// Between two arrivals.
pub(crate) const GAP_US: u64 = 10_000;
/// 2026-01-01T00:00:00Z, the wall clock at 0 of the run's.
const WALL_S: i64 = 1_767_225_600;

/// A plan of so many operations, without faults.
pub(crate) fn plan(operations: u64) -> Plan {
    Plan {
        format: FORMAT,
        scenario: "test".to_owned(),
        hypothesis: "nothing is lost".to_owned(),
        seed: 7,
        roster: NODES.map(str::to_owned).to_vec(),
        load: Load {
            profile: Profile::Constant,
            rate: 100.0,
            duration_ms: operations * 10,
            warm_up_ms: 0,
            client_timeout_ms: 2_000,
            processes_per_node: 80,
            keys: Keys::default(),
            customers: 3,
            customer_skew: 0.0,
            body_bytes: None,
            weights: Vec::new(),
            model: Model::Open,
        },
        faults: Vec::new(),
        guard: crate::plan::Guard::default(),
        durability_limit: false,
        quiescent_within_ms: 60_000,
        expect: Expect::default(),
        exercise: BTreeMap::new(),
    }
}

/// The wall clock at a moment of the run.
pub(crate) fn wall(t_us: u64) -> String {
    let us = WALL_S * 1_000_000 + i64::try_from(t_us).expect("small");
    jiff::Timestamp::from_microsecond(us).expect("in range").to_string()
}

/// Order number `order`'s id, customer, amount and message.
pub(crate) fn id(order: u64) -> String {
    format!("run-{order}")
}

pub(crate) fn customer(order: u64) -> String {
    format!("run-customer-{}", order % 3)
}

pub(crate) fn amount(order: u64) -> u64 {
    order * 100 + 29
}

pub(crate) fn message(order: u64) -> String {
    format!("m-{order}")
}

pub(crate) fn intended_us(order: u64) -> u64 {
    LOAD_START_US + order * GAP_US
}

/// The answer that node `order % 3` gives for an order.
pub(crate) fn answer(order: u64) -> Answer {
    Answer {
        order_id: id(order),
        customer_id: customer(order),
        amount_minor: Some(amount(order)),
        message_id: message(order),
        accepted_by: NODES[(order % 3) as usize].to_owned(),
        accepted_at: wall(intended_us(order) + 2_000),
    }
}

/// A recording that can be spoilt before it is judged.
#[derive(Debug, Clone)]
pub(crate) struct Story {
    pub(crate) plan: Plan,
    pub(crate) entries: Vec<Entry>,
    pub(crate) samples: Vec<Sample>,
    pub(crate) quiescence: Option<Quiescence>,
    /// Final reads that fail: name and error.
    pub(crate) failed_reads: BTreeMap<String, String>,
    /// Ledger lines to change before they are written, by (node, customer).
    pub(crate) ledger: BTreeMap<(String, String), (u64, Option<u64>)>,
    pub(crate) ends: bool,
}

impl Story {
    /// Every order was answered 201 after 5 ms, and seen and applied on all nodes after 8 ms.
    pub(crate) fn good(orders: u64) -> Self {
        let mut story = Self {
            plan: plan(orders),
            entries: vec![Entry::Phase { t_us: LOAD_START_US, phase: Phase::Load }],
            samples: Vec::new(),
            quiescence: Some(Quiescence {
                t_us: intended_us(orders) + 9_000_000,
                reached: true,
                healthy: true,
                waited_ms: 7_000,
                last_seen: "outbox 0".to_owned(),
            }),
            failed_reads: BTreeMap::new(),
            ledger: BTreeMap::new(),
            ends: true,
        };
        for node in NODES {
            story.entries.push(Entry::Feed {
                t_us: 1_000,
                node: node.to_owned(),
                state: FeedState::Connected,
                detail: String::new(),
            });
        }
        for order in 0..orders {
            story.place(order);
            story.publish(order, order + 1, &message(order));
            for node in 0..3 {
                story.see(node, order, order + 1, intended_us(order) + 8_000);
                story.project(node, order, 1);
            }
            story.entries.push(Entry::Record(Record {
                order_id: id(order),
                customer_id: customer(order),
                amount_minor: Some(amount(order)),
                message_id: message(order),
            }));
        }
        story
    }

    fn place(&mut self, order: u64) {
        self.invoke(order, order, order, OpKind::Place, intended_us(order));
        self.complete(order, intended_us(order) + 5_000, Outcome::Ok, Some(201), false, Some(answer(order)));
    }

    pub(crate) fn invoke(&mut self, op: u64, order: u64, node: u64, kind: OpKind, at_us: u64) {
        let amount_minor = if matches!(kind, OpKind::Conflict) { amount(order) + 1 } else { amount(order) };
        self.entries.push(Entry::Invoke(Invoke {
            t_us: at_us + 100,
            op,
            process: 0,
            node: NODES[(node % 3) as usize].to_owned(),
            intended_us: at_us,
            order_id: id(order),
            customer_id: customer(order),
            amount_minor,
            kind,
        }));
    }

    pub(crate) fn complete(
        &mut self,
        op: u64,
        t_us: u64,
        outcome: Outcome,
        status: Option<u16>,
        replayed: bool,
        answer: Option<Answer>,
    ) {
        let applied = None;
        self.entries.push(Entry::Complete(Complete { t_us, op, outcome, status, replayed, answer, applied, error: None }));
    }

    /// An order is read back at a node, between two moments of the run.
    pub(crate) fn read_back(&mut self, op: u64, order: u64, node: u64, (from_us, until_us): (u64, u64), status: u16) {
        let found = status == 200;
        self.invoke(op, order, node, OpKind::Read, from_us - 100);
        let outcome = if found || status == 404 { Outcome::Ok } else { Outcome::Fail };
        self.complete(op, until_us, outcome, Some(status), false, found.then(|| answer(order)));
        self.end_mut(op).applied = found.then_some(1);
    }

    /// A second operation on an order, a millisecond after the first was answered, at the next node.
    pub(crate) fn again(&mut self, op: u64, order: u64, kind: OpKind, outcome: Outcome, status: u16, answer: Option<Answer>) {
        let at_us = intended_us(order) + 6_000;
        self.invoke(op, order, order + 1, kind, at_us);
        self.complete(op, at_us + 3_000, outcome, Some(status), status == 200, answer);
    }

    pub(crate) fn publish(&mut self, order: u64, sequence: u64, message_id: &str) {
        self.entries.push(Entry::Published(Published {
            sequence,
            message_id: message_id.to_owned(),
            stored_at: wall(intended_us(order) + 6_000),
            answer: Some(Answer { message_id: message_id.to_owned(), ..answer(order) }),
        }));
    }

    pub(crate) fn see(&mut self, node: usize, order: u64, position: u64, t_us: u64) {
        self.entries.push(Entry::Seen(Seen {
            t_us,
            node: NODES[node].to_owned(),
            position,
            order_id: id(order),
            message_id: message(order),
            sequence: position,
            accepted_at: wall(intended_us(order) + 2_000),
            applied_at: wall(t_us - 1_000),
        }));
    }

    pub(crate) fn project(&mut self, node: usize, order: u64, applied: u64) {
        self.entries.push(Entry::Projection(Projection {
            node: NODES[node].to_owned(),
            position: order + 1,
            sequence: order + 1,
            order_id: id(order),
            customer_id: customer(order),
            amount_minor: Some(amount(order)),
            message_id: message(order),
            applied,
            applied_at: wall(intended_us(order) + 7_000),
        }));
    }

    /// A fault on one service, with the steps of its life by their times on the run's clock; it was planned for the first.
    pub(crate) fn strike(&mut self, kind: FaultKind, service: &str, for_ms: u64, steps: &[(Step, u64)]) {
        let (fault, target) = (self.plan.faults.len(), service.to_owned());
        let at_ms = steps.first().map_or(0, |(_, t_us)| t_us.saturating_sub(LOAD_START_US) / 1_000);
        self.plan.faults.push(Fault { kind, target: target.clone(), services: vec![target.clone()], at_ms, for_ms });
        self.entries.extend(steps.iter().map(|(step, t_us)| {
            Entry::Fault(FaultStep { t_us: *t_us, fault, target: target.clone(), step: *step, detail: "seen".to_owned() })
        }));
    }

    pub(crate) fn remove(&mut self, unwanted: impl Fn(&Entry) -> bool) {
        self.entries.retain(|entry| !unwanted(entry));
    }

    /// The nodes in `nodes` never hear of the order.
    pub(crate) fn forget_on(&mut self, nodes: &[usize], order: u64) {
        let nodes: Vec<&str> = nodes.iter().map(|node| NODES[*node]).collect();
        self.remove(|entry| match entry {
            Entry::Seen(seen) => seen.order_id == id(order) && nodes.contains(&seen.node.as_str()),
            Entry::Projection(held) => held.order_id == id(order) && nodes.contains(&held.node.as_str()),
            _ => false,
        });
    }

    /// The order is in no stream and on no node.
    pub(crate) fn never_published(&mut self, order: u64) {
        self.forget_on(&[0, 1, 2], order);
        self.remove(|entry| matches!(entry, Entry::Published(found) if found.answer.as_ref().is_some_and(|answer| answer.order_id == id(order))));
    }

    pub(crate) fn no_record(&mut self, order: u64) {
        self.remove(|entry| matches!(entry, Entry::Record(record) if record.order_id == id(order)));
    }

    /// How operation `op` ended.
    pub(crate) fn end_mut(&mut self, op: u64) -> &mut Complete {
        let ends = self.entries.iter_mut().filter_map(|entry| if let Entry::Complete(end) = entry { Some(end) } else { None });
        ends.into_iter().find(|end| end.op == op).expect("the operation has an end")
    }

    /// Operation `op` was given up.
    pub(crate) fn give_up(&mut self, op: u64) {
        let end = self.end_mut(op);
        (end.outcome, end.status, end.answer) = (Outcome::Info, None, None);
        end.t_us += 2_000_000;
    }

    pub(crate) fn refuse(&mut self, op: u64, status: u16) {
        let end = self.end_mut(op);
        (end.outcome, end.status, end.answer) = (Outcome::Fail, Some(status), None);
    }

    pub(crate) fn projection_mut(&mut self, node: usize, order: u64) -> &mut Projection {
        let held =
            self.entries.iter_mut().filter_map(|entry| if let Entry::Projection(held) = entry { Some(held) } else { None });
        held.into_iter().find(|held| held.order_id == id(order) && held.node == NODES[node]).expect("it is held")
    }

    /// The whole file, line by line.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut entries = vec![Entry::Header(header())];
        entries.extend(self.entries.iter().cloned());
        entries.extend(self.ledger_lines());
        let mut t_us = intended_us(0) + 1_000_000_000;
        if let Some(quiescence) = &self.quiescence {
            entries.push(Entry::Quiescence(quiescence.clone()));
            t_us = quiescence.t_us;
        }
        entries.push(Entry::Phase { t_us, phase: Phase::FinalReads });
        entries.extend(self.read_ends(&entries, t_us + 1_000));
        if self.ends {
            entries.push(Entry::End { t_us: t_us + 2_000 });
        }
        entries.iter().map(|entry| serde_json::to_string(entry).expect("entries serialise")).collect()
    }

    pub(crate) fn history(&self) -> History {
        let mut text = self.lines().join("\n");
        text.push('\n');
        read(text.as_bytes()).expect("the story is a history")
    }

    pub(crate) fn report(&self) -> Report {
        crate::judge(&self.plan, &self.history(), &self.samples)
    }

    pub(crate) fn judgement(&self) -> crate::Judgement {
        crate::review(&self.plan, &self.history(), &self.samples)
    }

    pub(crate) fn finding(&self, name: &str) -> Finding {
        let report = self.report();
        report.checkers.into_iter().find(|finding| finding.name == name).expect("there is such a checker")
    }

    /// What an honest node's ledger says, with the story's changes.
    fn ledger_lines(&self) -> Vec<Entry> {
        let mut lines: BTreeMap<(String, String), (u64, Option<u64>)> = BTreeMap::new();
        for entry in &self.entries {
            let Entry::Projection(held) = entry else { continue };
            let (orders, total) = lines.entry((held.node.clone(), held.customer_id.clone())).or_insert((0, Some(0)));
            *orders += 1;
            *total = total.zip(held.amount_minor).map(|(total, amount)| total + amount);
        }
        lines.extend(self.ledger.clone());
        lines
            .into_iter()
            .map(|((node, customer_id), (orders, total_minor))| Entry::Ledger { node, customer_id, orders, total_minor })
            .collect()
    }

    fn read_ends(&self, entries: &[Entry], t_us: u64) -> Vec<Entry> {
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for what in [reads::STREAM, reads::OUTBOX, reads::RECORDS] {
            counts.insert(what.to_owned(), 0);
        }
        for node in NODES {
            counts.insert(reads::projection(node), 0);
            counts.insert(reads::ledger(node), 0);
        }
        for entry in entries {
            let what = match entry {
                Entry::Published(_) => reads::STREAM.to_owned(),
                Entry::Row(_) => reads::OUTBOX.to_owned(),
                Entry::Record(_) => reads::RECORDS.to_owned(),
                Entry::Projection(held) => reads::projection(&held.node),
                Entry::Ledger { node, .. } => reads::ledger(node),
                _ => continue,
            };
            *counts.entry(what).or_default() += 1;
        }
        let end = |(what, entries): (String, u64)| Entry::FinalRead {
            t_us,
            error: self.failed_reads.get(&what).cloned(),
            what,
            entries,
        };
        counts.into_iter().map(end).collect()
    }
}

pub(crate) fn header() -> Header {
    Header {
        format: crate::history::FORMAT,
        harness: "0.1.0".to_owned(),
        nonce: "run".to_owned(),
        scenario: "test".to_owned(),
        seed: 7,
        started_at: wall(0),
        nodes: NODES.map(|name| NodeIdentity { name: name.to_owned(), id: name.to_owned(), url: String::new() }).to_vec(),
        cluster: "compose".to_owned(),
        load_priority: Some(crate::history::Priority::RealTime),
    }
}
