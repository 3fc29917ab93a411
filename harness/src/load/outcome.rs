//! What an answer to `POST /api/orders` means for the history, by the contract's table.

use judge::history::{Answer, Outcome};
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Response, StatusCode};

/// How one operation ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    pub outcome: Outcome,
    pub status: Option<u16>,
    pub replayed: bool,
    pub answer: Option<Answer>,
    pub error: Option<String>,
}

/// The parts of an answer that decide.
#[derive(Debug)]
struct Parts {
    status: StatusCode,
    replayed: bool,
    retry_after: bool,
    problem: bool,
}

/// The JSON of a request; the amount is written exactly, in major units.
#[must_use]
pub fn request_body(order_id: &str, customer_id: &str, amount_minor: u64) -> Vec<u8> {
    // The ids are the harness's own and need no escaping.
    let (major, minor) = (amount_minor / 100, amount_minor % 100);
    format!(r#"{{"orderId":"{order_id}","customerId":"{customer_id}","amount":{major}.{minor:02}}}"#).into_bytes()
}

/// Reads the body and classifies.
pub async fn classify(response: Result<Response, reqwest::Error>) -> Verdict {
    let response = match response {
        Ok(response) => response,
        Err(error) => return unanswered(&error),
    };
    let has = |name, value: &str| {
        response.headers().get(name).and_then(|v| v.to_str().ok()).is_some_and(|v| v.eq_ignore_ascii_case(value))
    };
    let parts = Parts {
        status: response.status(),
        replayed: has("idempotent-replayed", "true"),
        retry_after: response.headers().contains_key(RETRY_AFTER),
        problem: has(CONTENT_TYPE.as_str(), "application/problem+json"),
    };
    match response.bytes().await {
        Ok(body) => answered(&parts, &body),
        // The answer broke off: whatever its status was, it is not an answer of the contract.
        Err(error) => Verdict { status: Some(parts.status.as_u16()), ..unanswered(&error) },
    }
}

fn answered(parts: &Parts, body: &[u8]) -> Verdict {
    let answer = parts.status.is_success().then(|| crate::wire::order::answer(body).ok()).flatten();
    let outcome = match parts.status.as_u16() {
        201 if answer.is_some() => Outcome::Ok,
        200 if answer.is_some() && parts.replayed => Outcome::Ok,
        400 | 409 | 413 | 415 | 422 if parts.problem => Outcome::Fail,
        503 if parts.problem && parts.retry_after => Outcome::Fail,
        _ => Outcome::Info,
    };
    let error = (outcome != Outcome::Ok).then(|| excerpt(body));
    Verdict { outcome, status: Some(parts.status.as_u16()), replayed: parts.replayed, answer, error }
}

fn unanswered(error: &reqwest::Error) -> Verdict {
    // Only a connection that never came to be proves that nothing was sent.
    let outcome = if error.is_connect() { Outcome::Fail } else { Outcome::Info };
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    Verdict { outcome, status: None, replayed: false, answer: None, error: Some(text) }
}

fn excerpt(body: &[u8]) -> String {
    const AT_MOST: usize = 200;
    String::from_utf8_lossy(&body[..body.len().min(AT_MOST)]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDER: &str = r#"{"orderId":"o-1","customerId":"c-1","amount":0.29,"messageId":"m","acceptedBy":"n","acceptedAt":"2026-01-01T00:00:00.000000Z"}"#;

    fn parts(status: u16, replayed: bool, retry_after: bool, problem: bool) -> Parts {
        Parts { status: StatusCode::from_u16(status).expect("status"), replayed, retry_after, problem }
    }

    #[test]
    fn every_row_of_the_contract_has_its_outcome_and_everything_else_is_indeterminate() {
        let table = [
            (parts(201, false, false, false), ORDER, Outcome::Ok),
            (parts(200, true, false, false), ORDER, Outcome::Ok),
            (parts(200, false, false, false), ORDER, Outcome::Info),
            (parts(201, false, false, false), "<html>", Outcome::Info),
            (parts(409, false, false, true), "{}", Outcome::Fail),
            (parts(422, false, false, true), "{}", Outcome::Fail),
            (parts(409, false, false, false), "proxy", Outcome::Info),
            (parts(503, false, true, true), "{}", Outcome::Fail),
            (parts(503, false, false, true), "{}", Outcome::Info),
            (parts(504, false, false, true), "{}", Outcome::Info),
            (parts(500, false, false, true), "{}", Outcome::Info),
            (parts(204, false, false, false), "", Outcome::Info),
        ];
        for (parts, body, outcome) in table {
            assert_eq!(answered(&parts, body.as_bytes()).outcome, outcome, "{parts:?} {body}");
        }
    }

    #[test]
    fn amounts_are_written_exactly() {
        let body = String::from_utf8(request_body("o", "c", 100_000_000_029)).expect("utf-8");
        assert_eq!(body, r#"{"orderId":"o","customerId":"c","amount":1000000000.29}"#);
        assert!(String::from_utf8(request_body("o", "c", 5)).expect("utf-8").ends_with("\"amount\":0.05}"));
    }

    #[tokio::test]
    async fn refused_connection_is_a_certain_failure_and_a_silent_server_is_not() {
        let client = crate::http::client(std::time::Duration::from_millis(200));
        let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("bind").local_addr().expect("addr");
        let refused = client.post(format!("http://{closed}/api/orders")).send().await;
        assert_eq!(classify(refused).await.outcome, Outcome::Fail);

        let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
        let url = format!("http://{}/api/orders", silent.local_addr().expect("addr"));
        let timed_out = client.post(url).send().await;
        assert_eq!(classify(timed_out).await.outcome, Outcome::Info);
    }
}
