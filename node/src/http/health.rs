//! Health and metrics.

use hyper::header::{CACHE_CONTROL, HeaderValue};
use hyper::{Response, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use super::App;
use super::body::{Answer, json, whole};
use crate::core::{Check, Health, Status};
use crate::metrics::Dependency;
use crate::order::NodeId;
use crate::ports::Ports;

/// How a node is
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Health)]
pub(super) struct Report<'a> {
    status: StatusWord,
    #[schema(value_type = NodeId)]
    node: &'a str,
    /// The node's release
    version: &'static str,
    checks: Checks,
    /// Why it is not up, for humans
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    detail: Option<&'a str>,
}

/// `up`; `degraded`: orders are accepted and propagation waits; `down`: no order can be accepted
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Status)]
pub(super) enum StatusWord {
    Up,
    Degraded,
    Down,
}

/// What the node needs, and whether it answers
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Checks {
    nats: CheckWord,
    redis: CheckWord,
}

#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Check)]
pub(super) enum CheckWord {
    Up,
    Down,
}

fn word(check: Check) -> CheckWord {
    match check {
        Check::Up => CheckWord::Up,
        Check::Down => CheckWord::Down,
    }
}

fn report(node: &str, health: &Health, code: StatusCode, status: StatusWord) -> Response<Answer> {
    let checks = Checks { nats: word(health.nats), redis: word(health.redis) };
    let report = Report { status, node, version: env!("CARGO_PKG_VERSION"), checks, detail: health.detail.as_deref() };
    let mut response = json(code, serde_json::to_vec(&report).unwrap_or_default());
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// `/health` and `/health/ready`.
pub(super) fn ready<P: Ports>(app: &App<P>) -> Response<Answer> {
    let health = app.core().health();
    let (code, status) = match health.status {
        Status::Up => (StatusCode::OK, StatusWord::Up),
        Status::Degraded => (StatusCode::OK, StatusWord::Degraded),
        Status::Down => (StatusCode::SERVICE_UNAVAILABLE, StatusWord::Down),
    };
    report(app.core().node.as_str(), &health, code, status)
}

/// `/health/live`: while this is answered, the process can serve.
pub(super) fn live<P: Ports>(app: &App<P>) -> Response<Answer> {
    report(app.core().node.as_str(), &app.core().health(), StatusCode::OK, StatusWord::Up)
}

/// `/metrics`.
pub(super) fn metrics<P: Ports>(app: &App<P>) -> Response<Answer> {
    let (core, health) = (app.core(), app.core().health());
    core.metrics.requests_in_flight.set(app.requests.taken());
    core.metrics.dependency_up.of(Dependency::Nats).set(u64::from(health.nats == Check::Up));
    core.metrics.dependency_up.of(Dependency::Redis).set(u64::from(health.redis == Check::Up));
    whole(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", core.metrics.render(core.node.as_str()))
}
