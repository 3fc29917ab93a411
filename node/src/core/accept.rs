//! Accepting an order.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use tokio::sync::mpsc::Permit;

use super::{Core, Outgoing};
use crate::error::Error;
use crate::mediator::{Command, Handler, Request};
use crate::order::{MessageId, NewOrder, PlacedOrder};
use crate::ports::{Acceptance, Accepted, Bus, Clock, Ports, Rng, RowKey, Store, StoreError};
use crate::state::Phase;

/// Place an order.
#[derive(Debug)]
pub struct PlaceOrder(pub NewOrder);

/// A placed order's answer: the first one, whoever asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Placement {
    New(Bytes),
    Replayed(Bytes),
}

impl Request for PlaceOrder {
    type Response = Placement;
    type Error = Error;
}

impl Command for PlaceOrder {}

impl<P: Ports> Handler<PlaceOrder> for Arc<Core<P>> {
    async fn handle(&self, PlaceOrder(order): PlaceOrder) -> Result<Placement, Error> {
        self.may_accept()?;
        let go = self.bus.link().is_up() || self.removes_before_ack();
        let place = if go { self.relay.place(&self.clock).await } else { None };
        let placed = self.placed(order);
        let payload = placed.to_json();
        let acceptance = Acceptance { placed: &placed, payload: &payload, token: self.token() };
        match self.store.accept(acceptance).await {
            Ok(Accepted::New) => {
                self.metrics.orders_new.increment();
                self.relay_now(place, placed, payload.clone());
                Ok(Placement::New(payload))
            }
            Ok(Accepted::Recorded { content, answer }) if content == placed.order.canonical() => Ok(self.replayed(answer)),
            Ok(Accepted::Applied(first)) if first.order == placed.order => Ok(self.replayed(first.to_json())),
            Ok(Accepted::Recorded { .. } | Accepted::Applied(_)) => {
                self.metrics.orders_conflict.increment();
                Err(Error::Conflict { order_id: placed.order.order_id.to_string() })
            }
            Ok(Accepted::BacklogFull(depth)) => {
                self.metrics.orders_refused.increment();
                Err(Error::Unavailable(format!("the backlog of {depth} orders is at its limit")))
            }
            Err(error) => Err(self.not_accepted(error)),
        }
    }
}

impl<P: Ports> Core<P> {
    fn may_accept(&self) -> Result<(), Error> {
        let reason = match self.life.phase() {
            Phase::Serving => return Ok(()),
            Phase::Starting => "the node is starting",
            Phase::Draining => "the node is draining",
        };
        self.metrics.orders_refused.increment();
        Err(Error::Unavailable(reason.to_owned()))
    }

    fn placed(&self, order: NewOrder) -> PlacedOrder {
        let now = self.clock.now().as_microsecond();
        PlacedOrder {
            order,
            message_id: MessageId::from_random(self.rng.next_u64(), self.rng.next_u64()),
            accepted_by: self.node.clone(),
            // Cut to what the wire carries, so that every later copy of the order is the same.
            accepted_at: Timestamp::from_microsecond(now).unwrap_or(Timestamp::UNIX_EPOCH),
        }
    }

    fn replayed(&self, answer: Bytes) -> Placement {
        self.metrics.orders_replayed.increment();
        Placement::Replayed(answer)
    }

    fn not_accepted(&self, error: StoreError) -> Error {
        let counter =
            if error.proves_nothing_written() { &self.metrics.orders_refused } else { &self.metrics.orders_indeterminate };
        counter.increment();
        Error::from(error)
    }

    /// Hands an accepted order to the relay; where that is full or the bus is down, its row falls due and is recovered.
    fn relay_now(&self, place: Option<Permit<'_, Outgoing>>, placed: PlacedOrder, payload: Bytes) {
        let row = RowKey { message_id: placed.message_id, order_id: Some(placed.order.order_id), token: self.token.clone() };
        match place {
            Some(place) => place.send(Outgoing { row, subject: Arc::clone(&self.subject), payload, attempts: 0 }),
            None => self.metrics.relay_overflow.increment(),
        }
    }
}
