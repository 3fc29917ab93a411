//! Accepting orders as a group: while scripts are in flight the next orders gather, and one script accepts them
//! all. Nobody waits for company: an order that comes alone is sent alone, at once.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use redis::aio::MultiplexedConnection;
use redis::{Cmd, RedisResult, Value};
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;

use super::keys::Keys;
use super::link::RedisLink;
use super::reads;
use super::scripts::Scripts;
use crate::order::{MessageId, NodeId, OrderId};
use crate::ports::{Acceptance, Accepted, StoreError, whole_millis};
use crate::settings::StoreLimits;

/// Most orders that one script accepts: it holds up everybody else for less than a millisecond.
const BATCH: usize = 128;
/// Scripts in flight at once: one that runs, and one that is on its way.
const IN_FLIGHT: usize = 2;
/// Orders that may wait for their script; further ones wait to be allowed to wait.
const QUEUE: usize = 1024;

type Answer = Result<Accepted, StoreError>;

/// An order that waits to be accepted.
struct Waiting {
    order_id: OrderId,
    content: String,
    payload: Bytes,
    message_id: MessageId,
    token: String,
    answer: oneshot::Sender<Answer>,
}

/// The first order of its id in a batch, and others of that id that came with it.
struct Entrant {
    first: Waiting,
    others: Vec<oneshot::Sender<Answer>>,
}

/// What the scripts take.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) link: Arc<RedisLink>,
    pub(super) keys: Arc<Keys>,
    pub(super) scripts: Arc<Scripts>,
    pub(super) node: NodeId,
    pub(super) subject: String,
    pub(super) limits: StoreLimits,
}

/// Where orders queue up to be accepted.
#[derive(Debug)]
pub(super) struct Acceptor {
    queue: mpsc::Sender<Waiting>,
    task: AbortHandle,
}

impl Acceptor {
    pub(super) fn start(desk: Desk) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE);
        Self { queue, task: tokio::spawn(async move { desk.serve(waiting).await }).abort_handle() }
    }

    pub(super) async fn accept(&self, acceptance: &Acceptance<'_>) -> Answer {
        let (answer, answered) = oneshot::channel();
        let (order, placed) = (acceptance.order(), acceptance.placed);
        let waiting = Waiting {
            order_id: order.order_id.clone(),
            content: order.canonical(),
            payload: acceptance.payload.clone(),
            message_id: placed.message_id.clone(),
            token: acceptance.token.to_owned(),
            answer,
        };
        let closing = |_| StoreError::Unsent("the store is closing".to_owned());
        self.queue.send(waiting).await.map_err(closing)?;
        answered.await.unwrap_or_else(|_| Err(StoreError::Lost("the store closed before it answered".to_owned())))
    }
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Desk {
    /// Accepts what queues up, until nothing can queue up any more.
    async fn serve(&self, mut queue: mpsc::Receiver<Waiting>) {
        let mut link = self.link.watch();
        let mut in_flight = FuturesUnordered::new();
        let mut group = Vec::with_capacity(BATCH);
        // Only scripts of the current generation count as busy: what a cut left behind ends when it ends.
        let (mut epoch, mut generation, mut busy) = (0, 0_u64, 0_usize);
        loop {
            tokio::select! {
                biased;
                Some(ended) = in_flight.next() => busy -= usize::from(ended == generation),
                count = queue.recv_many(&mut group, BATCH), if busy < IN_FLIGHT => {
                    if count == 0 {
                        return;
                    }
                    let connection = self.link.connection();
                    let sent_under = connection.as_ref().map_or(epoch, |(_, live)| *live);
                    if sent_under != epoch {
                        (epoch, generation, busy) = (sent_under, generation + 1, 0);
                    }
                    let entrants = entrants(group.drain(..));
                    match connection {
                        Ok((connection, _)) => {
                            busy += 1;
                            in_flight.push(self.accept_group(connection, epoch, entrants).map(move |()| generation));
                        }
                        Err(error) => refuse(entrants, &error),
                    }
                }
                // Scripts that a cut left without an answer must not keep others waiting for the proof that they were not sent.
                () = link.wait_end_of(epoch), if busy >= IN_FLIGHT => (generation, busy) = (generation + 1, 0),
            }
        }
    }

    /// Accepts a group with one script.
    async fn accept_group(&self, mut connection: MultiplexedConnection, epoch: u64, entrants: Vec<Entrant>) {
        let call = self.accept_call(&entrants);
        let replies: RedisResult<Vec<Value>> = self.scripts.accept.run(&call, &mut connection).await;
        match replies.map_err(|error| self.link.failed(epoch, &error)) {
            Ok(replies) if replies.len() == entrants.len() => {
                for (entrant, reply) in entrants.into_iter().zip(replies) {
                    let answer = self.accepted(&entrant.first, reply);
                    entrant.answer(answer);
                }
            }
            Ok(replies) => {
                let error = format!("{} orders were accepted with {} answers", entrants.len(), replies.len());
                refuse(entrants, &StoreError::Failed(error));
            }
            Err(error) => refuse(entrants, &error),
        }
    }

    fn accept_call(&self, entrants: &[Entrant]) -> Cmd {
        let orders = || entrants.iter().map(|entrant| &entrant.first);
        let (words, bytes) = (6 + 7 * entrants.len(), 512 + 640 * entrants.len());
        let mut call = self.scripts.accept.long_call(2 + 2 * entrants.len(), words, bytes);
        call.arg(&self.keys.index).arg(&self.keys.orders);
        for order in orders() {
            call.arg(self.keys.record(&order.order_id));
        }
        for order in orders() {
            call.arg(self.keys.row(&order.message_id));
        }
        call.arg(&self.subject).arg(self.node.as_str()).arg(whole_millis(self.limits.lease)).arg(self.limits.outbox);
        for order in orders() {
            call.arg(order.order_id.as_str());
        }
        for order in orders() {
            call.arg(&order.content);
        }
        for order in orders() {
            call.arg(order.payload.as_ref());
        }
        for order in orders() {
            call.arg(order.message_id.as_str());
        }
        for order in orders() {
            call.arg(&order.token);
        }
        call
    }

    fn accepted(&self, order: &Waiting, reply: Value) -> Answer {
        let strange = |what: &str| {
            let (id, prefix) = (&order.order_id, &self.keys.prefix);
            StoreError::Failed(format!("the {what} of order {id} under {prefix} is in no form that this node knows"))
        };
        let Value::Array(parts) = reply else {
            return if reply == Value::Int(0) { Ok(Accepted::New) } else { Err(strange("accept reply")) };
        };
        match parts.as_slice() {
            [Value::Int(1), Value::BulkString(record)] => {
                let split = record.iter().position(|byte| *byte == b'\n').ok_or_else(|| strange("record"))?;
                let content = String::from_utf8_lossy(&record[..split]).into_owned();
                Ok(Accepted::Recorded { content, answer: Bytes::copy_from_slice(&record[split + 1..]) })
            }
            [Value::Int(2), Value::BulkString(entry)] => {
                Ok(Accepted::Applied(Box::new(reads::entry(order.order_id.clone(), entry)?.placed)))
            }
            [Value::Int(3), Value::Int(depth)] => Ok(Accepted::BacklogFull(u64::try_from(*depth).unwrap_or(0))),
            [Value::Int(4)] => Err(strange("record or row")),
            _ => Err(strange("accept reply")),
        }
    }
}

/// One entrant an order id. Requests whose client is gone are let go before anything is sent for them.
fn entrants(group: impl Iterator<Item = Waiting>) -> Vec<Entrant> {
    let mut entrants: Vec<Entrant> = Vec::with_capacity(group.size_hint().0);
    let mut places = HashMap::with_capacity(group.size_hint().0);
    for waiting in group.filter(|waiting| !waiting.answer.is_closed()) {
        match places.entry(waiting.order_id.clone()) {
            Entry::Vacant(place) => {
                place.insert(entrants.len());
                entrants.push(Entrant { first: waiting, others: Vec::new() });
            }
            Entry::Occupied(place) => entrants[*place.get()].others.push(waiting.answer),
        }
    }
    entrants
}

impl Entrant {
    /// The others find what they would find after the first: its record, where it was new, and the same otherwise.
    fn answer(self, answer: Answer) {
        let Waiting { content, payload, answer: first, .. } = self.first;
        if !self.others.is_empty() {
            let after = match &answer {
                Ok(Accepted::New) => Ok(Accepted::Recorded { content, answer: payload }),
                same => same.clone(),
            };
            for other in self.others {
                // A client that is gone needs no answer.
                let _ = other.send(after.clone());
            }
        }
        let _ = first.send(answer);
    }
}

/// All of a group meet the same error.
fn refuse(entrants: Vec<Entrant>, error: &StoreError) {
    for entrant in entrants {
        entrant.answer(Err(error.clone()));
    }
}
