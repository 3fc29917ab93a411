//! Events: something that happened, told to any number of handlers, one after the other.

use std::future::Future;

/// Something that happened.
pub trait Event: Send + Sync {}

/// Is told of events of one type. It cannot fail the publisher: what happened has happened.
pub trait EventHandler<E: Event>: Send + Sync {
    fn on(&self, event: &E) -> impl Future<Output = ()> + Send;
}

/// A list of event handlers: `()`, or a handler and the rest of the list.
pub trait Publish<E: Event>: Send + Sync {
    fn publish(&self, event: &E) -> impl Future<Output = ()> + Send;
}

impl<E: Event> Publish<E> for () {
    async fn publish(&self, _: &E) {}
}

impl<E: Event, H: EventHandler<E>, T: Publish<E>> Publish<E> for (H, T) {
    async fn publish(&self, event: &E) {
        self.0.on(event).await;
        self.1.publish(event).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    struct Happened(u32);
    impl Event for Happened {}

    #[derive(Default)]
    struct Sum(AtomicU32);
    impl EventHandler<Happened> for &Sum {
        async fn on(&self, event: &Happened) {
            self.0.fetch_add(event.0, Ordering::Relaxed);
        }
    }

    #[tokio::test]
    async fn an_event_reaches_every_handler() {
        let (one, two) = (Sum::default(), Sum::default());
        (&one, (&two, ())).publish(&Happened(3)).await;
        assert_eq!((one.0.into_inner(), two.0.into_inner()), (3, 3));
    }
}
