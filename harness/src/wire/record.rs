//! The value of an idempotency record: canonical content on the first line, the first answer behind it.

use super::{WireError, order};

/// An idempotency record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub order_id: String,
    pub customer_id: String,
    pub amount_minor: u64,
    pub message_id: String,
}

/// Reads the record of `order_id`: `<customerId> <minor units>`, a line feed, the answer's JSON.
///
/// # Errors
/// The value is not of that shape, or its answer speaks of another order, customer or amount than its key and first
/// line do: such a record answers retries wrongly.
pub fn record(order_id: &str, value: &[u8]) -> Result<Record, WireError> {
    const WHAT: &str = "an idempotency record";
    let broken = |detail: String| WireError::shape(WHAT, detail, value);
    let line = value.iter().position(|&byte| byte == b'\n').ok_or_else(|| broken("it has one line".to_owned()))?;
    let content = str::from_utf8(&value[..line]).map_err(|error| broken(error.to_string()))?;
    let (customer_id, minor) =
        content.split_once(' ').ok_or_else(|| broken("its first line is no `customer amount`".to_owned()))?;
    let digits = !minor.is_empty() && minor.bytes().all(|byte| byte.is_ascii_digit());
    let amount_minor =
        digits.then(|| minor.parse().ok()).flatten().ok_or_else(|| broken(format!("{minor:?} are no minor units")))?;
    let answer = order::answer(&value[line + 1..])?;
    if answer.order_id != order_id || answer.customer_id != customer_id || answer.amount_minor != Some(amount_minor) {
        return Err(broken(format!("its answer and its key {order_id} or first line differ")));
    }
    Ok(Record { order_id: order_id.to_owned(), customer_id: customer_id.to_owned(), amount_minor, message_id: answer.message_id })
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: &str = r#"{"orderId":"n-1","customerId":"c-1","amount":99.99,"messageId":"m-1","acceptedBy":"n1","acceptedAt":"2026-01-01T00:00:00Z"}"#;

    #[test]
    fn a_record_is_content_and_answer() {
        let read = record("n-1", format!("c-1 9999\n{JSON}").as_bytes()).expect("a record");
        let expected =
            Record { order_id: "n-1".into(), customer_id: "c-1".into(), amount_minor: 9_999, message_id: "m-1".into() };
        assert_eq!(read, expected);
    }

    #[test]
    fn a_record_that_contradicts_itself_is_an_error() {
        for (key, first_line) in [("n-2", "c-1 9999"), ("n-1", "c-2 9999"), ("n-1", "c-1 9998")] {
            let error = record(key, format!("{first_line}\n{JSON}").as_bytes()).expect_err("a contradiction");
            assert!(error.to_string().contains("differ"), "{error}");
        }
    }

    #[test]
    fn a_record_of_another_shape_is_an_error() {
        for value in ["", "c-1 9999", "c-1\n{}", "c-1 99.99\n{}", "c-1 +1\n{}", "c-1 \n{}", "c-1 9999\n{}", "c-1 9999\n"] {
            assert!(record("n-1", value.as_bytes()).is_err(), "{value:?}");
        }
        assert!(record("n-1", b"\xff 1\n{}").is_err());
    }
}
