//! Errors on the wire: RFC 9457 problem details. The one place where an error becomes a status.

use hyper::header::{ALLOW, CONNECTION, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};
use serde::Serialize;

use super::body::{Answer, whole};
use crate::error::Error;

#[derive(Serialize)]
struct Problem<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'static str>,
}

/// Status and title.
fn kind(error: &Error) -> (StatusCode, &'static str) {
    match error {
        Error::NotJson => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "Not JSON"),
        Error::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "Body too large"),
        Error::SlowBody => (StatusCode::REQUEST_TIMEOUT, "Body too slow"),
        Error::Malformed(_) => (StatusCode::BAD_REQUEST, "Malformed request"),
        Error::Invalid { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "Invalid field"),
        Error::Conflict { .. } => (StatusCode::CONFLICT, "Order exists with other content"),
        Error::NotFound(_) => (StatusCode::NOT_FOUND, "Not found"),
        Error::Method { .. } => (StatusCode::METHOD_NOT_ALLOWED, "Method not allowed"),
        Error::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "Not now; nothing was written"),
        Error::Indeterminate(_) => (StatusCode::GATEWAY_TIMEOUT, "The order may or may not exist"),
    }
}

/// The answer to a request that failed.
pub(super) fn problem(error: &Error) -> Response<Answer> {
    let (status, title) = kind(error);
    let detail = error.to_string();
    let field = match error {
        Error::Invalid { field, .. } => *field,
        _ => None,
    };
    let problem = Problem { r#type: "about:blank", title, status: status.as_u16(), detail: &detail, field };
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    let mut response = whole(status, "application/problem+json", body);
    let headers = response.headers_mut();
    match error {
        Error::Unavailable(_) => drop(headers.insert(RETRY_AFTER, HeaderValue::from_static("1"))),
        Error::Method { allow } => drop(headers.insert(ALLOW, HeaderValue::from_static(allow))),
        // The rest of such a body is not waited for.
        Error::TooLarge { .. } | Error::SlowBody | Error::NotJson => {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        _ => {}
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_has_its_status() {
        let cases = [
            (Error::NotJson, 415),
            (Error::TooLarge { limit: 1 }, 413),
            (Error::SlowBody, 408),
            (Error::Malformed("x".into()), 400),
            (Error::Invalid { field: Some("amount"), detail: "x".into() }, 422),
            (Error::Conflict { order_id: "a".into() }, 409),
            (Error::NotFound("x".into()), 404),
            (Error::Method { allow: "GET" }, 405),
            (Error::Unavailable("x".into()), 503),
            (Error::Indeterminate("x".into()), 504),
        ];
        for (error, status) in cases {
            let response = problem(&error);
            assert_eq!(response.status().as_u16(), status, "{error:?}");
            assert_eq!(response.headers()["content-type"], "application/problem+json");
            assert_eq!(response.headers().contains_key("retry-after"), status == 503);
        }
    }
}
