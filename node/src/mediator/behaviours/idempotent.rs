//! Idempotency on one node: identical requests that are in flight together cost one.
//!
//! This is no record of answers. The guard against doing a thing twice is the handler's own atomic step; in front of it
//! this behaviour only keeps a storm of retries off the store. Its answers are as true as the handler's: a request adopts
//! the answer of an identical one that was in flight together with it, only if that one *succeeded*, and only after it
//! has compared the whole content. A failure says nothing about anybody else: then every waiting request goes its own way.
//!
//! A request that is alone pays a hash and two atomic operations, and neither locks nor allocates.

use std::hash::{BuildHasher as _, Hash, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::mediator::{Behaviour, Next, Outcome, Request};

/// Requests in flight that can be told apart; more of them only share less.
const SLOTS: usize = 1024;
/// The bit of a tag that says that somebody waits.
const FOLLOWED: u64 = 1;

/// A request that knows what makes another one identical.
pub trait Identify: Request {
    /// What an answer leaves for identical requests.
    type Shared: Clone + Send;

    /// Key and content, to be hashed; `None` for a request that is never shared.
    fn identity(&self) -> Option<impl Hash + '_>;
    /// What a success leaves. It must stay true from then on.
    fn share(response: &Self::Response) -> Self::Shared;
    /// The response to this request, if what was left is about the same key and content. Two hashes may be equal by
    /// chance, so this has to look.
    fn adopt(&self, shared: Self::Shared) -> Option<Self::Response>;
}

/// Is told how often an answer was adopted.
pub trait Tally: Send + Sync {
    fn adopted(&self);
}

impl Tally for () {
    fn adopted(&self) {}
}

/// Lets identical requests in flight share one success.
#[derive(Debug)]
pub struct Idempotent<S, T = ()> {
    slots: Box<[Slot<S>]>,
    hash: RandomState,
    tally: T,
}

#[derive(Debug)]
struct Slot<S> {
    /// The hash of the request that leads, or 0.
    tag: AtomicU64,
    followers: Mutex<Vec<oneshot::Sender<S>>>,
}

/// How a request goes through.
enum Role<S> {
    /// It calls the handler, and the others wait for it.
    Leads,
    Follows(oneshot::Receiver<S>),
    /// The slot is another's; it calls the handler by itself.
    Alone,
}

impl<S, T> Idempotent<S, T> {
    pub fn new(tally: T) -> Self {
        let slot = || Slot { tag: AtomicU64::new(0), followers: Mutex::default() };
        Self { slots: (0..SLOTS).map(|_| slot()).collect(), hash: RandomState::new(), tally }
    }
}

impl<S> Slot<S> {
    fn enter(&self, tag: u64) -> Role<S> {
        match self.tag.compare_exchange(0, tag, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => Role::Leads,
            Err(found) if found & !FOLLOWED == tag => self.follow(tag),
            Err(_) => Role::Alone,
        }
    }

    fn follow(&self, tag: u64) -> Role<S> {
        let mut followers = self.followers.lock().unwrap_or_else(PoisonError::into_inner);
        // Under the lock: a leader that leaves from here on sees the bit, and looks for its followers after us.
        let joined = |found: u64| (found & !FOLLOWED == tag).then_some(tag | FOLLOWED);
        if self.tag.fetch_update(Ordering::AcqRel, Ordering::Acquire, joined).is_err() {
            return Role::Alone;
        }
        let (sender, receiver) = oneshot::channel();
        followers.push(sender);
        Role::Follows(receiver)
    }

    /// Frees the slot; where somebody waits, hands over what `shared` makes. Followers of the slot's next leader may be
    /// among them, which is why whoever adopts an answer compares it first.
    fn leave(&self, shared: impl FnOnce() -> Option<S>)
    where
        S: Clone,
    {
        if self.tag.swap(0, Ordering::AcqRel) & FOLLOWED == 0 {
            return;
        }
        let followers = std::mem::take(&mut *self.followers.lock().unwrap_or_else(PoisonError::into_inner));
        // A sender that is dropped says that there is nothing to adopt.
        let Some(shared) = shared() else { return };
        for follower in followers {
            // One that gave up in the meantime needs no answer.
            let _ = follower.send(shared.clone());
        }
    }
}

/// Frees the slot of a leader, also where its future is dropped on the way.
struct Leader<'a, S: Clone>(Option<&'a Slot<S>>);

impl<S: Clone> Drop for Leader<'_, S> {
    fn drop(&mut self) {
        if let Some(slot) = self.0 {
            slot.leave(|| None);
        }
    }
}

impl<T: Tally, R: Identify> Behaviour<R> for Idempotent<R::Shared, T> {
    async fn around(&self, request: R, next: impl Next<R>) -> Outcome<R> {
        let Some(hash) = request.identity().map(|identity| self.hash.hash_one(identity)) else {
            return next.call(request).await;
        };
        // Neither free nor followed.
        let tag = (hash | 2) & !FOLLOWED;
        let slot = &self.slots[usize::try_from(hash >> 32).unwrap_or(0) % SLOTS];
        match slot.enter(tag) {
            Role::Leads => {
                let mut leader = Leader(Some(slot));
                let outcome = next.call(request).await;
                leader.0 = None;
                slot.leave(|| outcome.as_ref().ok().map(R::share));
                outcome
            }
            Role::Follows(receiver) => {
                if let Ok(shared) = receiver.await
                    && let Some(response) = request.adopt(shared)
                {
                    self.tally.adopted();
                    return Ok(response);
                }
                next.call(request).await
            }
            Role::Alone => next.call(request).await,
        }
    }
}

#[cfg(test)]
mod tests;
