//! Accepting an order.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;

use super::relay::Place;
use super::{Core, Outgoing};
use crate::error::Error;
use crate::mediator::{Command, Handler, Request};
use crate::order::{MessageId, NewOrder, OrderId, PlacedOrder};
use crate::ports::{Acceptance, Accepted, Bus, Clock, Ports, Rng, RowKey, Store, StoreError};
use crate::state::Phase;
use crate::trace::{self, TraceParent};

/// Place an order.
#[derive(Debug)]
pub struct PlaceOrder {
    pub order: NewOrder,
    /// The trace that it is part of, where its client named one.
    pub trace: Option<TraceParent>,
    /// How long its client still waits, where that is less than any request may take.
    pub time_left: Option<Duration>,
}

/// A placed order's answer: the first one, whoever asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Placement {
    New(Bytes),
    Replayed(Bytes),
}

impl From<NewOrder> for PlaceOrder {
    fn from(order: NewOrder) -> Self {
        Self { order, trace: None, time_left: None }
    }
}

impl Request for PlaceOrder {
    type Response = Placement;
    type Error = Error;
}

impl Command for PlaceOrder {}

impl<P: Ports> Handler<PlaceOrder> for Arc<Core<P>> {
    async fn handle(&self, PlaceOrder { order, trace, .. }: PlaceOrder) -> Result<Placement, Error> {
        self.may_accept()?;
        let go = self.bus.link().is_up() || self.removes_before_ack();
        let place = if go { self.relay.place(&self.clock).await } else { None };
        let placed = self.placed(order);
        trace::accepted(&self.node, &placed.message_id);
        let payload = placed.to_json();
        if planted!(self, AckBeforePersist) {
            self.store_later(placed, payload.clone());
            return Ok(Placement::New(payload));
        }
        let acceptance = Acceptance { placed: &placed, payload: &payload, token: self.token() };
        let waits = self.waiting.begin(self.clock.elapsed());
        let accepted = self.store.accept(acceptance).await;
        drop(waits);
        match accepted {
            Ok(Accepted::New) => {
                let echo =
                    if planted!(self, EchoesAnotherOrder) && self.now_and_then() { another(&placed) } else { payload.clone() };
                self.relay_now(place, placed, payload, trace);
                if planted!(self, RefusedAfterWriting) && self.now_and_then() {
                    return Err(Error::Unavailable("the store is busy".to_owned()));
                }
                Ok(Placement::New(echo))
            }
            Ok(Accepted::Recorded { answer, .. }) if planted!(self, ConflictAccepted) => Ok(Placement::Replayed(answer)),
            Ok(Accepted::Applied(first)) if planted!(self, ConflictAccepted) => Ok(Placement::Replayed(first.to_json())),
            Ok(Accepted::Recorded { content, .. })
                if planted!(self, ReplayChangesAnswer) && content == placed.order.canonical() =>
            {
                Ok(Placement::Replayed(payload))
            }
            Ok(Accepted::Applied(first)) if planted!(self, ReplayChangesAnswer) && first.order == placed.order => {
                Ok(Placement::Replayed(payload))
            }
            Ok(Accepted::Recorded { content, answer }) if planted!(self, ReplayAsNew) && content == placed.order.canonical() => {
                Ok(Placement::New(answer))
            }
            Ok(Accepted::Applied(first)) if planted!(self, ReplayAsNew) && first.order == placed.order => {
                Ok(Placement::New(first.to_json()))
            }
            Ok(Accepted::Recorded { content, answer }) if content == placed.order.canonical() => Ok(Placement::Replayed(answer)),
            Ok(Accepted::Applied(first)) if first.order == placed.order => Ok(Placement::Replayed(first.to_json())),
            Ok(Accepted::Recorded { .. } | Accepted::Applied(_)) => {
                Err(Error::Conflict { order_id: placed.order.order_id.to_string() })
            }
            Ok(Accepted::BacklogFull(depth)) => Err(Error::Unavailable(format!("the backlog of {depth} orders is at its limit"))),
            Err(StoreError::Lost(_)) if planted!(self, OkAfterTimeout) => Ok(Placement::New(payload)),
            Err(error) => Err(Error::from(error)),
        }
    }
}

/// The answer to another order.
fn another(placed: &PlacedOrder) -> Bytes {
    let mut other = placed.clone();
    if let Ok(id) = OrderId::new(&format!("{}-x", placed.order.order_id)) {
        other.order.order_id = id;
    }
    other.to_json()
}

impl<P: Ports> Core<P> {
    fn may_accept(&self) -> Result<(), Error> {
        let reason = match self.life.phase() {
            Phase::Serving => return Ok(()),
            Phase::Starting => "the node is starting",
            Phase::Draining => "the node is draining",
        };
        Err(Error::Unavailable(reason.to_owned()))
    }

    fn placed(&self, order: NewOrder) -> PlacedOrder {
        let now = self.clock.now().as_microsecond();
        PlacedOrder {
            order,
            message_id: if planted!(self, MessageIdReused) {
                MessageId::from_random(self.rng.next_u64() % 64, 0)
            } else {
                MessageId::from_random(self.rng.next_u64(), self.rng.next_u64())
            },
            accepted_by: self.node.clone(),
            // Cut to what the wire carries, so that every later copy of the order is the same.
            accepted_at: Timestamp::from_microsecond(now).unwrap_or(Timestamp::UNIX_EPOCH),
        }
    }

    /// Hands an accepted order to the relay; where that is full or the bus is down, its row falls due and is recovered.
    fn relay_now(&self, place: Option<Place<'_>>, placed: PlacedOrder, payload: Bytes, trace: Option<TraceParent>) {
        let row = RowKey { message_id: placed.message_id, order_id: Some(placed.order.order_id), token: self.token.clone() };
        let (subject, trace) = (Arc::clone(&self.subject), trace::here().or(trace));
        match place {
            Some(place) => place.send(Outgoing { row, subject, payload, attempts: 0, trace }),
            None => self.metrics.relay_overflow.increment(),
        }
    }
}
