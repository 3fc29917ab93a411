//! A goose attack as its documentation shows one: users in a loop, goose's own metrics, nothing written down.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use goose::GooseAttack;
use goose::config::GooseConfiguration;
use goose::prelude::{GooseMethod, GooseRequest, GooseUser, Scenario, Transaction, TransactionResult, transaction};
use serde_json::{Value, json};

use crate::options::{Load, What};

pub(crate) async fn run(load: &Load) -> anyhow::Result<Value> {
    let users = load.users.context("--users is missing")?;
    let mut configuration = GooseConfiguration::default();
    configuration.users = Some(usize::try_from(users)?);
    // All of them within a fifth of a second, as the harness starts its own.
    configuration.increase_rate = Some((5 * users).to_string());
    configuration.run_time = Some(load.seconds.to_string());
    configuration.throttle_requests = load.rate.map(usize::try_from).transpose()?;
    configuration.no_telnet = true;
    configuration.no_print_metrics = true;
    configuration.no_error_summary = true;
    configuration.quiet = 3;
    let transaction = match load.what {
        What::Health => transaction!(health),
        What::Orders => transaction!(order),
    };
    let scenario = Scenario::new("bare").set_host(&load.url).register_transaction(transaction);
    let attack = GooseAttack::initialize_with_config(configuration)?.register_scenario(scenario);
    let metrics = attack.execute().await?;
    let all = metrics.requests.values().next().context("goose counted no request")?;
    Ok(json!({
        "requests": all.success_count,
        "failed": all.fail_count,
        "rate": all.success_count as f64 / metrics.duration as f64,
        "p50_ms": all.raw_data.percentile_us(0.5) as f64 / 1_000.0,
        "p99_ms": all.raw_data.percentile_us(0.99) as f64 / 1_000.0,
    }))
}

async fn health(user: &mut GooseUser) -> TransactionResult {
    user.get("/health").await?.response?.bytes().await?;
    Ok(())
}

async fn order(user: &mut GooseUser) -> TransactionResult {
    static ORDERS: AtomicU64 = AtomicU64::new(0);
    let (begun, number) = (std::process::id(), ORDERS.fetch_add(1, Ordering::Relaxed));
    let body = format!(r#"{{"orderId":"goose-{begun}-{number}","customerId":"customer-{}","amount":9.75}}"#, number % 2_000);
    let request = user.get_request_builder(&GooseMethod::Post, "/api/orders")?;
    let request = request.timeout(Duration::from_secs(10)).header("content-type", "application/json").body(body);
    let request = GooseRequest::builder().method(GooseMethod::Post).path("/api/orders").set_request_builder(request).build();
    user.request(request).await?.response?.bytes().await?;
    Ok(())
}
