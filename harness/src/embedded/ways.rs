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

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use node::cli::Cli;
    use node::order::NodeId;

    use super::*;
    use crate::embedded::Services;

    const NODE: &str = "n";

    /// A node's wire to the store, on services of its own.
    fn wire() -> Wire {
        let settings = Cli::try_parse_from(["node"]).expect("defaults").settings;
        Services::new().memory().attach(&settings, &NodeId::new(NODE).expect("a name")).wires.store
    }

    /// What the wire is once the way is such.
    fn put(ways: &Ways, wire: &Wire, change: impl FnOnce(&mut Way)) -> (bool, bool) {
        ways.change(NODE, Link::Redis, change);
        ways.put(NODE, Link::Redis, wire);
        (wire.link().is_up(), wire.is_held())
    }

    #[test]
    fn a_wire_comes_up_only_when_the_last_thing_that_is_wrong_with_its_way_is_gone() {
        let (ways, wire) = (Ways::default(), wire());
        assert_eq!(put(&ways, &wire, |_| ()), (true, false));
        assert_eq!(put(&ways, &wire, |way| way.cut = true), (false, false));
        assert_eq!(put(&ways, &wire, |way| way.held = true), (false, true));
        assert_eq!(put(&ways, &wire, |way| way.given_up = true), (false, true));
        assert_eq!(put(&ways, &wire, |way| way.cut = false), (false, true), "nobody answers its keep-alive");
        assert_eq!(put(&ways, &wire, |way| way.given_up = false), (true, true));
        assert_eq!(put(&ways, &wire, |way| way.held = false), (true, false));
    }

    #[test]
    fn a_way_outlives_the_wire_of_a_life() {
        let ways = Ways::default();
        put(&ways, &wire(), |way| (way.cut, way.slow) = (true, Duration::from_millis(30)));
        let next = wire();
        ways.put(NODE, Link::Redis, &next);
        assert!(!next.link().is_up());
        assert_eq!(next.one_way(), Duration::from_millis(30));
        assert_eq!(ways.of(NODE, Link::Nats), Way::default(), "the way to the other service is another");
        assert_eq!(ways.of("m", Link::Redis), Way::default(), "and so is that of another node");
    }

    #[test]
    fn only_a_frozen_service_is_given_up_on_and_a_thaw_forgets_it() {
        let (ways, wire) = (Ways::default(), wire());
        let look = |ways: &Ways| {
            ways.put(NODE, Link::Redis, &wire);
            (wire.link().is_up(), wire.is_held())
        };
        ways.give_up_on(Link::Redis);
        assert_eq!(look(&ways), (true, false));
        ways.set_frozen(Link::Redis, true);
        assert_eq!(look(&ways), (true, true), "nobody has noticed yet");
        ways.give_up_on(Link::Redis);
        assert_eq!(look(&ways), (false, true));
        ways.set_frozen(Link::Redis, false);
        assert_eq!(look(&ways), (true, false));
    }
}
