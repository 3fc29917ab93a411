//! An order as the cluster knows it: the 201 body, the message payload and the kept answer are this one JSON object.

use std::fmt::Write as _;

use bytes::Bytes;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::{Amount, AmountError, CustomerId, IdError, MessageId, Moment, NewOrder, NodeId, OrderId};

/// An accepted order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedOrder {
    pub order: NewOrder,
    pub message_id: MessageId,
    pub accepted_by: NodeId,
    /// To the microsecond.
    pub accepted_at: Timestamp,
}

/// Why some bytes are no placed order.
#[derive(Debug, thiserror::Error)]
pub enum PlacedOrderError {
    #[error("not the JSON object of an order: {0}")]
    Json(#[from] serde_json::Error),
    #[error("field {field}: {source}")]
    Id { field: &'static str, source: IdError },
    #[error("field amount: {0}")]
    Amount(#[from] AmountError),
    #[error("field acceptedAt: {0}")]
    Time(#[from] jiff::Error),
    #[error("kept entry of the projection is damaged: {0}")]
    Compact(&'static str),
}

/// An accepted order: the same object in every answer, in the message and in the record
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = PlacedOrder)]
pub(crate) struct PlacedWire<'a> {
    #[schema(value_type = OrderId)]
    order_id: &'a str,
    #[schema(value_type = CustomerId)]
    customer_id: &'a str,
    #[serde(borrow)]
    #[schema(value_type = Amount)]
    amount: &'a RawValue,
    #[schema(value_type = MessageId)]
    message_id: &'a str,
    #[schema(value_type = NodeId)]
    accepted_by: &'a str,
    #[schema(value_type = Moment)]
    accepted_at: &'a str,
}

fn id<T>(field: &'static str, parsed: Result<T, IdError>) -> Result<T, PlacedOrderError> {
    parsed.map_err(|source| PlacedOrderError::Id { field, source })
}

impl PlacedOrder {
    /// Reads the payload of a message.
    pub fn from_json(payload: &[u8]) -> Result<Self, PlacedOrderError> {
        let wire: PlacedWire<'_> = serde_json::from_slice(payload)?;
        Ok(Self {
            order: NewOrder {
                order_id: id("orderId", OrderId::new(wire.order_id))?,
                customer_id: id("customerId", CustomerId::new(wire.customer_id))?,
                amount: Amount::parse(wire.amount.get())?,
            },
            message_id: id("messageId", MessageId::new(wire.message_id))?,
            accepted_by: id("acceptedBy", NodeId::new(wire.accepted_by))?,
            accepted_at: wire.accepted_at.parse()?,
        })
    }

    /// The JSON object. Ids need no escaping, and the same order always gives the same bytes.
    #[must_use]
    pub fn to_json(&self) -> Bytes {
        let mut text = String::with_capacity(192 + self.order.order_id.as_str().len() + self.order.customer_id.as_str().len());
        text.push('{');
        self.write_fields(&mut text);
        text.push('}');
        Bytes::from(text)
    }

    /// The fields of the JSON object without its braces.
    pub(crate) fn write_fields(&self, text: &mut String) {
        let _ = write!(
            text,
            r#""orderId":"{}","customerId":"{}","amount":{},"messageId":"{}","acceptedBy":"{}","acceptedAt":"{:.6}""#,
            self.order.order_id, self.order.customer_id, self.order.amount, self.message_id, self.accepted_by, self.accepted_at
        );
    }

    /// `<messageId> <acceptedBy> <acceptedAt in µs> <customerId> <minor units>`: what a projection keeps of an
    /// order, in a third of the bytes of its JSON.
    #[must_use]
    pub fn to_compact(&self) -> String {
        format!(
            "{} {} {} {} {}",
            self.message_id,
            self.accepted_by,
            self.accepted_at.as_microsecond(),
            self.order.customer_id,
            self.order.amount.minor()
        )
    }

    /// Reads [`PlacedOrder::to_compact`].
    pub fn from_compact(order_id: OrderId, compact: &str) -> Result<Self, PlacedOrderError> {
        let mut words = compact.split(' ');
        let mut word = |what| words.next().ok_or(PlacedOrderError::Compact(what));
        let message_id = id("messageId", MessageId::new(word("no message id")?))?;
        let accepted_by = id("acceptedBy", NodeId::new(word("no node")?))?;
        let micros = word("no time")?.parse().map_err(|_| PlacedOrderError::Compact("time is no number"))?;
        let customer_id = id("customerId", CustomerId::new(word("no customer")?))?;
        let minor = word("no amount")?.parse().ok().and_then(Amount::from_minor);
        Ok(Self {
            order: NewOrder { order_id, customer_id, amount: minor.ok_or(PlacedOrderError::Compact("amount is none"))? },
            message_id,
            accepted_by,
            accepted_at: Timestamp::from_microsecond(micros)?,
        })
    }
}

impl NewOrder {
    /// `<customerId> <minor units>`: what makes two requests for one order id the same order.
    #[must_use]
    pub fn canonical(&self) -> String {
        format!("{} {}", self.customer_id, self.amount.minor())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn placed(order: &str, customer: &str, minor: u64, micros: i64) -> PlacedOrder {
        PlacedOrder {
            order: NewOrder {
                order_id: OrderId::new(order).expect("order id"),
                customer_id: CustomerId::new(customer).expect("customer id"),
                amount: Amount::from_minor(minor).expect("amount"),
            },
            message_id: MessageId::from_random(minor, 7),
            accepted_by: NodeId::new("catga_cluster-node-1_1").expect("node id"),
            accepted_at: Timestamp::from_microsecond(micros).expect("time"),
        }
    }

    #[test]
    fn json_has_exact_amounts_and_microseconds() {
        let order = placed("order-001", "customer-123", 9_999, 1_764_000_000_000_000);
        let text = String::from_utf8(order.to_json().to_vec()).expect("utf-8");
        assert!(text.contains(r#""amount":99.99,"#), "{text}");
        assert!(text.contains(r#""acceptedAt":"2025-11-24T16:00:00.000000Z""#), "{text}");
        assert_eq!(PlacedOrder::from_json(text.as_bytes()).expect("reads back"), order);
    }

    #[test]
    fn strangers_are_no_orders() {
        for payload in ["", "{}", "[]", "hello", r#"{"orderId":"a"}"#] {
            assert!(PlacedOrder::from_json(payload.as_bytes()).is_err(), "{payload}");
        }
    }

    proptest! {
        #[test]
        fn both_forms_read_back(
            order in "[a-z0-9][A-Za-z0-9._:-]{0,127}", customer in "[a-z][A-Za-z0-9._:-]{0,60}",
            minor in 1..=Amount::MAX, micros in 0..4_000_000_000_000_000_i64,
        ) {
            let order = placed(&order, &customer, minor, micros);
            prop_assert_eq!(&PlacedOrder::from_json(&order.to_json()).expect("json"), &order);
            prop_assert_eq!(&PlacedOrder::from_compact(order.order.order_id.clone(), &order.to_compact()).expect("compact"), &order);
        }
    }
}
