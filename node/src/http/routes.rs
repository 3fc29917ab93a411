//! Which path goes where. The document at `/openapi.json` is made from the same list.

use std::time::Instant;

use hyper::body::Incoming;
use hyper::{Method, Request, Response};

use super::App;
use super::body::Answer;
use super::problem::{Refused, problem};
use super::{events, health, openapi, orders, swagger};
use crate::error::Error;
use crate::metrics::{self, Status};
use crate::ports::Ports;

/// All that a node answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    Orders,
    Order,
    Customer,
    Events,
    Health,
    Live,
    Ready,
    Metrics,
    OpenApi,
    Swagger,
    SwaggerFile,
}

impl Route {
    pub(super) const ALL: [Self; 11] = [
        Self::Orders,
        Self::Order,
        Self::Customer,
        Self::Events,
        Self::Health,
        Self::Live,
        Self::Ready,
        Self::Metrics,
        Self::OpenApi,
        Self::Swagger,
        Self::SwaggerFile,
    ];

    /// The path, as the document writes it.
    pub(super) const fn template(self) -> &'static str {
        match self {
            Self::Orders => "/api/orders",
            Self::Order => "/api/orders/{orderId}",
            Self::Customer => "/api/customers/{customerId}",
            Self::Events => "/api/events",
            Self::Health => "/health",
            Self::Live => "/health/live",
            Self::Ready => "/health/ready",
            Self::Metrics => "/metrics",
            Self::OpenApi => "/openapi.json",
            Self::Swagger => "/swagger",
            Self::SwaggerFile => "/swagger/{file}",
        }
    }

    /// The methods that it answers, as the header `Allow` names them.
    pub(super) const fn allow(self) -> &'static str {
        if matches!(self, Self::Orders) { "GET, HEAD, POST" } else { "GET, HEAD" }
    }

    /// The route of a path, and what stands in the place of its variable.
    pub(super) fn of(path: &str) -> Option<(Self, &str)> {
        Self::ALL.into_iter().find_map(|route| {
            let template = route.template();
            let variable = match template.split_once('{') {
                None => (path == template).then_some(""),
                Some((fixed, _)) => path.strip_prefix(fixed).filter(|rest| !rest.contains('/')),
            };
            variable.map(|variable| (route, variable))
        })
    }

    /// What stays reachable, however busy the node is.
    pub(super) const fn is_vital(self) -> bool {
        matches!(self, Self::Health | Self::Live | Self::Ready | Self::Metrics)
    }
}

impl From<Route> for metrics::Route {
    fn from(route: Route) -> Self {
        match route {
            Route::Orders => Self::Orders,
            Route::Order => Self::Order,
            Route::Customer => Self::Customer,
            Route::Events => Self::Events,
            Route::Health => Self::Health,
            Route::Live => Self::Live,
            Route::Ready => Self::Ready,
            Route::Metrics => Self::Metrics,
            Route::OpenApi => Self::OpenApi,
            Route::Swagger => Self::Swagger,
            Route::SwaggerFile => Self::SwaggerFile,
        }
    }
}

/// Answers one request.
pub(super) async fn route<P: Ports>(app: &App<P>, request: Request<Incoming>) -> Response<Answer> {
    let begun = Instant::now();
    let route = Route::of(request.uri().path()).map_or(metrics::Route::Other, |(route, _)| route.into());
    let method = request.method().into();
    let response = match dispatch(app, request).await {
        Ok(response) => response,
        Err(refused) => problem(&refused),
    };
    let status = Status(response.status().as_u16());
    app.core().metrics.http_requests.of((route, (method, status))).observe(begun.elapsed());
    response
}

async fn dispatch<P: Ports>(app: &App<P>, request: Request<Incoming>) -> Result<Response<Answer>, Refused> {
    let path = request.uri().path();
    let nothing = || Error::NotFound(format!("there is nothing at {path}").into());
    let (route, variable) = Route::of(path).ok_or_else(nothing)?;
    match (route, request.method()) {
        (Route::Orders, &Method::POST) => orders::place(app, request).await,
        (_, &Method::GET | &Method::HEAD) => read(app, route, variable, &request).await,
        _ => Err(Error::Method { allow: route.allow() }.into()),
    }
}

async fn read<P: Ports>(
    app: &App<P>,
    route: Route,
    variable: &str,
    request: &Request<Incoming>,
) -> Result<Response<Answer>, Refused> {
    let headers = request.headers();
    match route {
        Route::Orders => orders::list(app, request.uri().query()).await,
        Route::Order => orders::get(app, variable).await,
        Route::Customer => orders::customer(app, variable).await,
        Route::Events => Ok(events::feed(app, headers).await?),
        Route::Live => Ok(health::live(app)),
        Route::Health | Route::Ready => Ok(health::ready(app)),
        Route::Metrics => Ok(health::metrics(app)),
        Route::OpenApi => Ok(openapi::document(app, headers)),
        Route::Swagger => Ok(swagger::redirect()),
        Route::SwaggerFile => Ok(swagger::file(variable, headers)?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_name_a_route_as_the_document_does() {
        use crate::metrics::Labels as _;
        for route in Route::ALL {
            let label = metrics::Route::text(metrics::Route::from(route).index());
            assert_eq!(label, format!("route=\"{}\"", route.template()));
        }
    }

    #[test]
    fn every_route_is_found_by_its_own_path_and_by_no_other() {
        for route in Route::ALL {
            let path = route.template().split('{').next().expect("a path").to_owned();
            let (path, variable) = if route.template().contains('{') { (path + "x", "x") } else { (path, "") };
            assert_eq!(Route::of(&path), Some((route, variable)));
        }
        for nowhere in ["", "/", "/api", "/api/orders/a/b", "/api/order", "/health/", "/health/x", "/swagger/a/b", "//api/orders"]
        {
            assert_eq!(Route::of(nowhere), None, "{nowhere}");
        }
        assert_eq!(Route::of("/api/orders/"), Some((Route::Order, "")), "an order whose id is no id");
        assert_eq!(Route::of("/swagger/"), Some((Route::SwaggerFile, "")));
    }
}
