//! Accepting, and what becomes of rows.

use std::time::Duration;

use node::memory::Operation;
use node::order::MessageId;
use node::ports::{Accepted, ClaimedRow, Failure, Grave, Hold, RowFate, RowKey, Store, StoreError};

use super::over_both;
use super::world::{Way, World, accept, item, order_id, placed, row};
use crate::space::{DEADLINE, eventually};

over_both!(
    accepting_writes_record_row_and_index_in_one_step,
    concurrent_first_requests_with_one_key_give_one_new,
    one_key_with_other_content_is_answered_with_what_is_there,
    an_applied_order_is_answered_when_its_record_has_expired,
    a_backlog_at_its_limit_refuses_what_is_new_and_answers_what_is_known,
    a_paused_owner_that_comes_back_changes_no_row,
    due_rows_are_claimed_by_due_time_and_only_once_a_lease,
    postponing_counts_attempts_and_keeps_the_token,
    a_buried_row_is_found_among_the_dead,
    a_row_without_index_is_found_and_an_index_without_row_is_dropped,
    an_answer_that_is_lost_leaves_what_took_effect,
    a_cut_link_proves_that_nothing_was_written,
    all_is_kept_when_every_handle_is_dropped,
    a_name_is_held_by_one_instance_and_its_lease_ends,
);

async fn claimed(store: &impl Store, token: &str) -> ClaimedRow {
    eventually("a row is due", async || {
        let claims = store.claim(token, 10).await.expect("claimed");
        claims.rows.into_iter().next().ok_or_else(|| "nothing due".to_owned())
    })
    .await
}

async fn accepting_writes_record_row_and_index_in_one_step(world: &impl World) {
    let store = world.store("n1", &["--lease=30s"]).await;
    let order = placed("one", "n1", 5);
    assert_eq!(accept(&store, &order, "t").await, Accepted::New);
    assert_eq!(world.index().await, [order.message_id.as_str()]);
    assert_eq!(world.row(&order.message_id).await, Some((0, String::new())));
    assert_eq!(world.record(&order.order.order_id).await, Some(false), "it does not end while the row is there");
    assert_eq!(store.backlog().await.expect("a backlog").depth, 1);
    assert!(store.claim("other", 10).await.expect("claimed").rows.is_empty(), "its acceptor's lease is on");
    assert_eq!(store.remove(&[row(&order, "t")]).await.expect("fates"), [RowFate::Changed]);
    assert_eq!((world.index().await, world.row(&order.message_id).await), (Vec::new(), None));
    assert_eq!(world.record(&order.order.order_id).await, Some(true));
}

async fn concurrent_first_requests_with_one_key_give_one_new(world: &impl World) {
    let (one, two) = tokio::join!(world.store("n1", &[]), world.store("n2", &[]));
    let orders: Vec<_> = (0..40).map(|index| (placed("hot", &format!("n{index}"), 5), index % 2)).collect();
    let accepting = orders.iter().map(|(order, store)| accept(if *store == 0 { &one } else { &two }, order, "t"));
    let answers = futures_util::future::join_all(accepting).await;
    let new: Vec<_> = (0..40).filter(|index| answers[*index] == Accepted::New).collect();
    assert_eq!(new.len(), 1, "{answers:?}");
    let first = &orders[new[0]].0;
    let recorded = Accepted::Recorded { content: first.order.canonical(), answer: first.to_json() };
    assert!(answers.iter().enumerate().all(|(index, answer)| index == new[0] || *answer == recorded), "{answers:?}");
    assert_eq!(world.index().await, [first.message_id.as_str()]);
}

async fn one_key_with_other_content_is_answered_with_what_is_there(world: &impl World) {
    let store = world.store("n1", &[]).await;
    let (first, other) = (placed("key", "n1", 5), placed("key", "n2", 6));
    assert_eq!(accept(&store, &first, "t").await, Accepted::New);
    let recorded = Accepted::Recorded { content: "customer-1 5".to_owned(), answer: first.to_json() };
    assert_eq!(accept(&store, &other, "t").await, recorded);
    assert_eq!(world.index().await, [first.message_id.as_str()], "nothing was written");
    store.follow("s", 0).await.expect("followed");
    store.apply("s", &[item(1, &first)]).await.expect("applied");
    assert_eq!(accept(&store, &other, "t").await, Accepted::Applied(Box::new(first)));
}

async fn an_applied_order_is_answered_when_its_record_has_expired(world: &impl World) {
    let store = world.store("n1", &["--record-ttl=100ms", "--inbox-ttl=100ms"]).await;
    let order = placed("brief", "n1", 5);
    accept(&store, &order, "t").await;
    store.follow("s", 0).await.expect("followed");
    store.apply("s", &[item(1, &order)]).await.expect("applied");
    assert_eq!(store.remove(&[row(&order, "t")]).await.expect("fates"), [RowFate::Changed]);
    eventually("record and mark have ended", async || {
        match (world.record(&order.order.order_id).await, world.is_marked("n1", &order.message_id).await) {
            (None, false) => Ok(()),
            seen => Err(format!("{seen:?}")),
        }
    })
    .await;
    assert_eq!(accept(&store, &placed("brief", "n2", 5), "t").await, Accepted::Applied(Box::new(order.clone())));
    assert_eq!((world.index().await, world.record(&order.order.order_id).await), (Vec::new(), None), "nothing was written");
}

async fn a_backlog_at_its_limit_refuses_what_is_new_and_answers_what_is_known(world: &impl World) {
    let store = world.store("n1", &["--outbox-limit=2"]).await;
    let (one, two, three) = (placed("one", "n1", 5), placed("two", "n1", 5), placed("three", "n1", 5));
    accept(&store, &one, "t").await;
    accept(&store, &two, "t").await;
    assert_eq!(accept(&store, &three, "t").await, Accepted::BacklogFull(2));
    assert_eq!((world.record(&three.order.order_id).await, world.row(&three.message_id).await), (None, None));
    assert!(matches!(accept(&store, &two, "t").await, Accepted::Recorded { .. }));
    store.remove(&[row(&one, "t")]).await.expect("fates");
    assert_eq!(accept(&store, &three, "t").await, Accepted::New);
}

async fn a_paused_owner_that_comes_back_changes_no_row(world: &impl World) {
    let (paused, heir) = tokio::join!(world.store("n1", &[]), world.store("n2", &[]));
    let order = placed("fenced", "n1", 5);
    accept(&paused, &order, "old").await;
    let claimed = claimed(&heir, "new").await;
    assert_eq!((claimed.previous_owner.as_str(), &claimed.payload), ("n1", &order.to_json()));
    assert_eq!(paused.remove(&[row(&order, "old")]).await.expect("fates"), [RowFate::Fenced]);
    let failure = |token| Failure { row: row(&order, token), error: "x".to_owned(), retry_in: Duration::from_secs(9) };
    assert_eq!(paused.postpone(&[failure("old")]).await.expect("fates"), [RowFate::Fenced]);
    let grave = Grave { row: row(&order, "old"), reason: "x".to_owned() };
    assert_eq!(paused.bury(&[grave]).await.expect("fates"), [RowFate::Fenced]);
    assert_eq!((world.row(&order.message_id).await, world.index().await.len()), (Some((0, String::new())), 1));
    assert_eq!(world.record(&order.order.order_id).await, Some(false));
    assert_eq!(heir.postpone(&[failure("new")]).await.expect("fates"), [RowFate::Changed]);
    let twice = [row(&order, "new"), row(&order, "new")];
    assert_eq!(heir.remove(&twice).await.expect("fates"), [RowFate::Changed, RowFate::Changed]);
    assert_eq!(heir.remove(&twice[..1]).await.expect("fates"), [RowFate::Missing]);
}

async fn due_rows_are_claimed_by_due_time_and_only_once_a_lease(world: &impl World) {
    let store = world.store("n1", &["--lease=30s"]).await;
    let orders: Vec<_> = ["a", "b", "c"].iter().map(|id| placed(id, "n1", 5)).collect();
    for order in &orders {
        accept(&store, order, "t").await;
    }
    let failures = orders.iter().zip([30, 10, 20]).map(|(order, wait)| Failure {
        row: row(order, "t"),
        error: "x".to_owned(),
        retry_in: Duration::from_millis(wait),
    });
    store.postpone(&failures.collect::<Vec<_>>()).await.expect("fates");
    let mut seen = Vec::new();
    eventually("each row was due", async || {
        let claims = store.claim("one", 1).await.expect("claimed");
        assert_eq!(claims.more, claims.rows.len() == 1, "a full batch says that there may be more");
        seen.extend(claims.rows.into_iter().map(|row| (row.message_id.to_string(), row.attempts)));
        if seen.len() == 3 { Ok(()) } else { Err(format!("{seen:?}")) }
    })
    .await;
    assert_eq!(seen, ["b-by-n1", "c-by-n1", "a-by-n1"].map(|id| (id.to_owned(), 1)));
    let claims = store.claim("two", 10).await.expect("claimed");
    assert_eq!((claims.rows.len(), claims.more), (0, false), "all are leased");
}

async fn postponing_counts_attempts_and_keeps_the_token(world: &impl World) {
    let store = world.store("n1", &[]).await;
    let order = placed("late", "n1", 5);
    accept(&store, &order, "t").await;
    let failure = |error: &str| Failure { row: row(&order, "t"), error: error.to_owned(), retry_in: Duration::from_secs(60) };
    for error in ["first", "second"] {
        assert_eq!(store.postpone(&[failure(error)]).await.expect("fates"), [RowFate::Changed]);
    }
    assert_eq!(world.row(&order.message_id).await, Some((2, "second".to_owned())));
    let absent = RowKey { message_id: MessageId::new("absent").expect("an id"), order_id: None, token: "t".to_owned() };
    world.index_without_row(&absent.message_id).await;
    let failure = Failure { row: absent, error: "x".to_owned(), retry_in: Duration::from_secs(60) };
    assert_eq!(store.postpone(&[failure]).await.expect("fates"), [RowFate::Missing]);
    assert_eq!(store.backlog().await.expect("a backlog").depth, 1, "an entry without a row is not kept");
    assert_eq!(store.remove(&[row(&order, "t")]).await.expect("fates"), [RowFate::Changed]);
}

async fn a_buried_row_is_found_among_the_dead(world: &impl World) {
    let store = world.store("n1", &[]).await;
    let order = placed("dead", "n1", 5);
    accept(&store, &order, "t").await;
    let grave = || Grave { row: row(&order, "t"), reason: "too large".to_owned() };
    assert_eq!(store.bury(&[grave()]).await.expect("fates"), [RowFate::Changed]);
    assert_eq!(world.dead().await, [(order.message_id.to_string(), "too large".to_owned())]);
    assert_eq!((world.index().await, world.row(&order.message_id).await), (Vec::new(), None));
    assert_eq!(world.record(&order.order.order_id).await, Some(false), "its record stays");
    assert_eq!(store.bury(&[grave()]).await.expect("fates"), [RowFate::Missing]);
}

async fn a_row_without_index_is_found_and_an_index_without_row_is_dropped(world: &impl World) {
    let store = world.store("n1", &[]).await;
    let order = placed("unindexed", "n1", 5);
    accept(&store, &order, "t").await;
    world.unindex(&order.message_id).await;
    world.index_without_row(&MessageId::new("ghost").expect("an id")).await;
    let (mut cursor, mut found) = (0, 0);
    // Without a pause: a round goes through the keys of every test that shares the services.
    let round = async {
        loop {
            let (next, more) = store.sweep(cursor).await.expect("swept");
            found += more;
            let Some(next) = next else { break };
            cursor = next;
        }
    };
    let ended = tokio::time::timeout(DEADLINE, round).await;
    assert!(ended.is_ok(), "a round of the sweep takes longer than {DEADLINE:?}, last at {cursor}");
    assert_eq!(found, 1);
    let claims = store.claim("new", 10).await.expect("claimed");
    assert_eq!((claims.rows.len(), claims.dropped), (1, 1), "it is due at once");
    assert_eq!(store.backlog().await.expect("a backlog").depth, 1);
}

async fn an_answer_that_is_lost_leaves_what_took_effect(world: &impl World) {
    let store = world.store("n1", &[]).await;
    let order = placed("lost", "n1", 5);
    let payload = order.to_json();
    let acceptance = node::ports::Acceptance { placed: &order, payload: &payload, token: "t" };
    let answer = world.losing_answer("n1", Way::Store, store.link(), Operation::Accept, store.accept(acceptance)).await;
    assert!(matches!(&answer, Err(error @ StoreError::Lost(_)) if !error.proves_nothing_written()), "{answer:?}");
    assert!(matches!(accept(&store, &order, "t").await, Accepted::Recorded { .. }));
    let rows = [row(&order, "t")];
    let answer = world.losing_answer("n1", Way::Store, store.link(), Operation::Remove, store.remove(&rows)).await;
    assert!(matches!(answer, Err(StoreError::Lost(_))), "{answer:?}");
    assert_eq!(store.remove(&rows).await.expect("fates"), [RowFate::Missing]);
    store.follow("s", 0).await.expect("followed");
    let items = [item(1, &order)];
    let answer = world.losing_answer("n1", Way::Store, store.link(), Operation::Apply, store.apply("s", &items)).await;
    assert!(matches!(answer, Err(StoreError::Lost(_))), "{answer:?}");
    assert_eq!(store.progress().await.expect("progress").position, 1);
}

async fn a_cut_link_proves_that_nothing_was_written(world: &impl World) {
    let store = world.store("n1", &[]).await;
    let (mut link, epoch) = (store.link(), store.link().epoch());
    world.cut("n1", Way::Store);
    link.wait_end_of(epoch).await;
    let order = placed("cut", "n1", 5);
    let payload = order.to_json();
    let acceptance = node::ports::Acceptance { placed: &order, payload: &payload, token: "t" };
    let answer = store.accept(acceptance).await;
    assert!(matches!(&answer, Err(StoreError::Unsent(_))), "{answer:?}");
    assert!(link.state().detail.is_some(), "it says why");
    world.mend("n1", Way::Store);
    assert!(link.wait_up().await > Some(epoch), "coming back begins an epoch");
    assert_eq!(accept(&store, &order, "t").await, Accepted::New);
}

async fn all_is_kept_when_every_handle_is_dropped(world: &impl World) {
    let (before, other) = tokio::join!(world.store("n1", &[]), world.store("n2", &[]));
    let (kept, done) = (placed("kept", "n1", 5), placed("done", "n1", 7));
    accept(&before, &kept, "t").await;
    accept(&before, &done, "t").await;
    before.follow("s", 0).await.expect("followed");
    before.apply("s", &[item(3, &done)]).await.expect("applied");
    let progress = before.progress().await.expect("progress");
    drop((before, other));
    let after = world.store("n1", &[]).await;
    assert_eq!(after.progress().await.expect("progress"), progress);
    assert_eq!(world.ahead("n1").await, 1, "what is settled above the gap");
    assert!(matches!(accept(&after, &kept, "u").await, Accepted::Recorded { .. }));
    assert_eq!(after.order(&done.order.order_id).await.expect("a read").expect("projected").placed, done);
    assert_eq!(after.customer(&done.order.customer_id).await.expect("a read").expect("a ledger").total.0, 7);
    assert_eq!(after.order(&kept.order.order_id).await.expect("a read"), None);
    assert_eq!(world.index().await.len(), 2);
    assert_eq!(after.remove(&[row(&kept, "t")]).await.expect("fates"), [RowFate::Changed]);
    let elsewhere = world.store("n2", &[]).await;
    assert_eq!(elsewhere.order(&order_id("done")).await.expect("a read"), None, "a projection is its node's own");
}

async fn a_name_is_held_by_one_instance_and_its_lease_ends(world: &impl World) {
    let (one, two) = tokio::join!(world.store("n1", &[]), world.store("n1", &[]));
    assert_eq!(hold(&one, "a", "1").await, Hold::Ours);
    assert_eq!(hold(&one, "a", "1").await, Hold::Ours, "renewed");
    assert_eq!(hold(&two, "b", "2").await, Hold::Theirs("a".to_owned()));
    let after_us = Hold::Replaced { token: "1".to_owned() };
    assert_eq!(hold(&two, "a", "2").await, after_us, "the same instance is the process after us");
    one.release("1").await.expect("an answer");
    assert_eq!(hold(&one, "b", "3").await, Hold::Theirs("a".to_owned()), "a token that holds nothing releases nothing");
    one.try_write().await.expect("written");
    two.release("2").await.expect("an answer");
    assert_eq!(hold(&one, "b", "3").await, Hold::Ours);
    eventually("the lease ends", async || match hold(&two, "a", "4").await {
        Hold::Ours => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
}

async fn hold(store: &impl Store, instance: &str, token: &str) -> Hold {
    store.hold(instance, token).await.expect("an answer")
}
