//! For faults that come and go: their calls are carried out to their end, one after the other.

use std::sync::Arc;

use tokio::sync::{Mutex, MutexGuard};

use crate::nemesis::fault::FaultError;

/// The engine carries out what it was asked even if nobody waits for the answer any more. A heal that does not wait for
/// it could be undone by it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Turns(Arc<Mutex<()>>);

impl Turns {
    /// Does the work to its end, even if this future is dropped.
    pub(crate) async fn whole<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, FaultError>> + Send + 'static,
    ) -> Result<T, FaultError> {
        let turn = Arc::clone(&self.0).lock_owned().await;
        let done = tokio::spawn(async move {
            let _turn = turn;
            work.await
        });
        done.await.map_err(|error| FaultError::Other(format!("a call ended abnormally: {error}")))?
    }

    /// Waits for the work that is under way; while the guard lives, none begins.
    pub(crate) async fn quiet(&self) -> MutexGuard<'_, ()> {
        self.0.lock().await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn work_that_nobody_waits_for_is_done_before_it_is_quiet() {
        let turns = Turns::default();
        let is_done = Arc::new(AtomicBool::new(false));
        let done = Arc::clone(&is_done);
        let work = turns.whole(async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            done.store(true, Ordering::SeqCst);
            Ok(())
        });
        tokio::time::timeout(Duration::from_millis(10), work).await.expect_err("it takes longer");
        let _quiet = turns.quiet().await;
        assert!(is_done.load(Ordering::SeqCst));
    }
}
