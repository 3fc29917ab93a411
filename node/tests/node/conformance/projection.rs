//! The apply step: guard, ledger, positions, floor, what is set aside; and reading it back.

use node::order::Total;
use node::ports::{ApplyItem, Effect, ItemKind, Ledger, Store, StoreError};

use super::over_both;
use super::world::{World, customer, item, order_id, placed};

over_both!(
    each_order_is_applied_once_whatever_is_delivered,
    without_the_guard_an_order_is_applied_again,
    a_batch_of_another_stream_changes_nothing,
    the_floor_passes_ranges_that_overlap_when_their_gap_closes,
    a_ledger_at_its_limit_sets_orders_aside,
    what_is_set_aside_is_kept_by_stream_and_sequence,
    pages_give_every_position_once,
);

async fn following<W: World>(world: &W, node: &str) -> W::Store {
    let store = world.store(node, &[]).await;
    store.follow("s", 0).await.expect("followed");
    store
}

async fn each_order_is_applied_once_whatever_is_delivered(world: &impl World) {
    let store = following(world, "n1").await;
    let (one, two, twisted) = (placed("one", "n1", 5), placed("two", "n1", 7), placed("one", "n2", 6));
    let batch = store.apply("s", &[item(1, &one), item(2, &two), item(3, &one), item(4, &twisted)]).await.expect("applied");
    let [Effect::Applied { position: 1 }, Effect::Applied { position: 2 }, Effect::Skipped, Effect::Parked(why)] =
        batch.effects.as_slice()
    else {
        panic!("{batch:?}")
    };
    assert_eq!((*why, batch.position, batch.newly_parked), ("order id was applied with other content", 2, 1));
    let again = store.apply("s", &[item(2, &two), item(4, &twisted)]).await.expect("applied");
    assert_eq!((again.effects.first(), again.position, again.newly_parked), (Some(&Effect::Skipped), 2, 0));
    // The same order under another message id is the same order.
    let same = store.apply("s", &[item(5, &placed("two", "n3", 7))]).await.expect("applied");
    assert_eq!(same.effects, [Effect::Skipped]);
    let progress = store.progress().await.expect("progress");
    assert_eq!((progress.stream.as_deref(), progress.floor, progress.position), (Some("s"), 5, 2));
    let kept = store.order(&order_id("one")).await.expect("a read").expect("projected");
    assert_eq!((kept.placed, kept.sequence, kept.position, kept.applied), (one.clone(), 1, 1, 1));
    assert_eq!(kept.applied_at_us, batch.applied_at_us);
    let ledger = store.customer(&one.order.customer_id).await.expect("a read");
    assert_eq!(ledger, Some(Ledger { orders: 2, total: Total(12) }));
    assert!(world.is_marked("n1", &one.message_id).await && !world.is_marked("n1", &twisted.message_id).await);
}

async fn without_the_guard_an_order_is_applied_again(world: &impl World) {
    let store = following(world, "n1").await;
    let order = placed("twice", "n1", 5);
    let unguarded = |sequence| ApplyItem {
        sequence,
        settles_from: sequence,
        kind: ItemKind::Order { placed: Box::new(order.clone()), unguarded: true },
    };
    store.apply("s", &[item(1, &order)]).await.expect("applied");
    let again = store.apply("s", &[unguarded(1)]).await.expect("applied");
    assert_eq!(again.effects, [Effect::Applied { position: 2 }]);
    let kept = store.order(&order_id("twice")).await.expect("a read").expect("projected");
    assert_eq!((kept.applied, kept.position), (2, 2));
    let page = store.page(0, 10).await.expect("a page");
    assert_eq!(page.entries.iter().map(|entry| (entry.position, entry.applied)).collect::<Vec<_>>(), [(1, 2), (2, 2)]);
    assert_eq!(store.customer(&order.order.customer_id).await.expect("a read"), Some(Ledger { orders: 2, total: Total(10) }));
}

async fn a_batch_of_another_stream_changes_nothing(world: &impl World) {
    let store = world.store("n1", &[]).await;
    let order = placed("other", "n1", 5);
    let refused = store.apply("s", &[item(1, &order)]).await;
    assert!(matches!(refused, Err(StoreError::OtherStream)), "a projection that follows nothing: {refused:?}");
    store.follow("s", 3).await.expect("followed");
    let refused = store.apply("t", &[item(4, &order)]).await;
    assert!(matches!(refused, Err(StoreError::OtherStream)), "{refused:?}");
    let progress = store.progress().await.expect("progress");
    assert_eq!((progress.floor, progress.position, store.order(&order_id("other")).await.expect("a read")), (3, 0, None));
    store.follow("t", 0).await.expect("followed");
    assert_eq!(store.progress().await.expect("progress").floor, 0);
    store.apply("t", &[item(1, &order)]).await.expect("applied");
}

async fn the_floor_passes_ranges_that_overlap_when_their_gap_closes(world: &impl World) {
    let store = world.store("n1", &[]).await;
    let settle = async |first: u64, last: u64| {
        let kind = ItemKind::Parked { note: "x".to_owned() };
        store.apply("s", &[ApplyItem { sequence: last, settles_from: first, kind }]).await.expect("settled");
        store.progress().await.expect("progress").floor
    };
    let cases: [&[(u64, u64, u64)]; 5] = [
        &[(11, 20, 9), (17, 17, 9), (10, 10, 20)],
        &[(17, 17, 9), (11, 20, 9), (10, 10, 20)],
        &[(12, 14, 9), (15, 15, 9), (13, 18, 9), (20, 20, 9), (11, 11, 9), (10, 10, 18), (19, 19, 20)],
        &[(15, 20, 9), (12, 30, 9), (16, 16, 9), (31, 31, 9), (10, 11, 31)],
        &[(12, 12, 9), (11, 11, 9), (9, 9, 9), (10, 10, 12), (12, 12, 12), (13, 13, 13)],
    ];
    for case in cases {
        store.follow("s", 9).await.expect("followed");
        for (first, last, floor) in case {
            assert_eq!(settle(*first, *last).await, *floor, "after {first} to {last} in {case:?}");
        }
        assert_eq!(world.ahead("n1").await, 0, "{case:?}");
    }
}

async fn a_ledger_at_its_limit_sets_orders_aside(world: &impl World) {
    let store = following(world, "n1").await;
    world.set_total("n1", &customer("customer-1"), (1 << 53) - 1 - 5).await;
    let batch = store.apply("s", &[item(1, &placed("fits", "n1", 5)), item(2, &placed("over", "n1", 1))]).await;
    let batch = batch.expect("applied");
    assert_eq!(batch.effects, [Effect::Applied { position: 1 }, Effect::Parked("ledger is at its limit")]);
    assert_eq!(store.order(&order_id("over")).await.expect("a read"), None);
    let parked = world.parked("n1").await;
    let expected = format!("ledger is at its limit: over {}", placed("over", "n1", 1).to_compact());
    assert_eq!(parked, [("s/2".to_owned(), expected)]);
    let again = store.apply("s", &[item(2, &placed("over", "n1", 1))]).await.expect("applied");
    assert_eq!((again.newly_parked, again.position), (0, 1));
}

async fn what_is_set_aside_is_kept_by_stream_and_sequence(world: &impl World) {
    let store = following(world, "n1").await;
    let parked =
        |sequence, note: &str| ApplyItem { sequence, settles_from: sequence, kind: ItemKind::Parked { note: note.to_owned() } };
    let first = store.apply("s", &[parked(1, "first"), parked(2, "second")]).await.expect("applied");
    assert_eq!((first.effects, first.newly_parked), (vec![Effect::Parked("no order"); 2], 2));
    assert_eq!(store.apply("s", &[parked(1, "again")]).await.expect("applied").newly_parked, 0);
    // A stream that was made anew counts from 1 again.
    store.follow("t", 0).await.expect("followed");
    assert_eq!(store.apply("t", &[parked(1, "third")]).await.expect("applied").newly_parked, 1);
    let expected = [("s/1", "first"), ("s/2", "second"), ("t/1", "third")].map(|(key, note)| (key.to_owned(), note.to_owned()));
    assert_eq!(world.parked("n1").await, expected);
}

async fn pages_give_every_position_once(world: &impl World) {
    let store = following(world, "n1").await;
    let empty = store.page(0, 10).await.expect("a page");
    assert_eq!((empty.entries.len(), empty.end, empty.last), (0, 0, 0));
    for batch in 0..6 {
        let orders: Vec<_> = (1..=50).map(|index| batch * 50 + index).collect();
        let items: Vec<_> = orders.iter().map(|at| item(*at, &placed(&format!("order-{at}"), "n1", *at))).collect();
        store.apply("s", &items).await.expect("applied");
    }
    let (mut after, mut seen) = (0, Vec::new());
    loop {
        let page = store.page(after, 77).await.expect("a page");
        assert_eq!(page.last, 300);
        seen.extend(page.entries.iter().map(|entry| (entry.position, entry.placed.order.order_id.to_string())));
        after = page.end;
        if page.end >= page.last {
            break;
        }
    }
    assert_eq!(seen, (1..=300).map(|at| (at, format!("order-{at}"))).collect::<Vec<_>>());
    let beyond = store.page(1000, 10).await.expect("a page");
    assert_eq!((beyond.entries.len(), beyond.end, beyond.last), (0, 1000, 300));
}
