//! The words of the domain as `/openapi.json` describes them, from the same bounds that the parsers check.

use std::borrow::Cow;

use serde_json::json;
use utoipa::openapi::schema::{KnownFormat, Object, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

use super::ids::{LONG, SHORT};
use super::{Amount, CustomerId, MessageId, NodeId, OrderId, Total};

/// No look-around, which many readers of patterns lack: punctuation, then a letter or digit, then anything allowed.
const LONG_PATTERN: &str = "^[._:-]*[A-Za-z0-9][A-Za-z0-9._:-]*$";
const SHORT_PATTERN: &str = "^[A-Za-z0-9_-]+$";

fn id(description: &str, longest: usize, pattern: &str, example: &str) -> Object {
    let text = ObjectBuilder::new().schema_type(Type::String).description(Some(description));
    text.min_length(Some(1)).max_length(Some(longest)).pattern(Some(pattern)).examples([json!(example)]).build()
}

/// A number of at most two fraction digits.
fn money(description: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Number).description(Some(description)).multiple_of(Some(0.01))
}

macro_rules! schema {
    ($name:ident, $object:expr) => {
        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                RefOr::T(Schema::Object($object))
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed(stringify!($name))
            }
        }
    };
}

schema!(OrderId, id("The client's name for an order", LONG, LONG_PATTERN, "order-001"));
schema!(CustomerId, id("The client's name for a customer", LONG, LONG_PATTERN, "customer-123"));
schema!(MessageId, id("The cluster's name for the event of an order", LONG, LONG_PATTERN, "7Qm2Jc0xWb4Zk9TtVd1s"));
schema!(NodeId, id("A node's name", SHORT, SHORT_PATTERN, "cluster-node-1"));
schema!(
    Amount,
    money("An exact amount: above 0, at most two fraction digits; `100`, `100.0` and `1e2` are the same")
        .exclusive_minimum(Some(0))
        .maximum(Some(Amount::MAX / 100))
        .examples([json!(99.99)])
        .build()
);
schema!(Total, money("The exact sum of a customer's amounts").minimum(Some(0)).examples([json!(99.99)]).build());

/// A moment: RFC 3339, UTC, to the microsecond.
#[derive(Debug)]
pub struct Moment;

schema!(
    Moment,
    ObjectBuilder::new()
        .schema_type(Type::String)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
        .description(Some("RFC 3339, UTC, to the microsecond"))
        .pattern(Some(r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$"))
        .examples([json!("2026-11-24T12:00:00.000001Z")])
        .build()
);

/// A reference to a schema by its name, for where no type stands.
#[must_use]
pub fn reference<T: ToSchema>() -> RefOr<Schema> {
    RefOr::Ref(Ref::from_schema_name(T::name()))
}
