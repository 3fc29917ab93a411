//! The state of a dependency as its adapter knows it, for health, and for the loops that wait for it.

use tokio::sync::watch;

/// What is known of a dependency.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LinkState {
    pub up: bool,
    /// Raised whenever the dependency comes back, may have lost state, or was replaced by another.
    pub epoch: u64,
    /// Why it is down, or not fit although up, for humans.
    pub detail: Option<String>,
    /// Up, but set up in a way that breaks our promises; `detail` says how.
    pub unfit: bool,
}

/// The receiving half: cheap to clone, awaited for changes.
#[derive(Debug, Clone)]
pub struct Link(watch::Receiver<LinkState>);

/// The adapter's half.
#[derive(Debug)]
pub struct LinkSender(watch::Sender<LinkState>);

/// A link that is down until its adapter says otherwise.
#[must_use]
pub fn link() -> (LinkSender, Link) {
    let (sender, receiver) = watch::channel(LinkState { detail: Some("not connected yet".to_owned()), ..LinkState::default() });
    (LinkSender(sender), Link(receiver))
}

impl LinkSender {
    /// The epoch that the next [`LinkSender::up`] begins.
    #[must_use]
    pub fn next_epoch(&self) -> u64 {
        self.0.borrow().epoch + 1
    }

    /// Up again, under a new epoch. Returns whether it was down.
    #[must_use]
    pub fn up(&self) -> bool {
        let was_up = self.0.borrow().up;
        self.0.send_modify(|state| *state = LinkState { up: true, epoch: state.epoch + 1, detail: None, unfit: false });
        !was_up
    }

    /// Down. Returns whether it was up.
    #[must_use]
    pub fn down(&self, detail: String) -> bool {
        let was_up = self.0.borrow().up;
        self.0.send_if_modified(|state| {
            let changed = state.up;
            state.up = false;
            state.detail = Some(detail);
            changed
        });
        was_up
    }

    /// Fit or unfit while up; `None` is fit. Returns whether that changed.
    #[must_use]
    pub fn fitness(&self, unfit: Option<String>) -> bool {
        self.0.send_if_modified(|state| {
            let changed = state.unfit != unfit.is_some();
            state.unfit = unfit.is_some();
            state.detail = unfit;
            changed
        })
    }
}

impl Link {
    #[must_use]
    pub fn state(&self) -> LinkState {
        self.0.borrow().clone()
    }

    #[must_use]
    pub fn is_up(&self) -> bool {
        self.0.borrow().up
    }

    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.0.borrow().epoch
    }

    /// Waits until it is up and returns the epoch; `None` when the adapter is gone.
    pub async fn wait_up(&mut self) -> Option<u64> {
        self.0.wait_for(|state| state.up).await.ok().map(|state| state.epoch)
    }

    /// Waits until it is no longer up under `epoch`.
    pub async fn wait_end_of(&mut self, epoch: u64) {
        // An error means that the adapter is gone, which ends the epoch as well.
        let _ = self.0.wait_for(|state| !state.up || state.epoch != epoch).await;
    }
}
