//! Orders and customers.

use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{HeaderName, HeaderValue, LOCATION};
use hyper::{Request, Response, StatusCode};
use tokio::time::Instant;

use super::App;
use super::body::{Answer, drain, json, paged, read_json};
use super::problem::Refused;
use crate::core::{GetCustomer, GetOrder, ListOrders, PlaceOrder, Placement};
use crate::error::Error;
use crate::metrics::Decision;
use crate::order::{CustomerId, NewOrder, OrderId, RequestError, parse_order};
use crate::ports::{Clock as _, Ports};
use crate::trace::{TRACEPARENT, TraceParent};

/// Orders in a page whose size was not asked for.
const PAGE_DEFAULT: usize = 100;
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

impl From<RequestError> for Error {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Malformed(detail) => Self::Malformed(format!("the body is not JSON: {detail}")),
            RequestError::Invalid { field, detail } => Self::Invalid { field, detail },
        }
    }
}

/// The checks come in the order of the contract: 401, 415, 413, 400, 422, 503.
pub(super) async fn place<P: Ports>(app: &App<P>, request: Request<Incoming>) -> Result<Response<Answer>, Refused> {
    let clock = &app.core().clock;
    let begun = clock.elapsed();
    let (head, mut body) = request.into_parts();
    if !app.keys.admit(&head.headers) {
        drain(&mut body).await;
        return Err(Error::Unauthorized.into());
    }
    let settings = &app.core().settings;
    let deadline = begun + settings.request_timeout;
    let read_by = Instant::now() + settings.body_timeout.min(settings.request_timeout);
    let body = read_json(&head.headers, &mut body, settings.body_limit as usize, read_by).await?;
    let order = parse_order(&body).map_err(Error::from)?;
    let trace = head.headers.get(TRACEPARENT).and_then(|trace| TraceParent::parse(trace.to_str().ok()?));
    let (order_id, customer_id) = (order.order_id.clone(), order.customer_id.clone());
    match accepted(app, order, trace, deadline).await {
        Ok(Placement::New(answer)) => {
            let mut response = json(StatusCode::CREATED, answer);
            if let Ok(location) = HeaderValue::try_from(format!("/api/orders/{order_id}")) {
                response.headers_mut().insert(LOCATION, location);
            }
            Ok(response)
        }
        Ok(Placement::Replayed(answer)) => {
            let mut response = json(StatusCode::OK, answer);
            response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
            Ok(response)
        }
        Err(error) => Err(Refused::from(error).of_order(order_id).of_customer(customer_id)),
    }
}

/// Hands an order to the core, for as long as the request may take.
async fn accepted<P: Ports>(
    app: &App<P>,
    order: NewOrder,
    trace: Option<TraceParent>,
    deadline: Duration,
) -> Result<Placement, Error> {
    let metrics = &app.core().metrics;
    let refused = |error| {
        metrics.orders.of(Decision::Refused).increment();
        error
    };
    let _place = app.in_flight().map_err(refused)?;
    let left = deadline.saturating_sub(app.core().clock.elapsed());
    if left.is_zero() {
        return Err(refused(Error::Unavailable("the request's time was over before the order was handed on".to_owned())));
    }
    app.mediator.send(PlaceOrder { order, trace, time_left: Some(left) }).await
}

/// Asks the core something that writes nothing.
async fn asked<P: Ports, T>(app: &App<P>, asking: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let _place = app.in_flight()?;
    asking.await
}

pub(super) async fn get<P: Ports>(app: &App<P>, id: &str) -> Result<Response<Answer>, Refused> {
    let id = decoded(id).and_then(|id| OrderId::new(&id).ok());
    let id = id.ok_or(Error::NotFound("no order can have this id".into()))?;
    let order = asked(app, app.mediator.send(GetOrder(id.clone()))).await;
    let order = order.map_err(|error| Refused::from(error).of_order(id))?;
    let mut text = String::with_capacity(320);
    order.write_json(&mut text);
    Ok(json(StatusCode::OK, text))
}

pub(super) async fn list<P: Ports>(app: &App<P>, query: Option<&str>) -> Result<Response<Answer>, Refused> {
    let after = number(query, "after")?.unwrap_or(0);
    let limit = number(query, "limit")?.map_or(PAGE_DEFAULT, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let place = app.lists.take()?;
    let list = asked(app, app.mediator.send(ListOrders { after, limit })).await?;
    Ok(paged(list.to_json(), place))
}

pub(super) async fn customer<P: Ports>(app: &App<P>, id: &str) -> Result<Response<Answer>, Refused> {
    let id = decoded(id).and_then(|id| CustomerId::new(&id).ok());
    let id = id.ok_or(Error::NotFound("no customer can have this id".into()))?;
    let customer = asked(app, app.mediator.send(GetCustomer(id.clone()))).await;
    let customer = customer.map_err(|error| Refused::from(error).of_customer(id))?;
    Ok(json(StatusCode::OK, customer.to_json()))
}

/// A number of the query string.
fn number(query: Option<&str>, field: &'static str) -> Result<Option<u64>, Error> {
    let mut pairs = query.unwrap_or("").split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let Some((_, text)) = pairs.find(|(name, _)| *name == field) else { return Ok(None) };
    let text = decoded(text).unwrap_or_default();
    let invalid = || Error::Invalid { field: Some(field), detail: format!("{field} must be a whole number, not {text:?}") };
    whole_number(&text).ok_or_else(invalid).map(Some)
}

/// A number of digits alone; one that does not fit is as large as can be.
pub(super) fn whole_number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}

/// A path segment without its percent escapes; `None` where they are broken.
fn decoded(segment: &str) -> Option<String> {
    if !segment.contains('%') {
        return Some(segment.to_owned());
    }
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first == b'%' {
            let [high, low, tail @ ..] = rest else { return None };
            let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            bytes.push(digit(high)? * 16 + digit(low)?);
            rest = tail;
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_in_paths_are_read() {
        assert_eq!(decoded("a%3Ab").as_deref(), Some("a:b"));
        assert_eq!(decoded("plain").as_deref(), Some("plain"));
        for broken in ["%", "%4", "%zz", "%ff"] {
            assert_eq!(decoded(broken), None, "{broken}");
        }
    }

    #[test]
    fn numbers_of_the_query_are_checked() {
        assert_eq!(number(Some("after=3&limit=7"), "limit"), Ok(Some(7)));
        assert_eq!(number(Some("after=3"), "limit"), Ok(None));
        assert_eq!(number(None, "limit"), Ok(None));
        assert_eq!(number(Some("limit=%31%30"), "limit"), Ok(Some(10)));
        assert_eq!(number(Some("limit=99999999999999999999"), "limit"), Ok(Some(u64::MAX)));
        for wrong in ["after=x", "after=-1", "after=", "after", "after=1.0", "after=+1", "after=%"] {
            assert!(number(Some(wrong), "after").is_err(), "{wrong}");
        }
    }
}
