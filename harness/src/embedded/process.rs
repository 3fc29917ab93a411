//! One life of a node: a thread with a runtime of its own, which can be told to drain, ended at once, or frozen.

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use node::http;
use node::identity::Instance;
use node::memory::Wires;
use node::order::NodeId;
use node::serve;
use node::settings::Settings;
use node::system::OsRng;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;
use tracing::Dispatch;

use super::services::Services;

/// How long a thread may take to bind its port.
const SOON: Duration = Duration::from_secs(5);
/// Threads for looking up names, as the node's own binary has.
const BLOCKING_THREADS: usize = 16;

/// What a node needs to live.
#[derive(Debug, Clone)]
pub(super) struct Needs {
    pub(super) id: NodeId,
    pub(super) address: SocketAddr,
    pub(super) settings: Settings,
    pub(super) services: Services,
    pub(super) log: Dispatch,
}

/// How a life ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// At once, with all that was in its memory.
    Killed,
    /// By itself, with success.
    Drained,
    Failed(String),
}

/// A node's life.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) wires: Wires,
    runtime: Handle,
    stop: Option<oneshot::Sender<()>>,
    kill: watch::Sender<bool>,
    end: watch::Receiver<Option<End>>,
    frost: Arc<Frost>,
}

impl Process {
    /// Returns when the node listens.
    ///
    /// # Errors
    /// Its port is taken, or there is no thread for it.
    pub(super) async fn start(needs: Needs) -> Result<Self, String> {
        let (ready, begun) = oneshot::channel();
        let (stop, stopped) = oneshot::channel();
        let (kill, killed) = watch::channel(false);
        let (ended, end) = watch::channel(None);
        let name = needs.id.to_string();
        let live = move || {
            let life = catch_unwind(AssertUnwindSafe(|| live(needs, ready, stopped, killed)));
            ended.send_replace(Some(life.unwrap_or_else(|_| End::Failed("its thread panicked".to_owned()))));
        };
        std::thread::Builder::new().name(name.clone()).spawn(live).map_err(|error| format!("a thread for {name}: {error}"))?;
        match timeout(SOON, begun).await {
            Ok(Ok(Ok((runtime, wires)))) => Ok(Self { wires, runtime, stop: Some(stop), kill, end, frost: Arc::default() }),
            Ok(Ok(Err(error))) => Err(format!("{name}: {error}")),
            Ok(Err(_)) => Err(format!("{name} ended before it listened")),
            Err(_) => Err(format!("{name} did not listen within {SOON:?}")),
        }
    }

    /// Tells it to drain.
    pub(super) fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // Refused by one that has ended already.
            let _ = stop.send(());
        }
    }

    /// Ends it at once. A frozen one is thawed for that, and does at most what was due at that moment.
    pub(super) fn kill(&self) {
        self.kill.send_replace(true);
        self.thaw();
    }

    /// To wait for its end.
    pub(super) fn watch(&self) -> watch::Receiver<Option<End>> {
        self.end.clone()
    }

    /// How it ended; `None` while it lives.
    pub(super) fn end(&self) -> Option<End> {
        self.end.borrow().clone()
    }

    /// From the moment when its one thread comes to it, nothing of the node moves: no task, no timer, no socket.
    pub(super) fn freeze(&self) {
        self.frost.set(true);
        let frost = Arc::clone(&self.frost);
        self.runtime.spawn(async move { frost.stand_still() });
    }

    pub(super) fn thaw(&self) {
        self.frost.set(false);
    }

    pub(super) fn is_frozen(&self) -> bool {
        self.frost.holds()
    }
}

/// Holds a runtime's only thread.
#[derive(Debug, Default)]
struct Frost {
    state: Mutex<Cold>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Cold {
    wanted: bool,
    /// The thread stands still.
    holds: bool,
}

impl Frost {
    fn set(&self, wanted: bool) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).wanted = wanted;
        self.changed.notify_all();
    }

    fn holds(&self) -> bool {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).holds
    }

    fn stand_still(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.holds = state.wanted;
        while state.wanted {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.holds = false;
    }
}

type Begun = Result<(Handle, Wires), String>;

fn live(needs: Needs, ready: oneshot::Sender<Begun>, stopped: oneshot::Receiver<()>, mut killed: watch::Receiver<bool>) -> End {
    let _log = tracing::dispatcher::set_default(&needs.log);
    let runtime = Builder::new_current_thread().max_blocking_threads(BLOCKING_THREADS).enable_all().build();
    let listening = runtime.map_err(|error| error.to_string()).and_then(|runtime| {
        let listener = listen(&runtime, needs.address)?;
        Ok((runtime, listener))
    });
    let (runtime, listener) = match listening {
        Ok(both) => both,
        Err(error) => {
            let _ = ready.send(Err(error.clone()));
            return End::Failed(error);
        }
    };
    let instance = Instance::named(needs.id.as_str(), &OsRng);
    let (core, inbox, wires) = needs.services.memory().core(needs.id, needs.settings, OsRng);
    let _ = ready.send(Ok((runtime.handle().clone(), wires)));
    let end = runtime.block_on(async move {
        let stop = async move {
            // Whoever let go of it without a word will kill it.
            if stopped.await.is_err() {
                std::future::pending::<()>().await;
            }
            "told to stop"
        };
        tokio::select! {
            biased;
            _ = killed.wait_for(|killed| *killed) => End::Killed,
            ended = serve::run_as(instance, core, inbox, listener, stop) => match ended {
                Ok(()) => End::Drained,
                Err(error) => End::Failed(error.to_string()),
            },
        }
    });
    runtime.shutdown_background();
    end
}

fn listen(runtime: &Runtime, address: SocketAddr) -> Result<tokio::net::TcpListener, String> {
    let _inside = runtime.enter();
    http::listen(address).map_err(|error| format!("listening on {address}: {error}"))
}
