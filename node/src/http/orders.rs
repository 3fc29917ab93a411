//! Orders and customers.

use hyper::body::Incoming;
use hyper::header::{HeaderName, HeaderValue, LOCATION};
use hyper::{Request, Response, StatusCode};

use super::App;
use super::body::{Answer, json, paged, read_json};
use crate::core::{GetCustomer, GetOrder, ListOrders, PlaceOrder, Placement};
use crate::error::Error;
use crate::order::{CustomerId, OrderId, RequestError, parse_order};
use crate::ports::Ports;

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

pub(super) async fn place<P: Ports>(app: &App<P>, request: Request<Incoming>) -> Result<Response<Answer>, Error> {
    let (head, body) = request.into_parts();
    let body = read_json(&head.headers, body, app.core().settings.body_timeout).await?;
    let order = parse_order(&body)?;
    let location = format!("/api/orders/{}", order.order_id);
    Ok(match app.mediator.send(PlaceOrder(order)).await? {
        Placement::New(answer) => {
            let mut response = json(StatusCode::CREATED, answer);
            if let Ok(location) = HeaderValue::try_from(location) {
                response.headers_mut().insert(LOCATION, location);
            }
            response
        }
        Placement::Replayed(answer) => {
            let mut response = json(StatusCode::OK, answer);
            response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
            response
        }
    })
}

pub(super) async fn get<P: Ports>(app: &App<P>, id: &str) -> Result<Response<Answer>, Error> {
    let id = decoded(id).and_then(|id| OrderId::new(&id).ok());
    let id = id.ok_or(Error::NotFound("no order can have this id".into()))?;
    let order = app.mediator.send(GetOrder(id)).await?;
    let mut text = String::with_capacity(320);
    order.write_json(&mut text);
    Ok(json(StatusCode::OK, text))
}

pub(super) async fn list<P: Ports>(app: &App<P>, query: Option<&str>) -> Result<Response<Answer>, Error> {
    let after = number(query, "after")?.unwrap_or(0);
    let limit = number(query, "limit")?.map_or(PAGE_DEFAULT, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let place = app.lists.take()?;
    let list = app.mediator.send(ListOrders { after, limit }).await?;
    Ok(paged(list.to_json(), place))
}

pub(super) async fn customer<P: Ports>(app: &App<P>, id: &str) -> Result<Response<Answer>, Error> {
    let id = decoded(id).and_then(|id| CustomerId::new(&id).ok());
    let id = id.ok_or(Error::NotFound("no customer can have this id".into()))?;
    let customer = app.mediator.send(GetCustomer(id)).await?;
    Ok(json(StatusCode::OK, customer.to_json()))
}

/// A number of the query string.
fn number(query: Option<&str>, field: &'static str) -> Result<Option<u64>, Error> {
    let mut pairs = query.unwrap_or("").split('&').filter_map(|pair| pair.split_once('='));
    let Some((_, text)) = pairs.find(|(name, _)| *name == field) else { return Ok(None) };
    let parsed = text
        .parse()
        .map_err(|_| Error::Invalid { field: Some(field), detail: format!("{field} must be a whole number, not {text:?}") });
    parsed.map(Some)
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
        for wrong in ["after=x", "after=-1", "after=", "after=99999999999999999999"] {
            assert!(number(Some(wrong), "after").is_err(), "{wrong}");
        }
    }
}
