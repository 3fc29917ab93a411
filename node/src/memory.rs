//! The ports in memory: what Redis and the stream hold lives in this process, shared by the handles of any number of
//! nodes, and is gone with it. Commands have the semantics of the scripts and of `JetStream`; time is the clock's.
//!
//! [`MemoryServices`] is the pair of services; [`MemoryServices::attach`] gives a node its ports, and a [`Wire`] to each
//! of the two, on which links are cut, slowed, and made to lose requests or answers. What hits a service as a whole
//! (stop, refuse, flush, roll back; purge, delete) is asked of [`SharedStore`] and [`SharedStream`]. A node is killed
//! by dropping its tasks and handles: the services stay.
//!
//! Under a [`VirtualClock`] the whole of it runs without a timer, and time passes as fast as there is nothing to do.

mod bus;
mod chance;
mod clock;
mod consumer;
mod expiry;
mod inspect;
mod log;
mod outbox;
#[cfg(feature = "planted-bugs")]
mod planted;
mod projection;
mod settled;
mod store;
mod subscription;
mod wire;

use std::marker::PhantomData;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::core::{Core, RelayInbox};
use crate::order::NodeId;
use crate::ports::{Clock, Ports, Rng};
use crate::settings::Settings;

pub use bus::{MemoryBus, SharedStream};
pub use chance::SeededRng;
pub use clock::VirtualClock;
pub use inspect::{ConsumerView, RecordView, RowView, StoredMessage};
pub use store::{MemoryStore, Refusal, SharedStore, Snapshot};
pub use subscription::{MemoryReceipt, MemorySubscription};
pub use wire::{Loss, Operation, Wire};

/// The ports of a node on services in memory.
#[derive(Debug)]
pub struct MemoryPorts<C, R>(PhantomData<(C, R)>);

impl<C: Clock, R: Rng> Ports for MemoryPorts<C, R> {
    type Store = MemoryStore<C>;
    type Bus = MemoryBus<C>;
    type Clock = C;
    type Rng = R;
}

/// A store and a stream that nodes share.
#[derive(Debug, Clone)]
pub struct MemoryServices<C> {
    pub store: SharedStore<C>,
    pub stream: SharedStream<C>,
    clock: C,
}

/// One node's handles, and the wires that they speak over.
#[derive(Debug)]
pub struct Attached<C> {
    pub store: MemoryStore<C>,
    pub bus: MemoryBus<C>,
    pub wires: Wires,
}

/// One node's two wires.
#[derive(Debug, Clone)]
pub struct Wires {
    pub store: Wire,
    pub bus: Wire,
}

impl<C: Clock + Clone> MemoryServices<C> {
    /// Empty services that go by `clock`; the store takes no more than `store_bytes` where that is given.
    pub fn new(clock: C, store_bytes: Option<u64>) -> Self {
        Self { store: SharedStore::new(clock.clone(), store_bytes), stream: SharedStream::new(clock.clone()), clock }
    }

    /// Handles for a node, both links up unless a service is stopped.
    pub fn attach(&self, settings: &Settings, node: &NodeId) -> Attached<C> {
        let (store, bus) = (self.store.attach(settings, node), self.stream.attach(settings, node));
        let wires = Wires { store: store.wire().clone(), bus: bus.wire().clone() };
        Attached { store, bus, wires }
    }

    /// A core on these services, ready to be run.
    pub fn core<R: Rng>(&self, node: NodeId, settings: Settings, rng: R) -> (Core<MemoryPorts<C, R>>, RelayInbox, Wires) {
        let Attached { store, bus, wires } = self.attach(&settings, &node);
        let (core, inbox) = Core::new(node, settings, store, bus, self.clock.clone(), rng);
        (core, inbox, wires)
    }
}

/// A panic of another handle is its own matter: no state is left half written under the lock.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
