//! Timeout.

use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use futures_util::poll;

use crate::mediator::{Behaviour, Next, Outcome, Request};

/// A request that knows what it means to be given up.
pub trait Limited: Request {
    /// How much of its time is left, where part of it was spent before it was sent.
    fn time_left(&self) -> Option<Duration> {
        None
    }

    /// The error of a request that was given up after `limit`. It must be true whatever the handler did until then, and
    /// whatever it had set in motion does later.
    fn given_up(limit: Duration) -> Self::Error;
}

/// Gives requests up after a time. One that is done without waiting never touches the runtime's timer.
#[derive(Debug)]
pub struct TimeLimit(pub Duration);

impl<R: Limited> Behaviour<R> for TimeLimit {
    async fn around(&self, request: R, next: impl Next<R>) -> Outcome<R> {
        let limit = request.time_left().map_or(self.0, |left| left.min(self.0));
        let mut handling = pin!(next.call(request));
        if let Poll::Ready(outcome) = poll!(handling.as_mut()) {
            return outcome;
        }
        match tokio::time::timeout(limit, handling).await {
            Ok(outcome) => outcome,
            Err(_) => Err(R::given_up(limit)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mediator::{Handler, Mediator};

    struct Wait(bool);

    impl Request for Wait {
        type Response = &'static str;
        type Error = Duration;
    }

    impl Limited for Wait {
        fn given_up(limit: Duration) -> Duration {
            limit
        }
    }

    struct Waiter;

    impl Handler<Wait> for Waiter {
        async fn handle(&self, Wait(forever): Wait) -> Outcome<Wait> {
            if forever { std::future::pending().await } else { Ok("done") }
        }
    }

    #[tokio::test]
    async fn what_takes_too_long_is_given_up_and_what_does_not_is_left_alone() {
        let limit = Duration::from_millis(5);
        let mediator = Mediator::new(Waiter, (TimeLimit(limit), ()));
        assert_eq!(mediator.send(Wait(false)).await, Ok("done"));
        assert_eq!(mediator.send(Wait(true)).await, Err(limit));
    }
}
