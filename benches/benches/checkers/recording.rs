//! A recording of a correct run, made up line by line as it is read.

use std::io::{self, Read};

use judge::history::{
    Answer, Complete, Entry, FORMAT, FeedState, Header, Invoke, NodeIdentity, OpKind, Outcome, Phase, Projection, Published,
    Quiescence, Record, Seen, reads,
};
use judge::plan::{self, Expect, Keys, Load, Plan, Profile};

const NODES: [&str; 3] = ["cluster-node-1", "cluster-node-2", "cluster-node-3"];
/// The operations of one round, which its recording repeats: the order of the round that each is about, and what it asks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Round(&'static [(u64, OpKind)]);

/// Eight operations on three orders: three are new, four are replays, one is a conflict.
pub(crate) const MIXED: Round = Round(&[
    (0, OpKind::Place),
    (1, OpKind::Place),
    (2, OpKind::Place),
    (0, OpKind::Replay),
    (1, OpKind::Replay),
    (2, OpKind::Conflict),
    (2, OpKind::Replay),
    (0, OpKind::Replay),
]);
/// Ten operations on each order: a million are on a hundred thousand orders.
pub(crate) const TEN_EACH: Round = Round(&[
    (0, OpKind::Place),
    (0, OpKind::Replay),
    (0, OpKind::Replay),
    (0, OpKind::Conflict),
    (0, OpKind::Replay),
    (0, OpKind::Replay),
    (0, OpKind::Replay),
    (0, OpKind::Conflict),
    (0, OpKind::Replay),
    (0, OpKind::Replay),
]);
const START_US: u64 = 2_000_000;
/// Between two operations: ten thousand in a second.
const GAP_US: u64 = 100;
const CUSTOMERS: u64 = 1_000;
/// 2026-01-01T00:00:00Z.
const WALL_US: i64 = 1_767_225_600_000_000;

/// The plan that the recording is one of.
pub(crate) fn plan(round: Round, operations: u64) -> Plan {
    Plan {
        format: plan::FORMAT,
        scenario: "made up".to_owned(),
        hypothesis: "a correct cluster is judged valid".to_owned(),
        seed: 1,
        roster: NODES.map(str::to_owned).to_vec(),
        load: Load {
            profile: Profile::Constant,
            rate: 1e6 / GAP_US as f64,
            duration_ms: round.times(operations) * round.operations() * GAP_US / 1_000,
            warm_up_ms: 0,
            client_timeout_ms: 2_000,
            processes_per_node: 100,
            keys: Keys { repeat: 0.5, conflict: 0.125, ..Keys::default() },
            customers: 1_000,
            customer_skew: 0.0,
            body_bytes: None,
            weights: Vec::new(),
            model: plan::Model::Open,
        },
        faults: Vec::new(),
        durability_limit: false,
        quiescent_within_ms: 60_000,
        expect: Expect::default(),
        guard: plan::Guard::default(),
        exercise: [].into(),
    }
}

impl Round {
    fn operations(self) -> u64 {
        self.0.len() as u64
    }

    fn orders(self) -> u64 {
        self.0.iter().map(|(order, _)| order + 1).max().unwrap_or(0)
    }

    fn times(self, operations: u64) -> u64 {
        operations.div_ceil(self.operations())
    }

    /// When the order was placed: its round begins with the new orders.
    fn placed_us(self, order: u64) -> u64 {
        START_US + (order / self.orders() * self.operations() + order % self.orders()) * GAP_US
    }

    fn answer(self, order: u64) -> Answer {
        Answer {
            order_id: id(order),
            customer_id: customer(order),
            amount_minor: Some(amount(order)),
            message_id: message(order),
            accepted_by: NODES[usize::try_from(order % 3).unwrap_or(0)].to_owned(),
            accepted_at: wall(self.placed_us(order) + 50),
        }
    }
}

/// Reads as `history.ndjson` does.
pub(crate) struct Recording {
    round: Round,
    rounds: u64,
    /// Which round comes next, and the stage of the recording that it belongs to.
    next: u64,
    stage: Stage,
    bytes: Vec<u8>,
    given: usize,
    ledger: Vec<(u64, u64)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Beginning,
    Load,
    FinalReads,
    End,
    Over,
}

impl Recording {
    pub(crate) fn new(round: Round, operations: u64) -> Self {
        let ledger = vec![(0, 0); usize::try_from(CUSTOMERS).unwrap_or(0)];
        let (rounds, stage) = (round.times(operations), Stage::Beginning);
        Self { round, rounds, next: 0, stage, bytes: Vec::new(), given: 0, ledger }
    }

    /// Sights, projections, messages and records.
    pub(crate) fn observations(&self) -> u64 {
        self.rounds * self.round.orders() * 8
    }

    fn put(&mut self, entry: &Entry) -> io::Result<()> {
        serde_json::to_writer(&mut self.bytes, entry)?;
        self.bytes.push(b'\n');
        Ok(())
    }

    /// Makes the next lines; none at the end.
    fn refill(&mut self) -> io::Result<()> {
        self.bytes.clear();
        self.given = 0;
        match self.stage {
            Stage::Beginning => self.beginning()?,
            Stage::Load => self.load()?,
            Stage::FinalReads => self.final_reads()?,
            Stage::End => self.end()?,
            Stage::Over => {}
        }
        Ok(())
    }

    /// After each round the next one; after the last, the next stage.
    fn advance(&mut self, next: Stage) {
        self.next += 1;
        if self.next == self.rounds {
            (self.next, self.stage) = (0, next);
        }
    }

    fn beginning(&mut self) -> io::Result<()> {
        let node = |name: &str| NodeIdentity { name: name.to_owned(), id: name.to_owned(), url: String::new() };
        self.put(&Entry::Header(Header {
            format: FORMAT,
            harness: "bench".to_owned(),
            nonce: "run".to_owned(),
            scenario: "made up".to_owned(),
            seed: 1,
            started_at: wall(0),
            nodes: NODES.map(node).to_vec(),
            cluster: "compose".to_owned(),
            load_priority: None,
        }))?;
        for node in NODES {
            self.put(&Entry::Feed { t_us: 1_000, node: node.to_owned(), state: FeedState::Connected, detail: String::new() })?;
        }
        self.put(&Entry::Phase { t_us: START_US, phase: Phase::Load })?;
        self.stage = Stage::Load;
        Ok(())
    }

    fn load(&mut self) -> io::Result<()> {
        let first = self.next * self.round.operations();
        for (op, (order, kind)) in (first..).zip(self.round.0.iter().copied()) {
            let order = self.next * self.round.orders() + order;
            let at_us = START_US + op * GAP_US;
            let amount_minor = amount(order) + u64::from(kind == OpKind::Conflict);
            let node = NODES[usize::try_from(op % 3).unwrap_or(0)].to_owned();
            let (order_id, customer_id) = (id(order), customer(order));
            self.put(&Entry::Invoke(Invoke {
                t_us: at_us + 10,
                op,
                process: 0,
                node,
                intended_us: at_us,
                order_id,
                customer_id,
                amount_minor,
                kind,
            }))?;
            let (outcome, status) = match kind {
                OpKind::Place => (Outcome::Ok, 201),
                OpKind::Replay | OpKind::Read => (Outcome::Ok, 200),
                OpKind::Conflict => (Outcome::Fail, 409),
            };
            let answer = (outcome == Outcome::Ok).then(|| self.round.answer(order));
            let (t_us, replayed) = (at_us + 80, status == 200);
            self.put(&Entry::Complete(Complete {
                t_us,
                op,
                outcome,
                status: Some(status),
                replayed,
                answer,
                applied: None,
                error: None,
            }))?;
        }
        for order in self.orders() {
            for node in NODES {
                self.put(&Entry::Seen(Seen {
                    t_us: self.round.placed_us(order) + 900,
                    node: node.to_owned(),
                    position: order + 1,
                    order_id: id(order),
                    message_id: message(order),
                    sequence: order + 1,
                    accepted_at: wall(self.round.placed_us(order) + 50),
                    applied_at: wall(self.round.placed_us(order) + 500),
                }))?;
            }
        }
        self.advance(Stage::FinalReads);
        if self.stage == Stage::FinalReads {
            let (t_us, last_seen) = (self.end_us(), String::new());
            self.put(&Entry::Quiescence(Quiescence { t_us, reached: true, healthy: true, waited_ms: 5_000, last_seen }))?;
            self.put(&Entry::Phase { t_us, phase: Phase::FinalReads })?;
        }
        Ok(())
    }

    fn final_reads(&mut self) -> io::Result<()> {
        for order in self.orders() {
            let answer = self.round.answer(order);
            let (customer_id, amount_minor, message_id) = (customer(order), Some(amount(order)), message(order));
            if let Some(account) = self.ledger.get_mut(usize::try_from(order % CUSTOMERS).unwrap_or(0)) {
                *account = (account.0 + 1, account.1 + amount(order));
            }
            for node in NODES {
                self.put(&Entry::Projection(Projection {
                    node: node.to_owned(),
                    position: order + 1,
                    sequence: order + 1,
                    order_id: id(order),
                    customer_id: customer_id.clone(),
                    amount_minor,
                    message_id: message_id.clone(),
                    applied: 1,
                    applied_at: wall(self.round.placed_us(order) + 500),
                }))?;
            }
            let stored_at = wall(self.round.placed_us(order) + 200);
            self.put(&Entry::Published(Published {
                sequence: order + 1,
                message_id: message(order),
                stored_at,
                answer: Some(answer),
            }))?;
            self.put(&Entry::Record(Record { order_id: id(order), customer_id, amount_minor, message_id }))?;
        }
        self.advance(Stage::End);
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        let (orders, t_us) = (self.rounds * self.round.orders(), self.end_us() + 1_000);
        let accounts = std::mem::take(&mut self.ledger);
        let customers =
            (0..).zip(&accounts).filter(|(_, (count, _))| *count > 0).map(|(number, account)| (customer(number), *account));
        let customers: Vec<_> = customers.collect();
        let mut counts =
            vec![(reads::STREAM.to_owned(), orders), (reads::RECORDS.to_owned(), orders), (reads::OUTBOX.to_owned(), 0)];
        for node in NODES {
            for (customer_id, (orders, total)) in customers.clone() {
                self.put(&Entry::Ledger { node: node.to_owned(), customer_id, orders, total_minor: Some(total) })?;
            }
            counts.extend([(reads::projection(node), orders), (reads::ledger(node), customers.len() as u64)]);
        }
        for (what, entries) in counts {
            self.put(&Entry::FinalRead { t_us, what, entries, error: None })?;
        }
        self.put(&Entry::End { t_us })?;
        self.stage = Stage::Over;
        Ok(())
    }

    fn orders(&self) -> std::ops::Range<u64> {
        let each = self.round.orders();
        self.next * each..(self.next + 1) * each
    }

    fn end_us(&self) -> u64 {
        START_US + self.rounds * self.round.operations() * GAP_US + 10_000_000
    }
}

impl Read for Recording {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.given == self.bytes.len() {
            self.refill()?;
        }
        let count = (self.bytes.len() - self.given).min(into.len());
        into[..count].copy_from_slice(&self.bytes[self.given..self.given + count]);
        self.given += count;
        Ok(count)
    }
}

fn id(order: u64) -> String {
    format!("run-{order}")
}

fn customer(order: u64) -> String {
    format!("run-customer-{}", order % CUSTOMERS)
}

/// As long as a node's.
fn message(order: u64) -> String {
    format!("message-{order:012}")
}

fn amount(order: u64) -> u64 {
    100 + order * 2
}

fn wall(t_us: u64) -> String {
    let us = WALL_US.saturating_add(i64::try_from(t_us).unwrap_or(0));
    jiff::Timestamp::from_microsecond(us).map(|at| at.to_string()).unwrap_or_default()
}
