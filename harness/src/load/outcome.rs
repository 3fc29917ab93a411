//! What an answer to `POST /api/orders` means for the history, by the contract's table.

use bytes::Bytes;
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
    /// Of a read that found the order: how often the node says that it applied it.
    pub applied: Option<u64>,
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

/// The JSON of a request, filled up with blanks to `bytes` where it is shorter: the contract has no other field that could
/// grow. The amount is written exactly, in major units.
#[must_use]
pub fn request_body(order_id: &str, customer_id: &str, amount_minor: u64, bytes: u32) -> Vec<u8> {
    // The ids are the harness's own and need no escaping.
    let (major, minor) = (amount_minor / 100, amount_minor % 100);
    let mut body = format!(r#"{{"orderId":"{order_id}","customerId":"{customer_id}","amount":{major}.{minor:02}"#).into_bytes();
    let filled = (bytes as usize).saturating_sub(1).max(body.len());
    body.resize(filled, b' ');
    body.push(b'}');
    body
}

/// Reads the body of an answer to a POST and classifies.
pub async fn classify(response: Result<Response, reqwest::Error>) -> Verdict {
    match taken_apart(response).await {
        Ok((parts, body)) => answered(&parts, &body),
        Err(unanswered) => unanswered,
    }
}

/// The same for `GET /api/orders/{id}`: `ok` is found or not found. A read has no effect, so `info` says only that it was
/// given up.
pub async fn classify_read(response: Result<Response, reqwest::Error>) -> Verdict {
    match taken_apart(response).await {
        Ok((parts, body)) => read(&parts, &body),
        Err(unanswered) => unanswered,
    }
}

/// The same for `GET /health`, which has no effect: a success is `ok`, any other answer `fail`.
pub async fn classify_health(response: Result<Response, reqwest::Error>) -> Verdict {
    match taken_apart(response).await {
        Ok((parts, body)) => {
            let is_ok = parts.status.is_success();
            let outcome = if is_ok { Outcome::Ok } else { Outcome::Fail };
            let error = (!is_ok).then(|| excerpt(&body));
            Verdict { outcome, status: Some(parts.status.as_u16()), replayed: false, answer: None, applied: None, error }
        }
        Err(unanswered) => unanswered,
    }
}

async fn taken_apart(response: Result<Response, reqwest::Error>) -> Result<(Parts, Bytes), Verdict> {
    let response = response.map_err(|error| unanswered(&error))?;
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
        Ok(body) => Ok((parts, body)),
        // The answer broke off: whatever its status was, it is not an answer of the contract.
        Err(error) => Err(Verdict { status: Some(parts.status.as_u16()), ..unanswered(&error) }),
    }
}

fn read(parts: &Parts, body: &[u8]) -> Verdict {
    let found = (parts.status == StatusCode::OK).then(|| crate::wire::order::applied(body).ok()).flatten();
    let is_ok = found.is_some() || (parts.status == StatusCode::NOT_FOUND && parts.problem);
    let outcome = if is_ok { Outcome::Ok } else { Outcome::Fail };
    let error = (!is_ok).then(|| excerpt(body));
    let (answer, applied) = found.map(|found| (found.answer, found.applied)).unzip();
    Verdict { outcome, status: Some(parts.status.as_u16()), replayed: false, answer, applied, error }
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
    Verdict { outcome, status: Some(parts.status.as_u16()), replayed: parts.replayed, answer, applied: None, error }
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
    Verdict { outcome, status: None, replayed: false, answer: None, applied: None, error: Some(text) }
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
        let body = String::from_utf8(request_body("o", "c", 100_000_000_029, 0)).expect("utf-8");
        assert_eq!(body, r#"{"orderId":"o","customerId":"c","amount":1000000000.29}"#);
        assert!(String::from_utf8(request_body("o", "c", 5, 10)).expect("utf-8").ends_with("\"amount\":0.05}"));
    }

    #[test]
    fn body_is_filled_up_to_its_size_and_stays_the_same_order() {
        let (plain, filled) = (request_body("o", "c", 129, 0), request_body("o", "c", 129, 4_096));
        assert_eq!(filled.len(), 4_096);
        let read = |body: &[u8]| serde_json::from_slice::<serde_json::Value>(body).expect("JSON");
        assert_eq!(read(&plain), read(&filled));
    }

    #[test]
    fn read_is_found_or_not_found_or_failed() {
        let applied = ORDER.replace('}', r#","sequence":3,"position":2,"applied":1,"appliedAt":"2026-01-01T00:00:01Z"}"#);
        let table = [
            (parts(200, false, false, false), applied.as_str(), Outcome::Ok, Some(1)),
            (parts(200, false, false, false), ORDER, Outcome::Fail, None),
            (parts(404, false, false, true), "{}", Outcome::Ok, None),
            (parts(404, false, false, false), "nginx", Outcome::Fail, None),
            (parts(503, false, true, true), "{}", Outcome::Fail, None),
            (parts(500, false, false, true), "{}", Outcome::Fail, None),
        ];
        for (parts, body, outcome, times) in table {
            let verdict = read(&parts, body.as_bytes());
            assert_eq!((verdict.outcome, verdict.applied), (outcome, times), "{parts:?} {body}");
        }
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
