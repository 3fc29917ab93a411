//! Ctrl-C and SIGTERM: the run heals, saves and ends; it is never cut off.

use tokio::sync::watch;

/// Tells whether the user wants the run to end.
#[derive(Debug, Clone)]
pub struct Interrupt {
    raised: watch::Receiver<bool>,
}

impl Interrupt {
    /// Takes over SIGINT, SIGTERM and SIGHUP for the whole process. Must come before goose, which would otherwise
    /// install a handler of its own that exits the process on a second Ctrl-C.
    ///
    /// # Errors
    /// A handler is installed already.
    pub fn install() -> Result<Self, ctrlc::Error> {
        let (raise, raised) = watch::channel(false);
        ctrlc::set_handler(move || {
            raise.send_replace(true);
        })?;
        Ok(Self { raised })
    }

    #[must_use]
    pub fn is_raised(&self) -> bool {
        *self.raised.borrow()
    }

    /// Returns when the user interrupts; never, if nobody does.
    pub async fn raised(&self) {
        let mut raised = self.raised.clone();
        if raised.wait_for(|raised| *raised).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
