//! Errors on the wire: RFC 9457 problem details. The one place where an error becomes a status.

use hyper::header::{ALLOW, CACHE_CONTROL, CONNECTION, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use super::body::{Answer, whole};
use crate::error::Error;
use crate::order::{CustomerId, OrderId};

/// What a request failed with, and the valid ids that it had.
#[derive(Debug)]
pub(super) struct Refused {
    error: Error,
    order_id: Option<OrderId>,
    customer_id: Option<CustomerId>,
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self { error, order_id: None, customer_id: None }
    }
}

impl Refused {
    pub(super) fn of_order(self, id: OrderId) -> Self {
        Self { order_id: Some(id), ..self }
    }

    pub(super) fn of_customer(self, id: CustomerId) -> Self {
        Self { customer_id: Some(id), ..self }
    }
}

/// Why a request failed (RFC 9457)
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Problem<'a> {
    /// Always `about:blank`: the status says it all
    #[schema(example = "about:blank")]
    r#type: &'static str,
    /// The kind of failure, in words
    title: &'static str,
    /// The status of the answer
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What is wrong with this very request
    detail: &'a str,
    /// The field, parameter or header that is to blame
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    field: Option<&'static str>,
    /// The order that the request was about
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = OrderId, required = false)]
    order_id: Option<&'a str>,
    /// The customer that the request was about
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = CustomerId, required = false)]
    customer_id: Option<&'a str>,
}

/// Status and title.
fn kind(error: &Error) -> (StatusCode, &'static str) {
    match error {
        Error::Unauthorized => (StatusCode::UNAUTHORIZED, "No valid API key"),
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

/// The body of the answer to a request that failed.
pub(super) fn body(refused: &Refused) -> Vec<u8> {
    let error = &refused.error;
    let (status, title) = kind(error);
    let detail = error.to_string();
    let field = match error {
        Error::Invalid { field, .. } => *field,
        _ => None,
    };
    let order_id = refused.order_id.as_ref().map(OrderId::as_str);
    let customer_id = refused.customer_id.as_ref().map(CustomerId::as_str);
    let status_code = status.as_u16();
    let problem = Problem { r#type: "about:blank", title, status: status_code, detail: &detail, field, order_id, customer_id };
    serde_json::to_vec(&problem).unwrap_or_default()
}

/// The answer to a request that failed.
pub(super) fn problem(refused: &Refused) -> Response<Answer> {
    let error = &refused.error;
    let mut response = whole(kind(error).0, "application/problem+json", body(refused));
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    match error {
        Error::Unauthorized => {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"catga\""));
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
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
            (Error::Unauthorized, 401),
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
            let response = problem(&Refused::from(error));
            assert_eq!(response.status().as_u16(), status);
            assert_eq!(response.headers()["content-type"], "application/problem+json");
            assert_eq!(response.headers().contains_key("retry-after"), status == 503);
            assert_eq!(response.headers().contains_key("www-authenticate"), status == 401);
            assert_eq!(response.headers().contains_key("allow"), status == 405);
        }
    }
}
