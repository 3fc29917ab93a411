//! The ways of nodes to store and stream, as faults make them: they outlive a node's lives, as networks do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use judge::plan::Link;
use node::memory::Wire;

/// What is wrong with a node's way to a service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) cut: bool,
    /// Nothing arrives, and nobody is told.
    pub(super) held: bool,
    /// The keep-alive of a held way got no answer: the link is taken for down.
    pub(super) given_up: bool,
    pub(super) slow: Duration,
    /// Answers vanish, and the connection is reset so much later.
    pub(super) mute: Option<Duration>,
}

#[derive(Debug, Default)]
pub(super) struct Ways(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    ways: BTreeMap<(String, Link), Way>,
    frozen: BTreeSet<Link>,
    given_up: BTreeSet<Link>,
}

impl Ways {
    pub(super) fn change(&self, service: &str, link: Link, change: impl FnOnce(&mut Way)) {
        change(self.lock().ways.entry((service.to_owned(), link)).or_default());
    }

    pub(super) fn of(&self, service: &str, link: Link) -> Way {
        self.lock().ways.get(&(service.to_owned(), link)).copied().unwrap_or_default()
    }

    pub(super) fn set_frozen(&self, link: Link, frozen: bool) {
        let mut state = self.lock();
        state.given_up.remove(&link);
        if frozen {
            state.frozen.insert(link);
        } else {
            state.frozen.remove(&link);
        }
    }

    /// Only a frozen service is given up on.
    pub(super) fn give_up_on(&self, link: Link) {
        let mut state = self.lock();
        if state.frozen.contains(&link) {
            state.given_up.insert(link);
        }
    }

    /// Makes a wire what this way is.
    pub(super) fn put(&self, service: &str, link: Link, wire: &Wire) {
        let state = self.lock();
        let way = state.ways.get(&(service.to_owned(), link)).copied().unwrap_or_default();
        wire.slow(way.slow);
        wire.mute(way.mute);
        let silent = way.given_up || state.given_up.contains(&link);
        // What is held is lost by a cut, and not let through by the mending.
        if way.cut {
            wire.cut("the network is cut");
        } else if silent {
            wire.cut("no answer to a keep-alive");
        }
        if way.held || state.frozen.contains(&link) {
            wire.hold();
        } else {
            wire.release();
        }
        if !way.cut && !silent {
            wire.mend();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
