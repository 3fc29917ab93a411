//! A node's whole life: wire, start, serve, drain.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::{JoinError, JoinSet};

use crate::core::{Core, RelayInbox, behaviours};
use crate::descriptors;
use crate::http::{self, App, Keys, KeysError};
use crate::identity::{IdentityLost, Instance, NameError, hold_identity, node_id};
use crate::mediator::Mediator;
use crate::memory::MemoryServices;
use crate::nats_bus::{NatsBus, NatsOpenError};
use crate::order::NodeId;
use crate::ports::{Bus, Ports, Store, within};
use crate::redis_store::{RedisOpenError, RedisStore};
use crate::settings::Settings;
use crate::state::Phase;
use crate::system::{OsRng, SystemClock};

/// How long goodbyes to the bus and the store may take.
const GOODBYE: Duration = Duration::from_millis(500);

/// Bytes that an embedded store takes, and an embedded stream without a limit of its own: a host's memory ends sooner
/// than its disk, and what is full refuses.
const EMBEDDED_BYTES: i64 = 256 * 1024 * 1024;

/// The ports of a node on real services.
#[derive(Debug)]
pub struct RealPorts;

impl Ports for RealPorts {
    type Store = RedisStore;
    type Bus = NatsBus;
    type Clock = SystemClock;
    type Rng = OsRng;
}

#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error(transparent)]
    Name(#[from] NameError),
    #[error(transparent)]
    Keys(#[from] KeysError),
    #[error(transparent)]
    Redis(#[from] RedisOpenError),
    #[error(transparent)]
    Nats(#[from] NatsOpenError),
    #[error("address {address} cannot be served on: {source}; free it, or choose another with --listen")]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error("signals cannot be waited for: {0}")]
    Signal(std::io::Error),
    #[error(transparent)]
    Identity(#[from] IdentityLost),
    #[error("a part of the node ended unexpectedly: {0}")]
    Part(#[from] JoinError),
    #[error("a part of the node ended before its time")]
    Ended,
}

/// Serves until SIGTERM or SIGINT, then drains.
pub async fn serve(settings: Settings) -> Result<(), ServeError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(ServeError::Signal)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(ServeError::Signal)?;
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        }
    };
    descriptors::raise(settings.max_connections);
    let node = node_id(settings.node_id.as_deref()).await?;
    let listener = http::listen(settings.listen);
    let listener = listener.map_err(|source| ServeError::Listen { address: settings.listen, source })?;
    if settings.embedded {
        return serve_embedded(node, settings, listener, stop).await;
    }
    let store = RedisStore::open(&settings, &node)?;
    let bus = NatsBus::open(&settings, &node)?;
    let (core, inbox) = Core::<RealPorts>::new(node, settings, store, bus, SystemClock::default(), OsRng);
    run(core, inbox, listener, stop).await
}

/// Serves on services in memory that are this node's alone.
async fn serve_embedded(
    node: NodeId,
    mut settings: Settings,
    listener: TcpListener,
    stop: impl Future<Output = &'static str>,
) -> Result<(), ServeError> {
    tracing::warn!("embedded: store and stream are in this process's memory; nothing is durable, and no other node shares them");
    if settings.stream_max_bytes < 0 {
        settings.stream_max_bytes = EMBEDDED_BYTES;
    }
    let services = MemoryServices::new(SystemClock::default(), u64::try_from(EMBEDDED_BYTES).ok());
    let (core, inbox, _) = services.core(node, settings, OsRng);
    run(core, inbox, listener, stop).await
}

/// Runs a wired node until `stop` is ready; it says why.
pub async fn run<P: Ports>(
    core: Core<P>,
    inbox: RelayInbox,
    listener: TcpListener,
    stop: impl Future<Output = &'static str>,
) -> Result<(), ServeError> {
    let instance = Instance::of_this_process(&core.rng);
    run_as(instance, core, inbox, listener, stop).await
}

/// The same under a name of the caller's, where several nodes live in one process. Connections are tasks of their own:
/// whoever kills a node inside a process gives it a runtime of its own, and shuts that down.
pub async fn run_as<P: Ports>(
    instance: Instance,
    core: Core<P>,
    inbox: RelayInbox,
    listener: TcpListener,
    stop: impl Future<Output = &'static str>,
) -> Result<(), ServeError> {
    let keys = Keys::load(&core.settings)?;
    let core = Arc::new(core);
    announce(&core, &listener);
    // In a set, as the parts are: whoever drops a run has none of it left.
    let mut identity = JoinSet::new();
    identity.spawn(hold_identity(Arc::clone(&core), instance.clone()));
    let mut parts = JoinSet::new();
    parts.spawn(Arc::clone(&core).run_relay(inbox));
    parts.spawn(Arc::clone(&core).run_apply());
    parts.spawn(Arc::clone(&core).run_gauges());
    let behaviours = behaviours(&core.metrics, core.settings.request_timeout);
    let app = App::new(Mediator::new(Arc::clone(&core), behaviours), keys);
    parts.spawn(http::serve(Arc::new(app), listener));

    let end = tokio::select! {
        reason = stop => {
            tracing::info!(reason, "draining");
            Ok(())
        }
        lost = identity.join_next() => match lost {
            Some(Ok(Err(lost))) => Err(ServeError::from(lost)),
            Some(Err(error)) => Err(ServeError::from(error)),
            Some(Ok(Ok(()))) | None => Ok(()),
        },
        ended = parts.join_next() => Err(ended_early(ended)),
    };
    core.life.enter(Phase::Draining);
    drain(&core, parts).await;
    let release = core.store.release(&instance.token);
    if !matches!(within(&core.clock, GOODBYE, release).await, Some(Ok(()))) {
        tracing::info!("the node's name could not be given up; its lease ends by itself");
    }
    tracing::info!("drained");
    end
}

/// None of the parts ends before draining: without it the node would only look alive.
fn ended_early(ended: Option<Result<(), JoinError>>) -> ServeError {
    match ended {
        Some(Err(error)) => ServeError::Part(error),
        Some(Ok(())) | None => ServeError::Ended,
    }
}

fn announce<P: Ports>(core: &Core<P>, listener: &TcpListener) {
    let address = listener.local_addr().map_or_else(|error| error.to_string(), |address| address.to_string());
    tracing::info!(node = %core.node, %address, version = env!("CARGO_PKG_VERSION"), "serving");
    #[cfg(feature = "planted-bugs")]
    if let Some(plant) = core.settings.plant {
        tracing::warn!(?plant, "a bug is planted in this node");
    }
}

/// Lets every part finish what it has, together within the time that is set for it.
async fn drain<P: Ports>(core: &Core<P>, mut parts: JoinSet<()>) {
    let all = async {
        while let Some(ended) = parts.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a part of the node ended badly");
            }
        }
    };
    if within(&core.clock, core.settings.drain_timeout, all).await.is_none() {
        tracing::warn!("not all was finished in time; recovery takes the rest");
        parts.abort_all();
    }
    if !matches!(within(&core.clock, GOODBYE, core.bus.flush()).await, Some(Ok(()))) {
        tracing::info!("the bus did not take the last acknowledgements; it will deliver again");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_part_that_ends_early_ends_the_node_with_an_error() {
        let mut parts = JoinSet::new();
        parts.spawn(async { panic!("planned") });
        let error = ended_early(parts.join_next().await);
        assert!(matches!(&error, ServeError::Part(cause) if cause.is_panic()), "{error}");
        parts.spawn(async {});
        assert!(matches!(ended_early(parts.join_next().await), ServeError::Ended));
    }
}
