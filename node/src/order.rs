//! The words of the domain: ids, exact amounts, and an order as it is placed.

mod amount;
mod ids;
mod placed;
mod request;
mod schema;

pub use amount::{Amount, AmountError, Total};
pub use ids::{CustomerId, IdError, MessageId, NodeId, OrderId};
pub(crate) use placed::PlacedWire;
pub use placed::{PlacedOrder, PlacedOrderError};
pub(crate) use request::OrderWire;
pub use request::{RequestError, parse_order};
pub use schema::{Moment, reference};

/// What a client asks for: the order id and its canonical content (customer, minor units).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewOrder {
    pub order_id: OrderId,
    pub customer_id: CustomerId,
    pub amount: Amount,
}
