//! The way between one node's handle and a service. Faults of the way are injected here.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use tokio::sync::watch;

use super::lock;
use crate::ports::{Clock, Link, LinkSender, link};

/// What goes over a wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Operation {
    Accept,
    Remove,
    Postpone,
    Bury,
    Claim,
    Sweep,
    Apply,
    Follow,
    /// Reads of the store.
    Read,
    /// What an identity needs: hold, trial write, release.
    Hold,
    Publish,
    /// Reads of the stream.
    Look,
    Subscribe,
    Ack,
}

/// Which way a message is lost. The sender cannot tell one from the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// The request: nothing takes effect.
    Request,
    /// The answer, after the request took effect.
    Answer,
}

/// One node's way to a service; clones are the same wire.
#[derive(Debug, Clone)]
pub struct Wire(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    sender: LinkSender,
    link: Link,
    faults: Mutex<Faults>,
    /// Is what is on its way held up?
    held: watch::Sender<bool>,
    /// Answers that a mute wire has swallowed.
    swallowed: AtomicU64,
}

#[derive(Debug, Default)]
struct Faults {
    /// Why this wire is cut, if it is.
    cut: Option<String>,
    /// Why the service at its end is down, if it is.
    service: Option<String>,
    /// How long a message takes one way.
    one_way: Duration,
    losses: Vec<(Operation, Loss)>,
    /// No answer arrives; so long after the first that did not, the connection is reset.
    mute: Option<Duration>,
}

/// Why a command came to nothing, as far as its sender can tell.
#[derive(Debug)]
pub(super) enum Broken {
    /// It never left.
    Unsent(String),
    /// It left, and no answer came.
    Lost(String),
}

/// A request that has arrived.
#[derive(Debug)]
pub(super) struct Arrived {
    epoch: u64,
    loses_answer: bool,
}

impl Wire {
    /// A wire to a service that is down for the given reason, or up.
    pub(super) fn new(service: Option<String>) -> Self {
        let (sender, link) = link();
        let faults = Mutex::new(Faults { service, ..Faults::default() });
        let (held, swallowed) = (watch::channel(false).0, AtomicU64::new(0));
        let wire = Self(Arc::new(Inner { sender, link, faults, held, swallowed }));
        wire.refresh();
        wire
    }

    /// Cuts the link: commands are refused unsent, and what is on its way is lost.
    pub fn cut(&self, why: &str) {
        lock(&self.0.faults).cut = Some(why.to_owned());
        self.refresh();
    }

    /// Ends a cut; the link comes up under a new epoch, unless the service is down.
    pub fn mend(&self) {
        lock(&self.0.faults).cut = None;
        self.refresh();
    }

    /// Every message takes this long one way from now on.
    pub fn slow(&self, one_way: Duration) {
        lock(&self.0.faults).one_way = one_way;
    }

    /// Holds up whatever is on its way from now on, without a word to either end: the link stays up until somebody cuts
    /// it, as a keep-alive would.
    pub fn hold(&self) {
        self.0.held.send_replace(true);
    }

    /// Lets everything through again; what waited arrives, unless its link has ended meanwhile.
    pub fn release(&self) {
        self.0.held.send_replace(false);
    }

    #[must_use]
    pub fn is_held(&self) -> bool {
        *self.0.held.borrow()
    }

    /// Answers vanish from now on, and the connection is reset so long after the first that did; `None` ends that.
    pub fn mute(&self, reset_after: Option<Duration>) {
        lock(&self.0.faults).mute = reset_after;
    }

    /// How many answers have vanished on a mute wire.
    #[must_use]
    pub fn swallowed(&self) -> u64 {
        self.0.swallowed.load(Ordering::Relaxed)
    }

    /// The connection is replaced by another: what is on its way is lost, and the link begins a new epoch.
    pub fn reset(&self, why: &str) {
        self.renew(why);
    }

    /// Loses the next `count` messages of a kind.
    pub fn lose(&self, operation: Operation, loss: Loss, count: usize) {
        lock(&self.0.faults).losses.extend(std::iter::repeat_n((operation, loss), count));
    }

    /// Planned losses that have not happened yet.
    #[must_use]
    pub fn losses_left(&self) -> usize {
        lock(&self.0.faults).losses.len()
    }

    /// The service answers, but is set up in a way that breaks promises; `None` ends that.
    pub fn unfit(&self, why: Option<&str>) {
        let _ = self.0.sender.fitness(why.map(str::to_owned));
    }

    #[must_use]
    pub fn link(&self) -> Link {
        self.0.link.clone()
    }

    /// The link begins a new epoch, as after a connection that was replaced.
    pub(super) fn renew(&self, why: &str) {
        if self.0.sender.down(why.to_owned()) {
            self.refresh();
        }
    }

    pub(super) fn service(&self, down: Option<String>) {
        lock(&self.0.faults).service = down;
        self.refresh();
    }

    /// How long a message takes one way.
    #[must_use]
    pub fn one_way(&self) -> Duration {
        lock(&self.0.faults).one_way
    }

    /// Waits while the wire is held, at most until its link ends.
    pub(super) async fn passes(&self, epoch: u64) {
        if !*self.0.held.borrow() {
            return;
        }
        let (mut held, mut link) = (self.0.held.subscribe(), self.link());
        tokio::select! {
            biased;
            () = link.wait_end_of(epoch) => {}
            // The sender lives as long as this wire.
            _ = held.wait_for(|held| !held) => {}
        }
    }

    /// On a mute wire: swallows an answer, and waits for the connection's end. Says whether it was mute.
    pub(super) async fn swallows(&self, clock: &impl Clock, epoch: u64) -> bool {
        let Some(reset_after) = lock(&self.0.faults).mute else { return false };
        self.0.swallowed.fetch_add(1, Ordering::Relaxed);
        let mut link = self.link();
        tokio::select! {
            biased;
            () = link.wait_end_of(epoch) => {}
            () = clock.sleep(reset_after) => self.renew("no answer arrives, and the connection was reset"),
        }
        true
    }

    fn refresh(&self) {
        // Under the lock, so that of two changes the later one has the last word.
        let faults = lock(&self.0.faults);
        match faults.cut.as_ref().or(faults.service.as_ref()) {
            Some(why) => {
                let _ = self.0.sender.down(why.clone());
            }
            None if !self.0.link.is_up() => {
                let _ = self.0.sender.up();
            }
            None => {}
        }
    }

    pub(super) fn take_loss(&self, operation: Operation) -> Option<Loss> {
        let mut faults = lock(&self.0.faults);
        let found = faults.losses.iter().position(|(planned, _)| *planned == operation)?;
        Some(faults.losses.remove(found).1)
    }

    /// Carries a request to the service.
    pub(super) async fn request(&self, clock: &impl Clock, operation: Operation) -> Result<Arrived, Broken> {
        // A command that never waits would keep its task from ever letting others run.
        tokio::task::coop::consume_budget().await;
        let state = self.0.link.state();
        if !state.up {
            return Err(Broken::Unsent(state.detail.unwrap_or_else(|| "the link is down".to_owned())));
        }
        self.travel(clock, state.epoch).await?;
        match self.take_loss(operation) {
            Some(Loss::Request) => Err(Broken::Lost(format!("{operation:?} got no answer"))),
            loss => Ok(Arrived { epoch: state.epoch, loses_answer: loss.is_some() }),
        }
    }

    /// Carries the answer back.
    pub(super) async fn answer(&self, clock: &impl Clock, operation: Operation, arrived: Arrived) -> Result<(), Broken> {
        if arrived.loses_answer {
            return Err(Broken::Lost(format!("{operation:?} got no answer")));
        }
        if self.swallows(clock, arrived.epoch).await {
            return Err(Broken::Lost(format!("{operation:?} got no answer before the connection was reset")));
        }
        self.travel(clock, arrived.epoch).await
    }

    async fn travel(&self, clock: &impl Clock, epoch: u64) -> Result<(), Broken> {
        let one_way = self.one_way();
        if !one_way.is_zero() {
            clock.sleep(one_way).await;
        }
        self.passes(epoch).await;
        let state = self.0.link.state();
        if state.up && state.epoch == epoch {
            return Ok(());
        }
        Err(Broken::Lost(state.detail.unwrap_or_else(|| "the connection was replaced".to_owned())))
    }
}

/// The wires that lead to one service; those of dropped handles are forgotten.
#[derive(Debug, Default)]
pub(super) struct Wires {
    wires: Vec<Weak<Inner>>,
    /// Why the service is down, if it is.
    down: Option<String>,
}

impl Wires {
    /// One more wire.
    pub(super) fn add(&mut self) -> Wire {
        let wire = Wire::new(self.down.clone());
        self.wires.retain(|known| known.strong_count() > 0);
        self.wires.push(Arc::downgrade(&wire.0));
        wire
    }

    /// The service goes down for a reason, or comes up.
    pub(super) fn set(&mut self, down: Option<&str>) {
        self.down = down.map(str::to_owned);
        self.live().for_each(|wire| wire.service(self.down.clone()));
    }

    /// Every link that is up begins a new epoch.
    pub(super) fn renew(&self, why: &str) {
        self.live().for_each(|wire| wire.renew(why));
    }

    fn live(&self) -> impl Iterator<Item = Wire> {
        self.wires.iter().filter_map(Weak::upgrade).map(Wire)
    }
}
