//! The body of `POST /api/orders`.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::{Amount, CustomerId, NewOrder, OrderId};

/// Why a body is no order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Not JSON at all.
    #[error("the body is not JSON: {0}")]
    Malformed(String),
    /// JSON, but not a valid order; the field is named where one is to blame.
    #[error("{detail}")]
    Invalid { field: Option<&'static str>, detail: String },
}

/// An order to be placed
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = NewOrder)]
pub(crate) struct OrderWire<'a> {
    #[serde(borrow)]
    #[schema(value_type = OrderId)]
    order_id: Cow<'a, str>,
    #[serde(borrow)]
    #[schema(value_type = CustomerId)]
    customer_id: Cow<'a, str>,
    #[serde(borrow)]
    #[schema(value_type = Amount)]
    amount: &'a RawValue,
}

/// Reads a body. Malformed JSON is told from an invalid order even where the first fault met is of the second kind.
pub fn parse_order(body: &[u8]) -> Result<NewOrder, RequestError> {
    let text = std::str::from_utf8(body).map_err(|error| RequestError::Malformed(error.to_string()))?;
    let is_object = text.trim_start_matches([' ', '\t', '\r', '\n']).starts_with('{');
    let wire = match serde_json::from_str::<OrderWire<'_>>(text) {
        Ok(wire) if is_object => wire,
        Ok(_) => return Err(RequestError::Invalid { field: None, detail: "the body must be a JSON object".to_owned() }),
        Err(error) => {
            return Err(match serde_json::from_str::<IgnoredAny>(text) {
                // Whatever kind of error it was called on the way: an array of four is JSON, too.
                Ok(_) => RequestError::Invalid { field: None, detail: format!("the body is no order: {error}") },
                Err(syntax) => RequestError::Malformed(syntax.to_string()),
            });
        }
    };
    let invalid = |field: &'static str, why: &dyn std::fmt::Display| RequestError::Invalid {
        field: Some(field),
        detail: format!("{field} {why}"),
    };
    Ok(NewOrder {
        order_id: OrderId::new(&wire.order_id).map_err(|error| invalid("orderId", &error))?,
        customer_id: CustomerId::new(&wire.customer_id).map_err(|error| invalid("customerId", &error))?,
        amount: Amount::parse(wire.amount.get()).map_err(|error| invalid("amount", &error))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_and_invalid_bodies_are_told_apart() {
        let malformed =
            ["", "{", "nonsense", r#"{"orderId":"a""#, r#"{"unknown":1, garbage"#, r#"{"orderId":"a"} x"#, "\u{feff}{}"];
        for body in malformed {
            assert!(
                matches!(parse_order(body.as_bytes()), Err(RequestError::Malformed(_))),
                "{body:?}: {:?}",
                parse_order(body.as_bytes())
            );
        }
        assert!(matches!(parse_order(b"{\"orderId\":\"\xff\"}"), Err(RequestError::Malformed(_))));
        let invalid = [
            "[]",
            "null",
            "{}",
            r#"["a","b",1]"#,
            r#"["a","b",1,2]"#,
            r#"{"orderId":"\ud800","customerId":"b","amount":1}"#,
            r#"{"orderId":"a","customerId":"b"}"#,
            r#"{"orderId":"a","customerId":"b","amount":"1"}"#,
            r#"{"orderId":"a","customerId":"b","amount":0}"#,
            r#"{"orderId":"a","customerId":"b","amount":1.005}"#,
            r#"{"orderId":"a b","customerId":"b","amount":1}"#,
            r#"{"orderId":1,"customerId":"b","amount":1}"#,
            r#"{"orderId":"a","customerId":"b","amount":1,"note":"x"}"#,
            r#"{"orderId":"a","orderId":"a","customerId":"b","amount":1}"#,
        ];
        for body in invalid {
            assert!(
                matches!(parse_order(body.as_bytes()), Err(RequestError::Invalid { .. })),
                "{body:?}: {:?}",
                parse_order(body.as_bytes())
            );
        }
    }

    #[test]
    fn spellings_of_one_amount_are_one_order() {
        let read = |amount: &str| {
            parse_order(format!(r#" {{"orderId":"order-001","customerId":"c","amount":{amount}}}"#).as_bytes())
                .expect("valid")
                .canonical()
        };
        assert_eq!(read("100"), read("100.0"));
        assert_eq!(read("1e2"), "c 10000");
    }
}
