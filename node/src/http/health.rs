//! Health and metrics.

use hyper::header::{CACHE_CONTROL, HeaderValue};
use hyper::{Response, StatusCode};
use serde::Serialize;

use super::App;
use super::body::{Answer, json, whole};
use crate::core::{Check, Health, Status};
use crate::ports::Ports;

#[derive(Serialize)]
struct Report<'a> {
    status: &'static str,
    node: &'a str,
    version: &'static str,
    checks: Checks,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
}

#[derive(Serialize)]
struct Checks {
    nats: &'static str,
    redis: &'static str,
}

fn word(check: Check) -> &'static str {
    match check {
        Check::Up => "up",
        Check::Down => "down",
    }
}

fn report(node: &str, health: &Health, code: StatusCode, status: &'static str) -> Response<Answer> {
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
        Status::Up => (StatusCode::OK, "up"),
        Status::Degraded => (StatusCode::OK, "degraded"),
        Status::Down => (StatusCode::SERVICE_UNAVAILABLE, "down"),
    };
    report(app.core().node.as_str(), &health, code, status)
}

/// `/health/live`: while this is answered, the process can serve.
pub(super) fn live<P: Ports>(app: &App<P>) -> Response<Answer> {
    report(app.core().node.as_str(), &app.core().health(), StatusCode::OK, "up")
}

/// `/metrics`.
pub(super) fn metrics<P: Ports>(app: &App<P>) -> Response<Answer> {
    let (core, health) = (app.core(), app.core().health());
    core.metrics.nats_up.set(u64::from(health.nats == Check::Up));
    core.metrics.redis_up.set(u64::from(health.redis == Check::Up));
    whole(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", core.metrics.render())
}
