//! Orders, the pages of a projection, and a customer's ledger, as a node's HTTP interface gives them.

use judge::history::Answer;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{WireError, amount};

/// One order in a node's projection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The order itself.
    pub answer: Answer,
    /// Its sequence in the stream.
    pub sequence: u64,
    /// Its place in the order of application on this node.
    pub position: u64,
    /// How often this node applied it.
    pub applied: u64,
    /// When, by the node's clock; RFC 3339.
    pub applied_at: String,
}

/// One page of `GET /api/orders`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// In the order of application.
    pub orders: Vec<Applied>,
    /// The position to ask for next; `None` is the only end.
    pub next: Option<u64>,
}

/// One customer in a node's ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ledger {
    /// Number of orders.
    pub orders: u64,
    /// Their sum; `None` where it is not an exact number of minor units.
    pub total_minor: Option<u64>,
}

/// Reads an order: the body of a 200 or 201, a message's payload, the answer kept in a record.
///
/// An amount that is no exact number of minor units is `None` in the answer; any other field that is missing or of
/// another type is an error. Fields that the contract does not name are passed over.
///
/// # Errors
/// The bytes are no such object.
pub fn answer(body: &[u8]) -> Result<Answer, WireError> {
    let raw: RawAnswer<'_> = serde_json::from_slice(body).map_err(|error| WireError::json("an order", &error, body))?;
    Ok(raw.read())
}

/// Reads one order of a node's projection, the body of `GET /api/orders/{id}`.
///
/// # Errors
/// The bytes are no such object.
pub fn applied(body: &[u8]) -> Result<Applied, WireError> {
    let raw: RawApplied<'_> = serde_json::from_slice(body).map_err(|error| WireError::json("an applied order", &error, body))?;
    Ok(raw.read())
}

/// Reads one page of `GET /api/orders`.
///
/// # Errors
/// The bytes are no such object; `next` is missing (only `null` ends a projection).
pub fn page(body: &[u8]) -> Result<Page, WireError> {
    let raw: RawPage<'_> = serde_json::from_slice(body).map_err(|error| WireError::json("a page of orders", &error, body))?;
    Ok(Page { orders: raw.orders.into_iter().map(RawApplied::read).collect(), next: raw.next })
}

/// Reads the body of `GET /api/customers/{id}`.
///
/// # Errors
/// The bytes are no such object.
pub fn ledger(body: &[u8]) -> Result<Ledger, WireError> {
    let raw: RawLedger<'_> = serde_json::from_slice(body).map_err(|error| WireError::json("a ledger", &error, body))?;
    Ok(Ledger { orders: raw.orders, total_minor: amount::of_field(raw.total) })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawAnswer<'a> {
    order_id: String,
    customer_id: String,
    #[serde(borrow)]
    amount: Option<&'a RawValue>,
    message_id: String,
    accepted_by: String,
    accepted_at: String,
}

impl RawAnswer<'_> {
    fn read(self) -> Answer {
        Answer {
            order_id: self.order_id,
            customer_id: self.customer_id,
            amount_minor: amount::of_field(self.amount),
            message_id: self.message_id,
            accepted_by: self.accepted_by,
            accepted_at: self.accepted_at,
        }
    }
}

// The order's fields are repeated, not flattened: serde's flatten buffers values, and the text of the amount is lost.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawApplied<'a> {
    order_id: String,
    customer_id: String,
    #[serde(borrow)]
    amount: Option<&'a RawValue>,
    message_id: String,
    accepted_by: String,
    accepted_at: String,
    sequence: u64,
    position: u64,
    applied: u64,
    applied_at: String,
}

impl RawApplied<'_> {
    fn read(self) -> Applied {
        let answer = RawAnswer {
            order_id: self.order_id,
            customer_id: self.customer_id,
            amount: self.amount,
            message_id: self.message_id,
            accepted_by: self.accepted_by,
            accepted_at: self.accepted_at,
        };
        Applied {
            answer: answer.read(),
            sequence: self.sequence,
            position: self.position,
            applied: self.applied,
            applied_at: self.applied_at,
        }
    }
}

#[derive(Deserialize)]
struct RawPage<'a> {
    #[serde(borrow)]
    orders: Vec<RawApplied<'a>>,
    // Naming the function makes serde demand the field: an absent `next` must not read as the end.
    #[serde(deserialize_with = "Option::deserialize")]
    next: Option<u64>,
}

#[derive(Deserialize)]
struct RawLedger<'a> {
    orders: u64,
    #[serde(borrow)]
    total: Option<&'a RawValue>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDER: &str = r#""orderId":"n-1","customerId":"c-1","amount":AMOUNT,"messageId":"m-1","acceptedBy":"cluster-node-1","acceptedAt":"2026-01-01T00:00:00.000001Z""#;
    const PLACE: &str = r#""sequence":7,"position":3,"applied":1,"appliedAt":"2026-01-01T00:00:00.100000Z""#;

    fn order(amount: &str) -> String {
        format!("{{{}}}", ORDER.replace("AMOUNT", amount))
    }

    #[test]
    fn an_order_is_read_with_its_exact_amount() {
        for (amount, expected) in [
            ("99.99", Some(9_999)),
            ("100", Some(10_000)),
            ("1e2", Some(10_000)),
            ("100.00", Some(10_000)),
            ("0.125", None),
            ("\"99.99\"", None),
            ("null", None),
            ("-5", None),
        ] {
            let read = answer(order(amount).as_bytes()).expect("an order");
            assert_eq!(read.amount_minor, expected, "{amount}");
            assert_eq!((read.order_id.as_str(), read.message_id.as_str()), ("n-1", "m-1"));
            assert_eq!(read.accepted_by, "cluster-node-1");
        }
    }

    #[test]
    fn what_is_no_order_is_an_error_and_says_so() {
        for body in ["", "{}", "[]", "null", "hello", r#"{"orderId":1}"#, "{\"orderId\":\"\u{0}"] {
            let error = answer(body.as_bytes()).expect_err(body);
            assert!(error.to_string().starts_with("reading an order"), "{error}");
        }
        let twice = format!("{{{},\"orderId\":\"n-2\"}}", ORDER.replace("AMOUNT", "1"));
        assert!(answer(twice.as_bytes()).is_err(), "an order with two ids is ambiguous");
    }

    #[test]
    fn fields_beyond_the_contract_are_passed_over() {
        let body = format!("{{{},\"more\":{{}}}}", ORDER.replace("AMOUNT", "1"));
        assert!(answer(body.as_bytes()).is_ok());
    }

    #[test]
    fn a_page_ends_only_where_next_is_null() {
        let row = format!("{{{},{PLACE}}}", ORDER.replace("AMOUNT", "99.99"));
        let more = page(format!("{{\"orders\":[{row}],\"next\":3}}").as_bytes()).expect("a page");
        assert_eq!(more.next, Some(3));
        assert_eq!((more.orders[0].position, more.orders[0].sequence, more.orders[0].applied), (3, 7, 1));
        assert_eq!(more.orders[0].answer.amount_minor, Some(9_999));
        let last = page(br#"{"orders":[],"next":null}"#).expect("a page");
        assert_eq!(last, Page { orders: Vec::new(), next: None });
        assert!(page(br#"{"orders":[]}"#).is_err(), "a page without next is no end");
        assert!(page(br#"{"orders":[],"next":"3"}"#).is_err());
    }

    #[test]
    fn an_applied_order_tells_how_often_it_was_applied() {
        let body = format!("{{{},{}}}", ORDER.replace("AMOUNT", "5"), PLACE.replace("\"applied\":1", "\"applied\":2"));
        let read = applied(body.as_bytes()).expect("an applied order");
        assert_eq!((read.applied, read.answer.amount_minor), (2, Some(500)));
        assert!(applied(order("5").as_bytes()).is_err(), "an order without its place was not applied");
    }

    #[test]
    fn a_ledger_is_exact_or_says_that_it_is_not() {
        let exact = ledger(br#"{"customerId":"c","orders":2,"total":199.98}"#).expect("a ledger");
        assert_eq!(exact, Ledger { orders: 2, total_minor: Some(19_998) });
        let rounded = ledger(br#"{"customerId":"c","orders":2,"total":199.98000000000002}"#).expect("a ledger");
        assert_eq!(rounded.total_minor, None);
        assert!(ledger(br#"{"customerId":"c","total":1}"#).is_err());
    }
}
