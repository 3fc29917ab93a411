//! Which path goes where.

use hyper::body::Incoming;
use hyper::{Method, Request, Response};

use super::App;
use super::body::Answer;
use super::problem::problem;
use super::{events, health, orders};
use crate::error::Error;
use crate::ports::Ports;

/// Answers one request.
pub(super) async fn route<P: Ports>(app: &App<P>, request: Request<Incoming>) -> Response<Answer> {
    match dispatch(app, request).await {
        Ok(response) => response,
        Err(error) => problem(&error),
    }
}

async fn dispatch<P: Ports>(app: &App<P>, request: Request<Incoming>) -> Result<Response<Answer>, Error> {
    let path = request.uri().path().to_owned();
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let allowed = match segments.as_slice() {
        ["api", "orders"] => "GET, HEAD, POST",
        ["api", "orders" | "customers", _] | ["api", "events"] | ["health" | "metrics"] | ["health", "live" | "ready"] => {
            "GET, HEAD"
        }
        _ => return Err(Error::NotFound(format!("there is nothing at {path}").into())),
    };
    match segments.as_slice() {
        ["api", "orders"] if request.method() == Method::POST => orders::place(app, request).await,
        _ if !reads => Err(Error::Method { allow: allowed }),
        ["api", "orders"] => orders::list(app, request.uri().query()).await,
        ["api", "orders", id] => orders::get(app, id).await,
        ["api", "customers", id] => orders::customer(app, id).await,
        ["api", ..] => events::feed(app, request.headers()).await,
        ["health", "live"] => Ok(health::live(app)),
        ["health", ..] => Ok(health::ready(app)),
        _ => Ok(health::metrics(app)),
    }
}
