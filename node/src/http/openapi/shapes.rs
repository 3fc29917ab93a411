//! Shapes of answers that are written by hand, for speed; real answers are held against them by tests.

use utoipa::ToSchema;
use utoipa::openapi::{Components, ComponentsBuilder};

use crate::http::events::{EndReason, FeedEnd};
use crate::http::health::{CheckWord, Checks, Report, StatusWord};
use crate::http::problem::Problem;
use crate::order::{Amount, CustomerId, MessageId, Moment, NodeId, OrderId, OrderWire, PlacedWire, Total};

/// An order in this node's projection
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "its shape is all that is used of it")]
pub(super) struct AppliedOrder {
    order_id: OrderId,
    customer_id: CustomerId,
    amount: Amount,
    message_id: MessageId,
    accepted_by: NodeId,
    accepted_at: Moment,
    /// Its place in the stream
    #[schema(minimum = 1)]
    sequence: u64,
    /// Its place in the order of application on this node
    #[schema(minimum = 1)]
    position: u64,
    /// How often this node applied it: 1
    #[schema(minimum = 1, example = 1)]
    applied: u64,
    applied_at: Moment,
}

/// A part of this node's projection, in the order of application
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "its shape is all that is used of it")]
pub(super) struct OrderPage {
    #[schema(max_items = 1000)]
    orders: Vec<AppliedOrder>,
    /// The `after` of the next page; null is the only end
    #[schema(required = true)]
    next: Option<u64>,
}

/// A customer's ledger on this node
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[serde(deny_unknown_fields)]
#[expect(dead_code, clippy::struct_field_names, reason = "its shape is all that is used of it, and that is the contract's")]
pub(super) struct Customer {
    customer_id: CustomerId,
    /// How many orders
    #[schema(minimum = 1)]
    orders: u64,
    total: Total,
}

/// One event of the feed
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "its shape is all that is used of it")]
pub(super) struct FeedEvent {
    /// The position, for `Last-Event-ID`; the last event repeats the one before
    #[schema(required = false, nullable = false, pattern = "^[0-9]+$", example = "1")]
    id: Option<String>,
    event: EventName,
    /// JSON: `OrderApplied`, or `FeedEnd` in the last event
    data: String,
}

#[derive(ToSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(dead_code, reason = "its shape is all that is used of it")]
pub(super) enum EventName {
    OrderApplied,
    End,
}

/// The data of one event, `event: order-applied`; the event's `id` is the position
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "its shape is all that is used of it")]
pub(super) struct OrderApplied {
    order_id: OrderId,
    message_id: MessageId,
    /// Its place in the stream
    #[schema(minimum = 1)]
    sequence: u64,
    accepted_at: Moment,
    applied_at: Moment,
}

pub(super) fn components() -> Components {
    ComponentsBuilder::new()
        .schema_from::<OrderId>()
        .schema_from::<CustomerId>()
        .schema_from::<MessageId>()
        .schema_from::<NodeId>()
        .schema_from::<Amount>()
        .schema_from::<Total>()
        .schema_from::<Moment>()
        .schema_from::<OrderWire<'_>>()
        .schema_from::<PlacedWire<'_>>()
        .schema_from::<AppliedOrder>()
        .schema_from::<OrderPage>()
        .schema_from::<Customer>()
        .schema_from::<FeedEvent>()
        .schema_from::<EventName>()
        .schema_from::<OrderApplied>()
        .schema_from::<EndReason>()
        .schema_from::<FeedEnd>()
        .schema_from::<StatusWord>()
        .schema_from::<CheckWord>()
        .schema_from::<Checks>()
        .schema_from::<Report<'_>>()
        .schema_from::<Problem<'_>>()
        .build()
}
