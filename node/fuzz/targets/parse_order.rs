//! One body of `POST /api/orders`: the parser must agree with the oracle.

#![no_main]

use libfuzzer_sys::fuzz_target;
use node::order::{RequestError, parse_order};

#[path = "../oracle.rs"]
mod oracle;

use oracle::Said;

fuzz_target!(|body: &[u8]| {
    let parsed = match parse_order(body) {
        Err(RequestError::Malformed(_)) => Said::Malformed,
        Err(RequestError::Invalid { .. }) => Said::Invalid,
        Ok(order) => Said::Order {
            order_id: order.order_id.as_str().to_owned(),
            customer_id: order.customer_id.as_str().to_owned(),
            minor: order.amount.minor(),
        },
    };
    assert_eq!(oracle::judge(body), parsed);
});
