//! Reads of this node's projection and ledger.

use std::fmt::Write as _;
use std::sync::Arc;

use jiff::Timestamp;

use super::Core;
use crate::error::Error;
use crate::mediator::{Handler, Query, Request};
use crate::order::{Amount, CustomerId, OrderId};
use crate::ports::{Ledger, Ports, Projected, Store};

/// Most orders in one page.
const PAGE_MAX: usize = 1000;

/// One order of this node's projection.
#[derive(Debug)]
pub struct GetOrder(pub OrderId);

/// A page of this node's projection.
#[derive(Debug)]
pub struct ListOrders {
    pub after: u64,
    pub limit: usize,
}

/// A page as it is answered.
#[derive(Debug)]
pub struct OrderList {
    pub orders: Vec<Projected>,
    /// Where the next page begins; `None` is the only end.
    pub next: Option<u64>,
}

/// A customer's ledger on this node.
#[derive(Debug)]
pub struct GetCustomer(pub CustomerId);

/// A ledger as it is answered.
#[derive(Debug)]
pub struct CustomerView {
    pub id: CustomerId,
    pub ledger: Ledger,
}

impl Request for GetOrder {
    type Response = Projected;
    type Error = Error;
}
impl Request for ListOrders {
    type Response = OrderList;
    type Error = Error;
}
impl Request for GetCustomer {
    type Response = CustomerView;
    type Error = Error;
}
impl Query for GetOrder {}
impl Query for ListOrders {}
impl Query for GetCustomer {}

impl<P: Ports> Handler<GetOrder> for Arc<Core<P>> {
    async fn handle(&self, GetOrder(id): GetOrder) -> Result<Projected, Error> {
        let found = self.store.order(&id).await.map_err(|error| Error::of_read(&error))?;
        let found = found.filter(|_| !(planted!(self, ForgetsOrders) && Core::<P>::is_chosen(&id, 2)));
        let mut found = found.ok_or_else(|| Error::NotFound(format!("order {id} is not applied on this node").into()))?;
        if planted!(self, ReadsAnotherAmount) && Core::<P>::is_chosen(&id, 50) {
            let amount = &mut found.placed.order.amount;
            *amount = Amount::from_minor(amount.minor() ^ 1).unwrap_or(*amount);
        }
        Ok(found)
    }
}

impl<P: Ports> Handler<ListOrders> for Arc<Core<P>> {
    async fn handle(&self, list: ListOrders) -> Result<OrderList, Error> {
        let limit = list.limit.clamp(1, PAGE_MAX);
        let mut page = self.store.page(list.after, limit).await.map_err(|error| Error::of_read(&error))?;
        if planted!(self, PageSkips) {
            page.entries.retain(|entry| !Core::<P>::is_chosen(&entry.placed.order.order_id, 50));
        }
        Ok(OrderList { orders: page.entries, next: (page.end < page.last).then_some(page.end) })
    }
}

impl<P: Ports> Handler<GetCustomer> for Arc<Core<P>> {
    async fn handle(&self, GetCustomer(id): GetCustomer) -> Result<CustomerView, Error> {
        let found = self.store.customer(&id).await.map_err(|error| Error::of_read(&error))?;
        let mut ledger = found.ok_or_else(|| Error::NotFound(format!("customer {id} has no orders on this node").into()))?;
        if planted!(self, LedgerRounds) {
            ledger.total.0 -= ledger.total.0 % 100;
        }
        if planted!(self, LedgerMiscounts) {
            ledger.orders -= 1;
        }
        Ok(CustomerView { id, ledger })
    }
}

impl Projected {
    /// The JSON object of a projected order.
    pub fn write_json(&self, text: &mut String) {
        let applied_at = Timestamp::from_microsecond(self.applied_at_us).unwrap_or(Timestamp::UNIX_EPOCH);
        text.push('{');
        self.placed.write_fields(text);
        let _ = write!(
            text,
            r#","sequence":{},"position":{},"applied":{},"appliedAt":"{applied_at:.6}"}}"#,
            self.sequence, self.position, self.applied
        );
    }
}

impl OrderList {
    /// `{"orders": [...], "next": ...}`
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text = String::with_capacity(32 + 320 * self.orders.len());
        text.push_str(r#"{"orders":["#);
        for (index, order) in self.orders.iter().enumerate() {
            if index > 0 {
                text.push(',');
            }
            order.write_json(&mut text);
        }
        match self.next {
            Some(next) => {
                let _ = write!(text, r#"],"next":{next}}}"#);
            }
            None => text.push_str(r#"],"next":null}"#),
        }
        text
    }
}

impl CustomerView {
    /// `{"customerId", "orders", "total"}`
    #[must_use]
    pub fn to_json(&self) -> String {
        format!(r#"{{"customerId":"{}","orders":{},"total":{}}}"#, self.id, self.ledger.orders, self.ledger.total)
    }
}
