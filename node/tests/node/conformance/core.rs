//! Whole cores on both worlds: accepted, relayed and applied on every node once, whatever breaks in between.

use std::marker::PhantomData;
use std::sync::Arc;

use node::core::{Core, FeedRead, PlaceOrder, Placement};
use node::error::Error;
use node::identity::{Instance, hold_identity};
use node::mediator::Handler as _;
use node::memory::Operation;
use node::order::Total;
use node::ports::{Bus as _, Ledger, Ports, Projected, Store as _};
use node::state::Phase;
use node::system::{OsRng, SystemClock};
use tokio::task::JoinSet;

use super::gate::{Gate, Gated, Step};
use super::over_both;
use super::world::{Way, World, customer, node, order_id, placed};
use crate::space::eventually;

over_both!(
    an_accepted_order_is_applied_once_on_three_nodes,
    a_crash_between_accept_and_publish_loses_nothing,
    a_crash_between_publish_and_remove_repeats_nothing,
    a_crash_between_apply_and_ack_repeats_nothing,
    a_row_published_again_behind_the_window_is_applied_once,
    a_row_whose_message_was_purged_is_published_again,
    an_apply_whose_answer_is_lost_is_told_of_once,
    a_store_behind_the_acknowledged_floor_is_caught_up,
    a_stream_made_anew_is_followed_from_its_beginning,
    a_cut_bus_keeps_orders_until_it_is_mended,
    a_cut_store_refuses_with_proof_and_goes_on_when_it_is_mended,
    what_is_no_order_is_set_aside_and_the_rest_goes_on,
    a_feed_resumes_from_memory_and_from_the_store,
);

/// The gated ports of a world.
struct Gates<W>(PhantomData<W>);

impl<W: World> Ports for Gates<W> {
    type Store = Gated<W::Store>;
    type Bus = Gated<W::Bus>;
    type Clock = SystemClock;
    type Rng = OsRng;
}

/// A node that runs; dropped, it has crashed.
struct Running<W: World> {
    core: Arc<Core<Gates<W>>>,
    gate: Gate,
    _tasks: JoinSet<()>,
}

impl<W: World> Running<W> {
    async fn start(world: &W, id: &str, flags: &[&str]) -> Self {
        let gate = Gate::default();
        let store = Gated { inner: world.store(id, flags).await, gate: gate.clone() };
        let bus = Gated { inner: world.bus(id, flags).await, gate: gate.clone() };
        let settings = world.settings(id, flags);
        let (core, inbox) = Core::<Gates<W>>::new(node(id), settings, store, bus, SystemClock::default(), OsRng);
        let core = Arc::new(core);
        let mut tasks = JoinSet::new();
        let (held, instance) = (Arc::clone(&core), Instance::of_this_process(&OsRng));
        tasks.spawn(async move { hold_identity(held, instance).await.expect("the name is this node's") });
        tasks.spawn(Arc::clone(&core).run_relay(inbox));
        tasks.spawn(Arc::clone(&core).run_apply());
        tasks.spawn(Arc::clone(&core).run_gauges());
        let serving = tokio::time::timeout(crate::space::DEADLINE, core.life.reached(Phase::Serving)).await;
        assert!(serving.is_ok(), "{id} serves in time");
        Self { core, gate, _tasks: tasks }
    }

    async fn try_place(&self, id: &str, minor: u64) -> Result<Placement, Error> {
        self.core.handle(PlaceOrder::from(placed(id, "nobody", minor).order)).await
    }

    async fn place(&self, id: &str) {
        let answer = self.try_place(id, 5).await;
        assert!(matches!(answer, Ok(Placement::New(_))), "{answer:?}");
    }

    async fn wait_applied(&self, id: &str) -> Projected {
        eventually(&format!("{id} is applied on {}", self.core.node), async || {
            let found = self.core.store.order(&order_id(id)).await.map_err(|error| error.to_string())?;
            found.ok_or_else(|| {
                format!(
                    "{:?}, links {:?} {:?}",
                    self.core.metrics.applied,
                    self.core.store.link().state(),
                    self.core.bus.link().state()
                )
            })
        })
        .await
    }

    /// Every order was applied, each once: the ledger says so beside the entries.
    async fn assert_once(&self, ids: &[&str]) {
        for id in ids {
            assert_eq!(self.wait_applied(id).await.applied, 1, "{id} on {}", self.core.node);
        }
        let ledger = self.core.store.customer(&customer("customer-1")).await.expect("a read");
        let count = ids.len() as u64;
        assert_eq!(ledger, Some(Ledger { orders: count, total: Total(5 * count) }), "on {}", self.core.node);
        assert_eq!(self.core.store.progress().await.expect("a read").position, count);
    }

    async fn wait_acknowledged(&self, floor: u64) {
        eventually(&format!("{} acknowledged {floor}", self.core.node), async || {
            match self.core.bus.state().await.map_err(|error| error.to_string())?.ack_floor {
                Some(seen) if seen >= floor => Ok(()),
                seen => Err(format!("{seen:?}")),
            }
        })
        .await;
    }
}

async fn wait_empty(world: &impl World) {
    eventually("the outbox is empty", async || match world.index().await {
        ids if ids.is_empty() => Ok(()),
        ids => Err(format!("{ids:?}")),
    })
    .await;
}

async fn three<W: World>(world: &W, flags: &[&str]) -> [Running<W>; 3] {
    let (one, two, three) =
        tokio::join!(Running::start(world, "n1", flags), Running::start(world, "n2", flags), Running::start(world, "n3", flags));
    [one, two, three]
}

async fn an_accepted_order_is_applied_once_on_three_nodes<W: World>(world: &W) {
    let nodes = three(world, &[]).await;
    let ids: Vec<String> = (0..30).map(|index| format!("order-{index}")).collect();
    let placing = ids.iter().enumerate().map(|(index, id)| nodes[index % 3].place(id));
    futures_util::future::join_all(placing).await;
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    for node in &nodes {
        node.assert_once(&ids).await;
        assert_eq!(node.core.metrics.applied.get(), 30);
    }
    wait_empty(world).await;
    assert_eq!(world.stream_ids().await.len(), 30);
    let again = nodes[1].try_place("order-0", 5).await;
    assert!(matches!(again, Ok(Placement::Replayed(_))), "{again:?}");
    let other = nodes[1].try_place("order-0", 6).await;
    assert!(matches!(other, Err(Error::Conflict { .. })), "{other:?}");
}

async fn a_crash_between_accept_and_publish_loses_nothing<W: World>(world: &W) {
    let [one, two, three] = three(world, &[]).await;
    one.gate.close(Step::Publish);
    one.place("left").await;
    one.gate.reached().await;
    drop(one);
    assert_eq!(world.stream_ids().await.len(), 0);
    for heir in [&two, &three] {
        heir.assert_once(&["left"]).await;
    }
    wait_empty(world).await;
    assert_eq!(two.core.metrics.takeovers.get() + three.core.metrics.takeovers.get(), 1);
    let one = Running::start(world, "n1", &[]).await;
    one.assert_once(&["left"]).await;
}

async fn a_crash_between_publish_and_remove_repeats_nothing<W: World>(world: &W) {
    let [one, two, three] = three(world, &[]).await;
    one.gate.close(Step::Remove);
    one.place("published").await;
    one.gate.reached().await;
    drop(one);
    assert_eq!(world.index().await.len(), 1, "the row is still there");
    wait_empty(world).await;
    let duplicates = two.core.metrics.publish_duplicates.get() + three.core.metrics.publish_duplicates.get();
    assert_eq!(duplicates, 1, "it was published again, and proven to be there");
    assert_eq!(world.stream_ids().await.len(), 1);
    let one = Running::start(world, "n1", &[]).await;
    for node in [&one, &two, &three] {
        node.assert_once(&["published"]).await;
    }
    assert_eq!(world.record(&order_id("published")).await, Some(true), "its time to live has begun");
}

async fn a_crash_between_apply_and_ack_repeats_nothing<W: World>(world: &W) {
    let [one, two, three] = three(world, &[]).await;
    two.gate.close(Step::Ack);
    one.place("applied").await;
    two.gate.reached().await;
    two.assert_once(&["applied"]).await;
    drop(two);
    let two = Running::start(world, "n2", &[]).await;
    two.wait_acknowledged(1).await;
    assert_eq!((two.core.metrics.redelivered.get(), two.core.metrics.skipped.get()), (1, 1));
    for node in [&one, &two, &three] {
        node.assert_once(&["applied"]).await;
    }
}

async fn a_row_published_again_behind_the_window_is_applied_once<W: World>(world: &W) {
    let [one, two, three] = three(world, &["--duplicate-window=100ms"]).await;
    one.gate.close(Step::Remove);
    one.place("twice").await;
    one.gate.reached().await;
    drop(one);
    // The lease outlasts the window, so the stream knows nothing of the first one any more.
    wait_empty(world).await;
    assert_eq!(world.stream_ids().await.len(), 2);
    for node in [&two, &three] {
        node.wait_acknowledged(2).await;
        node.assert_once(&["twice"]).await;
        assert_eq!(node.core.metrics.skipped.get(), 1);
    }
}

async fn a_row_whose_message_was_purged_is_published_again<W: World>(world: &W) {
    let flags = ["--duplicate-window=5s"];
    let one = Running::start(world, "n1", &flags).await;
    one.gate.close(Step::Remove);
    one.place("purged").await;
    one.gate.reached().await;
    drop(one);
    world.purge().await;
    // It never saw the message, which the stream still calls a duplicate.
    let two = Running::start(world, "n2", &flags).await;
    let id = world.index().await.pop().expect("the row is there");
    let id = node::order::MessageId::new(&id).expect("a message id");
    eventually("the row says why it waits", async || match world.row(&id).await {
        Some((1, error)) if error.contains("called a duplicate of 1, where the stream has nothing") => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    two.assert_once(&["purged"]).await;
    wait_empty(world).await;
    assert_eq!((world.stream_ids().await.len(), two.core.metrics.publish_duplicates.get()), (1, 1));
}

async fn an_apply_whose_answer_is_lost_is_told_of_once<W: World>(world: &W) {
    let (one, two) = tokio::join!(Running::start(world, "n1", &[]), Running::start(world, "n2", &[]));
    one.place("before").await;
    two.wait_applied("before").await;
    two.wait_acknowledged(1).await;
    let link = two.core.store.link();
    let told = world.losing_answer("n2", Way::Store, link, Operation::Apply, async {
        one.place("lost").await;
        // The other node shows when it was delivered; this one's own answers do not come.
        one.wait_applied("lost").await;
        eventually("the link to the store is replaced or the apply has failed", async || {
            let epoch = two.core.store.link().epoch();
            if two.core.store.link().is_up() && epoch == 1 { Err(format!("epoch {epoch}")) } else { Ok(()) }
        })
        .await;
    });
    told.await;
    one.place("after").await;
    two.assert_once(&["before", "lost", "after"]).await;
    two.wait_acknowledged(3).await;
    eventually("the feed is told of all", async || match two.core.feed.watch().borrow().position {
        3 => Ok(()),
        position => Err(position.to_string()),
    })
    .await;
    assert_eq!(positions(&two, 0, 3).await, [1, 2, 3]);
    assert_eq!(two.core.metrics.applied.get(), 3, "each is told of once");
    assert_eq!(two.core.metrics.skipped.get(), 1, "the redelivery");
}

/// What a reader of the feed sees that resumes after a position.
async fn positions<W: World>(node: &Running<W>, after: u64, last: u64) -> Vec<u64> {
    let (mut after, mut seen) = (after, Vec::new());
    while after < last {
        let FeedRead::Events { events, .. } = node.core.read_feed(after, last).await.expect("a read") else {
            panic!("the feed has nothing behind {after} of {last}")
        };
        seen.extend(events.iter().map(|event| event.position));
        after = *seen.last().expect("events are not empty");
    }
    seen
}

async fn a_store_behind_the_acknowledged_floor_is_caught_up<W: World>(world: &W) {
    let one = Running::start(world, "n1", &[]).await;
    let ids = ["a", "b", "c", "d", "e"];
    for id in ids {
        one.place(id).await;
    }
    one.assert_once(&ids).await;
    one.wait_acknowledged(5).await;
    wait_empty(world).await;
    world.forget_projection("n1").await;
    one.assert_once(&ids).await;
    assert_eq!(one.core.metrics.rewinds.get(), 1);
    assert_eq!(one.core.store.progress().await.expect("a read").floor, 5);
}

async fn a_stream_made_anew_is_followed_from_its_beginning<W: World>(world: &W) {
    let (one, two) = tokio::join!(Running::start(world, "n1", &[]), Running::start(world, "n2", &[]));
    one.place("before").await;
    // What a deleted stream did not deliver before is nowhere to be had for a projection.
    for node in [&one, &two] {
        node.wait_acknowledged(1).await;
    }
    wait_empty(world).await;
    let before = one.core.bus.state().await.expect("a state").identity;
    world.delete_stream().await;
    eventually("the stream is made anew", async || match one.core.bus.state().await {
        Ok(state) if state.identity != before => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    one.place("after").await;
    for node in [&one, &two] {
        node.assert_once(&["before", "after"]).await;
        let progress = node.core.store.progress().await.expect("a read");
        assert_eq!((progress.stream.as_deref() == Some(before.as_str()), progress.floor), (false, 1));
    }
}

async fn a_cut_bus_keeps_orders_until_it_is_mended<W: World>(world: &W) {
    let (one, two) = tokio::join!(Running::start(world, "n1", &[]), Running::start(world, "n2", &[]));
    let (mut link, epoch) = (one.core.bus.link(), one.core.bus.link().epoch());
    world.cut("n1", Way::Bus);
    link.wait_end_of(epoch).await;
    two.place("elsewhere").await;
    two.wait_applied("elsewhere").await;
    one.place("waits").await;
    world.mend("n1", Way::Bus);
    for node in [&one, &two] {
        node.assert_once(&["elsewhere", "waits"]).await;
    }
    wait_empty(world).await;
}

async fn a_cut_store_refuses_with_proof_and_goes_on_when_it_is_mended<W: World>(world: &W) {
    let (one, two) = tokio::join!(Running::start(world, "n1", &[]), Running::start(world, "n2", &[]));
    let (mut link, epoch) = (one.core.store.link(), one.core.store.link().epoch());
    world.cut("n1", Way::Store);
    link.wait_end_of(epoch).await;
    let refused = one.try_place("refused", 5).await;
    assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
    assert_eq!(world.record(&order_id("refused")).await, None);
    two.place("meanwhile").await;
    two.wait_applied("meanwhile").await;
    world.mend("n1", Way::Store);
    link.wait_up().await.expect("it comes up");
    one.place("refused").await;
    for node in [&one, &two] {
        node.assert_once(&["meanwhile", "refused"]).await;
    }
}

async fn what_is_no_order_is_set_aside_and_the_rest_goes_on<W: World>(world: &W) {
    let one = Running::start(world, "n1", &[]).await;
    one.place("good").await;
    one.wait_applied("good").await;
    let subject = one.core.settings.subject();
    world.publish(&subject, Some("garbage"), b"hello").await;
    world.publish(&subject, None, &placed("good", "n9", 5).to_json()).await;
    world.publish(&subject, Some("not-its-id"), &placed("good", "n9", 5).to_json()).await;
    let twisted = placed("good", "n9", 6);
    world.publish(&subject, Some(twisted.message_id.as_str()), &twisted.to_json()).await;
    world.publish(&subject.replace(".placed", ".elsewhere"), Some("x"), b"{}").await;
    one.place("after").await;
    one.wait_acknowledged(7).await;
    one.assert_once(&["good", "after"]).await;
    assert_eq!((world.parked("n1").await.len(), one.core.metrics.parked.get()), (5, 5));
}

async fn a_feed_resumes_from_memory_and_from_the_store<W: World>(world: &W) {
    let one = Running::start(world, "n1", &["--identity-lease=500ms"]).await;
    let ids: Vec<String> = (0..20).map(|index| format!("order-{index}")).collect();
    futures_util::future::join_all(ids.iter().map(|id| one.place(id))).await;
    for id in &ids {
        one.wait_applied(id).await;
    }
    assert_eq!(positions(&one, 0, 20).await, (1..=20).collect::<Vec<_>>());
    assert_eq!(positions(&one, 13, 20).await, (14..=20).collect::<Vec<_>>());
    assert!(matches!(one.core.read_feed(20, 20).await, Ok(FeedRead::Nothing)));
    drop(one);
    let one = Running::start(world, "n1", &["--identity-lease=500ms"]).await;
    assert_eq!(positions(&one, 0, 20).await, (1..=20).collect::<Vec<_>>(), "memory is empty, and the store has it all");
    one.place("next").await;
    assert!(matches!(one.wait_applied("next").await.position, 21));
    assert_eq!(positions(&one, 15, 21).await, (16..=21).collect::<Vec<_>>(), "from the store into memory");
}

#[cfg(feature = "planted-bugs")]
mod planted {
    use super::*;
    use crate::conformance::over_both;

    over_both!(a_removal_before_the_ack_loses_what_the_stream_did_not_get, a_redelivery_without_inbox_is_applied_twice);

    async fn a_removal_before_the_ack_loses_what_the_stream_did_not_get<W: World>(world: &W) {
        let one = Running::start(world, "n1", &["--plant=remove-before-ack"]).await;
        one.place("arrives").await;
        one.wait_applied("arrives").await;
        let (mut link, epoch) = (one.core.bus.link(), one.core.bus.link().epoch());
        world.cut("n1", Way::Bus);
        link.wait_end_of(epoch).await;
        one.place("lost").await;
        wait_empty(world).await;
        world.mend("n1", Way::Bus);
        link.wait_up().await.expect("it comes up");
        one.place("after").await;
        assert_eq!(link.epoch(), epoch + 1, "the way was cut once");
        one.assert_once(&["arrives", "after"]).await;
        assert_eq!(one.core.store.order(&order_id("lost")).await.expect("a read"), None);
        assert_eq!(world.stream_ids().await.len(), 2);
    }

    async fn a_redelivery_without_inbox_is_applied_twice<W: World>(world: &W) {
        let one = Running::start(world, "n1", &["--plant=redelivery-skips-inbox"]).await;
        one.gate.close(Step::Ack);
        one.place("twice").await;
        one.gate.reached().await;
        drop(one);
        let one = Running::start(world, "n1", &["--plant=redelivery-skips-inbox"]).await;
        one.wait_acknowledged(1).await;
        assert_eq!(one.wait_applied("twice").await.applied, 2);
        assert_eq!(positions(&one, 0, 2).await, [1, 2]);
    }
}
