//! The stream: what it stores and acknowledges, and what it delivers.

use std::time::Duration;

use bytes::Bytes;
use node::memory::Operation;
use node::order::MessageId;
use node::ports::{Bus, Delivery, PublishAck, PublishError, Start, Subscription};
use node::trace::TraceParent;

use super::over_both;
use super::world::{Way, World};
use crate::space::{DEADLINE, eventually};

over_both!(
    a_duplicate_is_known_inside_the_window_and_proven_by_its_message,
    a_trace_travels_beside_the_payload_and_changes_nothing_of_it,
    a_publish_whose_acknowledgement_is_lost_is_in_the_stream_once,
    a_duplicate_of_a_purged_message_is_not_proven,
    after_the_window_a_message_is_stored_again,
    a_full_stream_refuses_until_there_is_room,
    what_the_stream_can_never_take_is_refused_for_good,
    deliveries_come_in_order_and_again_when_they_are_not_acknowledged,
    lost_acknowledgements_bring_deliveries_again,
    a_consumer_goes_on_where_it_was,
    a_rewind_delivers_again_what_was_acknowledged,
    what_does_not_exist_is_settled_by_what_follows,
    the_state_tells_bounds_and_floor,
    a_stream_made_anew_has_another_identity_and_counts_from_one,
    a_deleted_consumer_ends_its_pull,
    nodes_have_places_of_their_own,
);

fn id(text: &str) -> MessageId {
    MessageId::new(text).expect("a message id")
}

struct Publisher<'a, W: World> {
    bus: &'a W::Bus,
    subject: String,
}

impl<W: World> Publisher<'_, W> {
    async fn publish(&self, message: &str) -> Result<PublishAck, PublishError> {
        self.bus.publish(&self.subject, &id(message), None, Bytes::from(message.to_owned())).await
    }

    async fn store(&self, message: &str) -> u64 {
        let ack = self.publish(message).await.expect("acknowledged");
        assert!(!ack.duplicate, "{message} is no duplicate");
        ack.sequence
    }
}

fn publisher<'a, W: World>(world: &W, bus: &'a W::Bus) -> Publisher<'a, W> {
    Publisher { bus, subject: world.settings("n1", &[]).subject() }
}

type Receipt<W> = <<<W as World>::Bus as Bus>::Subscription as Subscription>::Receipt;

/// The next `count` deliveries, however they are cut into pieces.
async fn take<W: World>(subscription: &mut <W::Bus as Bus>::Subscription, count: usize) -> Vec<Delivery<Receipt<W>>> {
    let mut taken = Vec::new();
    while taken.len() < count {
        let next = tokio::time::timeout(DEADLINE, subscription.next(count - taken.len())).await;
        let next = next.unwrap_or_else(|_| panic!("{} of {count} deliveries in {DEADLINE:?}", taken.len()));
        taken.extend(next.expect("the pull goes on"));
    }
    taken
}

fn numbers<R>(deliveries: &[Delivery<R>]) -> Vec<(u64, u64, u64)> {
    deliveries.iter().map(|delivery| (delivery.settles_from, delivery.sequence, delivery.attempt)).collect()
}

async fn subscribe<W: World>(bus: &W::Bus, or_from: u64) -> <W::Bus as Bus>::Subscription {
    bus.subscribe(Start::Resume { or_from }).await.expect("subscribed")
}

async fn assert_ended<W: World>(subscription: &mut <W::Bus as Bus>::Subscription) {
    let ended = tokio::time::timeout(DEADLINE, subscription.next(1)).await.expect("the pull ends in time");
    assert!(ended.is_err(), "deliveries {:?}", ended.map(|deliveries| numbers(&deliveries)));
}

/// Waits until this node's acknowledgements up to a sequence have arrived.
async fn wait_floor(bus: &impl Bus, floor: u64) {
    eventually(&format!("the floor is {floor}"), async || match bus.state().await.expect("a state").ack_floor {
        Some(seen) if seen == floor => Ok(()),
        seen => Err(format!("{seen:?}")),
    })
    .await;
}

async fn a_duplicate_is_known_inside_the_window_and_proven_by_its_message<W: World>(world: &W) {
    let bus = world.bus("n1", &[]).await;
    let publisher = publisher(world, &bus);
    assert_eq!((publisher.store("a").await, publisher.store("b").await), (1, 2));
    let again = publisher.publish("a").await.expect("acknowledged");
    assert_eq!(again, PublishAck { sequence: 1, duplicate: true });
    assert_eq!(bus.message_id_at(1).await.expect("a read").as_deref(), Some("a"));
    assert_eq!(bus.message_id_at(9).await.expect("a read"), None);
    assert_eq!(bus.duplicate_window(), Some(Duration::from_secs(120)));
    assert_eq!(world.stream_ids().await, ["a", "b"]);
}

async fn a_trace_travels_beside_the_payload_and_changes_nothing_of_it<W: World>(world: &W) {
    let bus = world.bus("n1", &[]).await;
    let publisher = publisher(world, &bus);
    let trace = TraceParent::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    assert!(trace.is_some());
    publisher.store("untraced").await;
    let ack = bus.publish(&publisher.subject, &id("traced"), trace, Bytes::from_static(b"payload")).await;
    assert_eq!(ack.expect("acknowledged").sequence, 2);
    let mut subscription = subscribe::<W>(&bus, 1).await;
    let delivered = take::<W>(&mut subscription, 2).await;
    let seen: Vec<_> = delivered.iter().map(|delivery| (delivery.trace, delivery.payload.as_ref())).collect();
    assert_eq!(seen, [(None, &b"untraced"[..]), (trace, &b"payload"[..])]);
}

async fn a_publish_whose_acknowledgement_is_lost_is_in_the_stream_once<W: World>(world: &W) {
    let bus = world.bus("n1", &[]).await;
    let publisher = publisher(world, &bus);
    publisher.store("before").await;
    let lost = world.losing_answer("n1", Way::Bus, bus.link(), Operation::Publish, publisher.publish("lost")).await;
    assert!(matches!(lost, Err(PublishError::Retry(_))), "{lost:?}");
    let again = publisher.publish("lost").await.expect("acknowledged");
    assert_eq!(again, PublishAck { sequence: 2, duplicate: true });
    assert_eq!(bus.message_id_at(2).await.expect("a read").as_deref(), Some("lost"));
    assert_eq!(world.stream_ids().await, ["before", "lost"]);
}

async fn a_duplicate_of_a_purged_message_is_not_proven<W: World>(world: &W) {
    let bus = world.bus("n1", &[]).await;
    let publisher = publisher(world, &bus);
    publisher.store("a").await;
    world.purge().await;
    let again = publisher.publish("a").await.expect("acknowledged");
    assert_eq!(again, PublishAck { sequence: 1, duplicate: true }, "the stream still knows the id");
    assert_eq!(bus.message_id_at(1).await.expect("a read"), None);
    assert_eq!(publisher.store("b").await, 2, "sequences go on");
}

async fn after_the_window_a_message_is_stored_again<W: World>(world: &W) {
    let bus = world.bus("n1", &["--duplicate-window=500ms"]).await;
    let publisher = publisher(world, &bus);
    assert_eq!(publisher.store("a").await, 1);
    assert_eq!(bus.duplicate_window(), Some(Duration::from_millis(500)));
    let again = eventually("the window passes", async || match publisher.publish("a").await.expect("acknowledged") {
        ack if ack.duplicate => Err(format!("{ack:?}")),
        ack => Ok(ack.sequence),
    })
    .await;
    assert_eq!(again, 2);
    assert!(publisher.publish("a").await.expect("acknowledged").duplicate, "its window begins again");
}

async fn a_full_stream_refuses_until_there_is_room<W: World>(world: &W) {
    let bus = world.bus("n1", &["--stream-max-bytes=1000"]).await;
    let publisher = publisher(world, &bus);
    let mut stored = 0;
    let refused = eventually("the stream is full", async || match publisher.publish(&format!("m{stored}")).await {
        Ok(_) => {
            stored += 1;
            Err(format!("{stored} are stored"))
        }
        Err(error) => Ok(error),
    })
    .await;
    assert!(matches!(&refused, PublishError::Retry(error) if error.contains("maximum bytes")), "{refused:?}");
    assert!((5..15).contains(&stored), "{stored} of about 100 bytes each");
    assert_eq!(world.stream_ids().await.len(), stored, "nothing was dropped for it");
    assert!(publisher.publish("m0").await.expect("acknowledged").duplicate, "what is there is known while it is full");
    world.purge_before(3).await;
    assert_eq!(publisher.store("late").await, stored as u64 + 1);
}

async fn what_the_stream_can_never_take_is_refused_for_good<W: World>(world: &W) {
    let bus = world.bus("n1", &[]).await;
    let subject = world.settings("n1", &[]).subject();
    let refused = bus.publish(&subject, &id("large"), None, Bytes::from(vec![b'x'; 70_000])).await;
    assert!(matches!(refused, Err(PublishError::ForGood(_))), "{refused:?}");
    bus.publish(&subject, &id("fits"), None, Bytes::from(vec![b'x'; 60_000])).await.expect("acknowledged");
    for astray in ["elsewhere.order", &format!("{subject}.*"), &format!("{subject}..x"), "", "two words"] {
        let refused = bus.publish(astray, &id("astray"), None, Bytes::new()).await;
        assert!(matches!(refused, Err(PublishError::ForGood(_))), "{astray:?}: {refused:?}");
    }
}

async fn deliveries_come_in_order_and_again_when_they_are_not_acknowledged<W: World>(world: &W) {
    let bus = world.bus("n1", &[]).await;
    let publisher = publisher(world, &bus);
    let mut subscription = subscribe::<W>(&bus, 1).await;
    for message in ["a", "b", "c", "d"] {
        publisher.store(message).await;
    }
    let first = take::<W>(&mut subscription, 4).await;
    assert_eq!(numbers(&first), [(1, 1, 1), (2, 2, 1), (3, 3, 1), (4, 4, 1)]);
    let seen: Vec<_> = first.iter().map(|delivery| (delivery.message_id.as_deref(), delivery.payload.as_ref())).collect();
    assert_eq!(seen[0], (Some("a"), b"a".as_slice()));
    assert!(first.iter().all(|delivery| delivery.subject == publisher.subject));
    let mut receipts = first.into_iter().map(|delivery| delivery.receipt);
    let (one, two) = (receipts.next().expect("a receipt"), receipts.next().expect("a receipt"));
    let four = receipts.nth(1).expect("a receipt");
    for receipt in [one, four] {
        subscription.ack(receipt).await.expect("handed over");
    }
    wait_floor(&bus, 1).await;
    let again = take::<W>(&mut subscription, 2).await;
    assert_eq!(numbers(&again), [(2, 2, 2), (3, 3, 2)], "what was not acknowledged");
    // The receipt of the first delivery is as good as that of the second.
    subscription.ack(two).await.expect("handed over");
    for delivery in again.into_iter().skip(1) {
        subscription.ack(delivery.receipt).await.expect("handed over");
    }
    wait_floor(&bus, 4).await;
}

async fn lost_acknowledgements_bring_deliveries_again<W: World>(world: &W) {
    let bus = world.bus("n1", &[]).await;
    let publisher = publisher(world, &bus);
    let mut subscription = subscribe::<W>(&bus, 1).await;
    publisher.store("a").await;
    let first = take::<W>(&mut subscription, 1).await;
    let acks = async {
        for delivery in first {
            subscription.ack(delivery.receipt).await.expect("handed over");
        }
        bus.flush().await.expect("handed to the network");
    };
    world.losing_acks("n1", bus.link(), 1, acks).await;
    let mut subscription = subscribe::<W>(&bus, 1).await;
    let again = take::<W>(&mut subscription, 1).await;
    assert_eq!(numbers(&again)[0].1, 1);
    assert!(again[0].attempt > 1, "attempt {}", again[0].attempt);
    for delivery in again {
        subscription.ack(delivery.receipt).await.expect("handed over");
    }
    wait_floor(&bus, 1).await;
}

async fn a_consumer_goes_on_where_it_was<W: World>(world: &W) {
    let bus = world.bus("n1", &[]).await;
    let publisher = publisher(world, &bus);
    for message in ["a", "b", "c"] {
        publisher.store(message).await;
    }
    let mut subscription = subscribe::<W>(&bus, 1).await;
    for delivery in take::<W>(&mut subscription, 3).await.into_iter().take(2) {
        subscription.ack(delivery.receipt).await.expect("handed over");
    }
    wait_floor(&bus, 2).await;
    drop(subscription);
    drop(bus);
    let bus = world.bus("n1", &[]).await;
    let publisher = self::publisher(world, &bus);
    publisher.store("d").await;
    let mut subscription = subscribe::<W>(&bus, 1).await;
    let mut rest = numbers(&take::<W>(&mut subscription, 2).await);
    rest.sort_unstable();
    assert_eq!(rest, [(3, 3, 2), (4, 4, 1)], "the unacknowledged one again, and what is new");
}

async fn a_rewind_delivers_again_what_was_acknowledged<W: World>(world: &W) {
    let bus = world.bus("n1", &[]).await;
    let publisher = publisher(world, &bus);
    for message in ["a", "b", "c"] {
        publisher.store(message).await;
    }
    let mut subscription = subscribe::<W>(&bus, 1).await;
    for delivery in take::<W>(&mut subscription, 3).await {
        subscription.ack(delivery.receipt).await.expect("handed over");
    }
    wait_floor(&bus, 3).await;
    drop(subscription);
    let mut subscription = bus.subscribe(Start::Rewind { from: 2 }).await.expect("subscribed");
    let floor = bus.state().await.expect("a state").ack_floor;
    assert!(floor.is_some_and(|floor| floor <= 1), "nothing is acknowledged on it: {floor:?}");
    assert_eq!(numbers(&take::<W>(&mut subscription, 2).await), [(2, 2, 1), (3, 3, 1)]);
}

async fn what_does_not_exist_is_settled_by_what_follows<W: World>(world: &W) {
    let bus = world.bus("n1", &[]).await;
    let publisher = publisher(world, &bus);
    let mut subscription = subscribe::<W>(&bus, 1).await;
    publisher.store("a").await;
    assert_eq!(numbers(&take::<W>(&mut subscription, 1).await), [(1, 1, 1)]);
    drop(subscription);
    for message in ["b", "c", "d", "e", "f"] {
        publisher.store(message).await;
    }
    for gone in [2, 3, 5] {
        world.delete_message(gone).await;
    }
    let mut subscription = subscribe::<W>(&bus, 1).await;
    let fresh: Vec<_> = numbers(&take::<W>(&mut subscription, 2).await);
    assert_eq!(fresh, [(2, 4, 1), (5, 6, 1)], "2, 3 and 5 were deleted");
    let again = numbers(&take::<W>(&mut subscription, 1).await);
    assert_eq!(again, [(1, 1, 2)], "a redelivery settles itself alone");
    let other = world.bus("n2", &[]).await;
    world.purge_before(4).await;
    let mut late = subscribe::<W>(&other, 1).await;
    assert_eq!(numbers(&take::<W>(&mut late, 2).await), [(4, 4, 1), (5, 6, 1)], "a consumer begins behind what was purged");
}

async fn the_state_tells_bounds_and_floor<W: World>(world: &W) {
    let bus = world.bus("n1", &[]).await;
    let publisher = publisher(world, &bus);
    let state = async || {
        let state = bus.state().await.expect("a state");
        (state.first_sequence, state.last_sequence, state.ack_floor)
    };
    assert_eq!(state().await, (0, 0, None), "a stream that never had a message");
    let mut subscription = subscribe::<W>(&bus, 1).await;
    assert_eq!(state().await, (0, 0, Some(0)));
    for message in ["a", "b", "c"] {
        publisher.store(message).await;
    }
    let mut deliveries = take::<W>(&mut subscription, 3).await;
    assert_eq!(state().await, (1, 3, Some(0)));
    subscription.ack(deliveries.remove(1).receipt).await.expect("handed over");
    subscription.ack(deliveries.remove(0).receipt).await.expect("handed over");
    wait_floor(&bus, 2).await;
    world.purge_before(2).await;
    assert_eq!(state().await, (2, 3, Some(2)));
    world.purge().await;
    wait_floor(&bus, 3).await;
    assert_eq!(state().await, (4, 3, Some(3)), "an empty stream begins behind its last");
}

async fn a_stream_made_anew_has_another_identity_and_counts_from_one<W: World>(world: &W) {
    let bus = world.bus("n1", &[]).await;
    let publisher = publisher(world, &bus);
    publisher.store("a").await;
    publisher.store("b").await;
    let mut subscription = subscribe::<W>(&bus, 1).await;
    take::<W>(&mut subscription, 2).await;
    let before = bus.state().await.expect("a state").identity;
    let (mut link, epoch) = (bus.link(), bus.link().epoch());
    world.delete_stream().await;
    tokio::time::timeout(DEADLINE, link.wait_end_of(epoch)).await.expect("it is noticed in time");
    tokio::time::timeout(DEADLINE, link.wait_up()).await.expect("it is made anew in time");
    assert_ended::<W>(&mut subscription).await;
    let state = bus.state().await.expect("a state");
    assert_eq!((state.identity == before, state.last_sequence, state.ack_floor), (false, 0, None));
    assert_eq!(publisher.store("b").await, 1, "it knows no ids of before");
    let mut subscription = subscribe::<W>(&bus, 1).await;
    assert_eq!(numbers(&take::<W>(&mut subscription, 1).await), [(1, 1, 1)]);
}

async fn a_deleted_consumer_ends_its_pull<W: World>(world: &W) {
    let bus = world.bus("n1", &[]).await;
    let publisher = publisher(world, &bus);
    publisher.store("a").await;
    publisher.store("b").await;
    let mut subscription = subscribe::<W>(&bus, 1).await;
    take::<W>(&mut subscription, 2).await;
    world.delete_consumer("n1").await;
    assert_ended::<W>(&mut subscription).await;
    assert_eq!(bus.state().await.expect("a state").ack_floor, None);
    let mut subscription = subscribe::<W>(&bus, 2).await;
    assert_eq!(numbers(&take::<W>(&mut subscription, 1).await), [(2, 2, 1)], "it is made where it is asked to begin");
}

async fn nodes_have_places_of_their_own<W: World>(world: &W) {
    let (one, two) = tokio::join!(world.bus("n1", &[]), world.bus("n2", &[]));
    let publisher = publisher(world, &one);
    publisher.store("a").await;
    let (mut first, mut second) = tokio::join!(subscribe::<W>(&one, 1), subscribe::<W>(&two, 1));
    for delivery in take::<W>(&mut first, 1).await {
        first.ack(delivery.receipt).await.expect("handed over");
    }
    wait_floor(&one, 1).await;
    assert_eq!(numbers(&take::<W>(&mut second, 1).await), [(1, 1, 1)]);
    assert_eq!(two.state().await.expect("a state").ack_floor, Some(0));
}
