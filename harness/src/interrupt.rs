//! Ctrl-C and SIGTERM: the run heals, saves and ends; it is never cut off.

use tokio::sync::watch;

/// Tells whether the user wants the run to end, and how often that was said.
#[derive(Debug, Clone)]
pub struct Interrupt {
    times: watch::Receiver<u32>,
}

/// So often said, it means that nobody wants to wait for the healing.
const ENOUGH: u32 = 3;

impl Interrupt {
    /// Takes over SIGINT, SIGTERM and SIGHUP for the whole process. Must come before goose, which would otherwise
    /// install a handler of its own that exits the process on a second Ctrl-C.
    ///
    /// # Errors
    /// A handler is installed already.
    pub fn install() -> Result<Self, ctrlc::Error> {
        let (say, times) = watch::channel(0);
        ctrlc::set_handler(move || say.send_modify(|times: &mut u32| *times = times.saturating_add(1)))?;
        Ok(Self { times })
    }

    #[must_use]
    pub fn is_raised(&self) -> bool {
        *self.times.borrow() > 0
    }

    /// Does nobody want to wait for the healing any more?
    #[must_use]
    pub fn is_enough(&self) -> bool {
        *self.times.borrow() >= ENOUGH
    }

    /// Returns when the user interrupts; never, if nobody does.
    pub async fn raised(&self) {
        self.said(1).await;
    }

    /// Returns when the user has interrupted `times` times.
    pub async fn said(&self, times: u32) {
        let mut said = self.times.clone();
        if said.wait_for(|said| *said >= times).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Returns when it [is enough](Self::is_enough).
    pub async fn enough(&self) {
        self.said(ENOUGH).await;
    }
}
