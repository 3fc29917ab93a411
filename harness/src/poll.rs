//! The one way to wait: ask until the answer is good or the deadline has passed, and then say what was last seen.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// What a question found: the answer, or what was seen instead.
pub type Asked<T> = Result<T, String>;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not within {within:?}; last seen: {last_seen}")]
pub struct Expired {
    pub within: Duration,
    pub last_seen: String,
}

/// Asks every `interval` until the answer is `Ok`, at most for `within`. A question that hangs is cut off.
pub async fn until<T, F>(within: Duration, interval: Duration, mut question: impl FnMut() -> F) -> Result<T, Expired>
where
    F: Future<Output = Asked<T>>,
{
    let deadline = Instant::now() + within;
    let mut last_seen = String::from("nothing: the first question was not answered");
    loop {
        match tokio::time::timeout_at(deadline, question()).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(seen)) => last_seen = seen,
            Err(_) => return Err(Expired { within, last_seen }),
        }
        if Instant::now() + interval >= deadline {
            return Err(Expired { within, last_seen });
        }
        sleep(interval).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn expiry_tells_what_was_last_seen() {
        let mut depth = 9;
        let error = until(Duration::from_millis(40), Duration::from_millis(10), || {
            depth -= 1;
            async move { Asked::<()>::Err(format!("depth {depth}")) }
        })
        .await
        .expect_err("never satisfied");
        assert!(error.to_string().contains("last seen: depth"), "{error}");
    }

    #[tokio::test]
    async fn a_question_that_hangs_does_not_outlive_the_deadline() {
        let asked = until(Duration::from_millis(30), Duration::from_millis(10), std::future::pending::<Asked<()>>).await;
        assert!(asked.is_err());
    }
}
