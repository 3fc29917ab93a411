//! goose: its users carry out the slots. The only module that imports it.

use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use goose::client::GooseClientBuilder;
use goose::config::GooseConfiguration;
use goose::prelude::{GooseMethod, GooseRequest, GooseUser, Scenario, Transaction, TransactionError, TransactionFunction};
use goose::{GooseAttack, GooseError};
use judge::history::OpKind;

use super::goose_options::GooseOptions;
use super::outcome::{self, Verdict};
use super::workload::{Pool, Seat, Workload};
use super::{Errand, LoadError};

/// goose tells a user to end by a message that only goose reads, between two transactions; until it comes, a user
/// without slots comes back this often.
const ASK_AGAIN: Duration = Duration::from_millis(50);

/// goose starts its users one after the other, as many in a second: so that all of them have started in a fifth of one.
const STARTS_PER_USER: usize = 5;

/// An attack whose users carry out the workload's slots, once it is polled; it ends after [`stop`].
pub(super) fn prepare(
    workload: &Arc<Workload>,
    options: &GooseOptions,
) -> Result<impl Future<Output = Result<(), LoadError>> + Send + use<>, LoadError> {
    // Refused only when a logger is there already, and then goose installs none either.
    let _ = log::set_logger(&Silent);
    goose::reset_killswitch();
    // Otherwise goose makes each user a client of its own, which reads all certificates of the machine: 3 ms and 100 KiB for
    // what is never used, as a user takes its pool's client.
    let spare = GooseClientBuilder::new().without_cookies();
    let mut attack = GooseAttack::initialize_with_config(configuration(options, workload.users())?)
        .and_then(|attack| attack.set_client_builder_without_cookies(spare))
        .map_err(refused)?;
    for pool in 0..workload.pools.len() {
        let url = &workload.pools[pool].url;
        let users = Scenario::new(&workload.pools[pool].node)
            .set_host(url)
            .register_transaction(Transaction::new(carry_out(workload, pool)).set_name("place"));
        attack = attack.register_scenario(users);
    }
    Ok(async move { attack.execute().await.map(|_metrics| ()).map_err(refused) })
}

/// Ends the attack. The switch is one per process, so there is one attack at a time.
pub(super) fn stop(reason: &str) {
    goose::trigger_killswitch(reason);
}

/// goose writes a line to stdout for each request that fails, and under faults many do; the history has them all.
struct Silent;

impl log::Log for Silent {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        false
    }

    fn log(&self, _: &log::Record<'_>) {}

    fn flush(&self) {}
}

// The type has private fields, so it cannot be written as one literal.
fn configuration(options: &GooseOptions, users: usize) -> Result<GooseConfiguration, LoadError> {
    let words = std::iter::once("goose").chain(options.words());
    let mut configuration = Words::try_parse_from(words).map_err(|error| LoadError::Options(error.to_string()))?.goose;
    configuration.users = Some(users);
    configuration.increase_rate = Some((STARTS_PER_USER * users).to_string());
    configuration.no_telnet = true;
    configuration.no_print_metrics = true;
    configuration.no_error_summary = true;
    configuration.quiet = 3;
    // Nobody sees what goose counts beside the history, unless it was asked for a report or a log of its own.
    configuration.no_metrics = options.is_empty();
    Ok(configuration)
}

/// goose's own command line.
#[derive(Parser)]
#[command(disable_help_flag = true, disable_version_flag = true)]
struct Words {
    #[command(flatten)]
    goose: GooseConfiguration,
}

/// Looks at goose's options before anything is started.
pub(super) fn check(options: &GooseOptions) -> Result<(), LoadError> {
    configuration(options, 1).map(|_| ())
}

#[expect(clippy::needless_pass_by_value, reason = "used as a function in map_err")]
fn refused(error: GooseError) -> LoadError {
    LoadError::Goose(format!("{error}: {error:?}"))
}

/// One transaction is one slot: wait for it, write it down, send it, write down what came back.
fn carry_out(workload: &Arc<Workload>, pool: usize) -> TransactionFunction {
    let workload = Arc::clone(workload);
    Arc::new(move |user: &mut GooseUser| {
        let workload = Arc::clone(&workload);
        Box::pin(async move {
            let pool = &workload.pools[pool];
            let (seat, is_first) = join(&workload, pool, user);
            let Some(due) = workload.take(pool, seat, is_first).await else {
                tokio::time::sleep(ASK_AGAIN).await;
                return Ok(());
            };
            let invoke = workload.invoke(pool, &due, seat.process);
            let verdict = match invoke.kind {
                _ if workload.errand == Errand::Health => ask(user).await?,
                OpKind::Read => read(user, &invoke.order_id).await?,
                kind => send(user, kind, Workload::body(&invoke, due.slot.body_bytes)).await?,
            };
            workload.complete(invoke.op, verdict);
            Ok(())
        })
    })
}

/// A user's seat, and whether it has just taken it; on its first call it takes its pool's client and reports itself ready.
fn join(workload: &Workload, pool: &Pool, user: &mut GooseUser) -> (Seat, bool) {
    if let Some(Seated(seat)) = user.get_session_data::<Seated>() {
        return (*seat, false);
    }
    let seat = workload.arrive(pool);
    user.client = pool.client.clone();
    user.set_session_data(Seated(seat));
    (seat, true)
}

#[derive(Debug, Clone, Copy)]
struct Seated(Seat);

/// goose counts a 404 as a failure; what it means is for the judge to say.
async fn read(user: &mut GooseUser, order_id: &str) -> Result<Verdict, Box<TransactionError>> {
    let path = format!("/api/orders/{order_id}");
    let request = user.get_request_builder(&GooseMethod::Get, &path)?;
    let goose_request = GooseRequest::builder().method(GooseMethod::Get).path(path.as_str()).name("read back");
    let answer = user.request(goose_request.set_request_builder(request).build()).await?;
    Ok(outcome::classify_read(answer.response).await)
}

async fn ask(user: &mut GooseUser) -> Result<Verdict, Box<TransactionError>> {
    let answer = user.get("/health").await?;
    Ok(outcome::classify_health(answer.response).await)
}

async fn send(user: &mut GooseUser, kind: OpKind, body: Vec<u8>) -> Result<Verdict, Box<TransactionError>> {
    let request =
        user.get_request_builder(&GooseMethod::Post, "/api/orders")?.header("content-type", "application/json").body(body);
    let goose_request = GooseRequest::builder().method(GooseMethod::Post).path("/api/orders").set_request_builder(request);
    // goose's own metrics count a conflict that was asked for as a success.
    let goose_request = match kind {
        OpKind::Conflict => goose_request.expect_status_code(409),
        OpKind::Place | OpKind::Replay | OpKind::Read => goose_request,
    };
    let answer = user.request(goose_request.build()).await?;
    Ok(outcome::classify(answer.response).await)
}
