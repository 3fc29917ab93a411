use crate::history::{Entry, FeedState, Step};
use crate::testing::{NODES, Story, id, intended_us};
use crate::verdict::Verdict;

impl Story {
    /// Node 1's feed shows only these positions.
    fn show_only(&mut self, positions: std::ops::Range<u64>) {
        self.remove(|entry| matches!(entry, Entry::Seen(seen) if seen.node == NODES[0] && !positions.contains(&seen.position)));
    }

    fn feed(&mut self, t_us: u64, state: FeedState) {
        self.entries.push(Entry::Feed { t_us, node: NODES[0].to_owned(), state, detail: String::new() });
    }

    fn never_connected_before(&mut self) {
        self.remove(|entry| matches!(entry, Entry::Feed { node, .. } if node == NODES[0]));
    }
}

#[test]
fn feed_that_began_late_and_ended_early_left_nothing_out() {
    let mut story = Story::good(20);
    story.show_only(5..15);
    story.never_connected_before();
    story.feed(intended_us(4), FeedState::Connected);
    story.feed(intended_us(14), FeedState::Lost);
    let finding = story.finding("feeds");
    assert_eq!(finding.verdict, Verdict::Valid, "{:?}", finding.evidence);
}

#[test]
fn connected_feed_that_falls_silent_left_its_tail_out() {
    let mut story = Story::good(20);
    story.show_only(0..15);
    let finding = story.finding("feeds");
    assert_eq!((finding.verdict, finding.count), (Verdict::Invalid, 6));
    assert_eq!(finding.orders[0].order_id, id(14));
}

#[test]
fn connected_feed_that_shows_nothing_at_all_left_everything_out() {
    let mut story = Story::good(20);
    story.show_only(0..0);
    assert_eq!((story.finding("feeds").verdict, story.finding("feeds").count), (Verdict::Invalid, 20));
}

#[test]
fn feed_connected_before_the_load_may_not_begin_late() {
    let mut story = Story::good(20);
    story.show_only(5..100);
    // Cut and resumed: what it missed in between it has to show.
    story.feed(intended_us(1), FeedState::Lost);
    story.feed(intended_us(5), FeedState::Connected);
    assert_eq!(story.finding("feeds").count, 4);
}

#[test]
fn tail_cannot_be_told_where_the_feed_was_back_only_just_now_or_the_cluster_was_not_quiescent() {
    let mut story = Story::good(20);
    story.show_only(0..15);
    story.feed(intended_us(15), FeedState::Lost);
    let mut lost = story.clone();
    assert_eq!(lost.finding("feeds").verdict, Verdict::Valid);
    let reads_us = lost.quiescence.as_ref().expect("it has one").t_us;
    lost.feed(reads_us - 1_900_000, FeedState::Connected);
    assert_eq!(lost.finding("feeds").verdict, Verdict::Valid);
    story.feed(reads_us - 2_000_000, FeedState::Connected);
    assert_eq!(story.finding("feeds").verdict, Verdict::Invalid);
    story.see(0, 13, 14, reads_us - 500_000);
    story.remove(|entry| matches!(entry, Entry::Seen(seen) if seen.position == 14 && seen.t_us < reads_us - 500_000 && seen.node == NODES[0]));
    assert_eq!(story.finding("feeds").verdict, Verdict::Valid, "it was still catching up");
    let mut busy = Story::good(20);
    busy.show_only(0..15);
    busy.quiescence.as_mut().expect("it has one").reached = false;
    assert_eq!(busy.finding("feeds").verdict, Verdict::Valid);
}

#[test]
fn event_shown_again_after_a_reconnect_is_found() {
    let mut story = Story::good(20);
    story.feed(intended_us(20), FeedState::Lost);
    story.feed(intended_us(20) + 1, FeedState::Connected);
    story.see(0, 19, 20, intended_us(20) + 20_000);
    let finding = story.finding("feeds");
    assert_eq!((finding.verdict, finding.count), (Verdict::Invalid, 1));
    assert_eq!(finding.evidence, ["run-19: the feed of cluster-node-1 showed position 20 again"]);
}

#[test]
fn event_that_comes_after_a_later_one_is_found() {
    let mut story = Story::good(20);
    let is_sixth = |entry: &Entry| matches!(entry, Entry::Seen(seen) if seen.position == 6 && seen.node == NODES[0]);
    let sixth = story.entries.iter().find(|entry| is_sixth(entry)).cloned().expect("it was shown");
    story.remove(is_sixth);
    let behind =
        story.entries.iter().position(|entry| matches!(entry, Entry::Seen(seen) if seen.position == 7 && seen.node == NODES[0]));
    story.entries.insert(behind.expect("it was shown") + 1, sixth);
    let finding = story.finding("feeds");
    assert_eq!((finding.verdict, finding.orders[0].order_id.clone()), (Verdict::Invalid, id(5)), "{:?}", finding.evidence);
}

/// Redis loses what came behind order 9, and every node shows orders 10 to 19 again, in another order.
fn set_back() -> Story {
    let mut story = Story::good(20);
    let at_us = intended_us(20);
    let steps = [Step::Inject, Step::Injected, Step::EffectVerified, Step::Heal, Step::Healed, Step::HealVerified];
    let steps: Vec<(Step, u64)> = steps.into_iter().zip((at_us - 95_000..).step_by(10_000)).collect();
    story.strike(crate::plan::FaultKind::RollBack { lose_ms: 100 }, "redis", 0, &steps);
    for (number, node) in NODES.into_iter().enumerate() {
        let change = |t_us, state| Entry::Feed { t_us, node: node.to_owned(), state, detail: String::new() };
        story.entries.push(change(at_us, FeedState::Reset { to: 10 }));
        story.entries.push(change(at_us + 100_000, FeedState::Connected));
        for order in (10..20).rev() {
            let position = 30 - order;
            story.see(number, order, position, at_us + 110_000 + position);
            story.projection_mut(number, order).position = position;
        }
    }
    story
}

#[test]
fn what_a_set_back_store_took_back_is_shown_again_at_other_positions() {
    let story = set_back();
    for checker in ["feeds", "duplicated", "vanished"] {
        let finding = story.finding(checker);
        assert_eq!(finding.verdict, Verdict::Valid, "{checker}: {:?}", finding.evidence);
    }
    let mut silent = set_back();
    silent.remove(|entry| matches!(entry, Entry::Feed { state: FeedState::Reset { .. }, .. }));
    for checker in ["feeds", "duplicated"] {
        assert_eq!(silent.finding(checker).verdict, Verdict::Invalid, "{checker}: nobody said that positions are void");
    }
}

/// As [`set_back`], but node 1 dies before it can tell, and comes back when its feed has passed over three positions.
fn set_back_untold(lost_us: u64) -> Story {
    let mut story = set_back();
    let again_us = intended_us(20) + 110_000;
    story.remove(
        |entry| matches!(entry, Entry::Seen(seen) if seen.node == NODES[0] && seen.t_us >= again_us && seen.position <= 13),
    );
    for entry in &mut story.entries {
        match entry {
            Entry::Feed { t_us, node, state: state @ FeedState::Reset { .. }, .. } if node == NODES[0] => {
                (*t_us, *state) = (lost_us, FeedState::Lost);
            }
            Entry::Feed { t_us, node, .. } if node == NODES[0] && *t_us > intended_us(0) => *t_us = lost_us + 100_000,
            Entry::Seen(seen) if seen.node == NODES[0] && seen.t_us >= again_us => {
                seen.t_us = lost_us + 110_000 + seen.position;
            }
            _ => {}
        }
    }
    story
}

#[test]
fn feed_that_broke_while_the_store_was_set_back_cannot_be_told() {
    let story = set_back_untold(intended_us(20));
    for checker in ["feeds", "duplicated", "vanished"] {
        let finding = story.finding(checker);
        assert_eq!(finding.verdict, Verdict::Valid, "{checker}: {:?}", finding.evidence);
    }
    let mut skips = story.clone();
    skips.remove(
        |entry| matches!(entry, Entry::Seen(seen) if seen.node == NODES[0] && seen.position == 16 && seen.order_id == id(14)),
    );
    assert_eq!(skips.finding("feeds").count, 1, "what it passes over once it is back it should have shown");
    // The heal was proven 45 ms before order 20, and a node has two seconds from then on.
    let broke_after = |us: u64| set_back_untold(intended_us(20) - 45_000 + us).finding("feeds").verdict;
    assert_eq!((broke_after(2_000_000), broke_after(2_000_001)), (Verdict::Valid, Verdict::Invalid), "there was time to tell");
}

#[test]
fn what_was_taken_back_may_be_away_for_a_while_and_not_for_good() {
    let missing = |order| Entry::Confirm {
        t_us: intended_us(20) - 1_000,
        node: NODES[0].to_owned(),
        order_id: id(order),
        status: 404,
        applied: None,
    };
    let mut story = set_back();
    story.entries.push(missing(15));
    assert_eq!(story.finding("vanished").verdict, Verdict::Valid, "{:?}", story.finding("vanished").evidence);
    story.entries.push(missing(5));
    assert_eq!(story.finding("vanished").count, 1, "order 5 lay before the position that the feed went back to");
    let mut other = set_back();
    other.remove(|entry| matches!(entry, Entry::Feed { node, state: FeedState::Reset { .. }, .. } if node == NODES[0]));
    other.entries.push(missing(15));
    assert_eq!(other.finding("vanished").count, 1, "only the feeds of the other nodes went back");
    let mut story = set_back();
    story.remove(|entry| matches!(entry, Entry::Projection(held) if held.order_id == id(15) && held.node == NODES[0]));
    assert_eq!(story.finding("vanished").count, 1, "the stream had it, so it had to come again");
}

#[test]
fn feed_that_goes_back_without_a_fault_behind_it_is_found() {
    let mut story = set_back();
    story.plan.faults[0].kind = crate::plan::FaultKind::Kill;
    let finding = story.finding("feeds");
    assert_eq!((finding.verdict, finding.count), (Verdict::Invalid, 3));
    assert_eq!(finding.evidence[0], "cluster-node-1: its feed went back to position 10 at 2200 ms");
    assert_eq!(story.finding("duplicated").verdict, Verdict::Invalid);
}

#[test]
fn position_that_the_feed_passed_over_is_found() {
    let mut story = Story::good(20);
    story.remove(|entry| matches!(entry, Entry::Seen(seen) if seen.node == NODES[0] && seen.position == 9));
    let finding = story.finding("feeds");
    assert_eq!((finding.verdict, finding.count), (Verdict::Invalid, 1));
    assert_eq!(finding.orders[0].order_id, id(8));
}

#[test]
fn position_of_two_orders_is_found() {
    let mut story = Story::good(20);
    story.see(1, 6, 3, intended_us(6) + 20_000);
    let finding = story.finding("feeds");
    assert_eq!(finding.verdict, Verdict::Invalid);
    assert_eq!(finding.evidence[0], "cluster-node-2: position 3 was run-2 and then run-6");
}

#[test]
fn event_with_another_message_or_position_than_the_projection_is_found() {
    let mut story = Story::good(20);
    story.projection_mut(1, 4).message_id = "other".to_owned();
    assert_eq!(story.finding("feeds").verdict, Verdict::Invalid);
    let mut story = Story::good(20);
    story.projection_mut(1, 4).position = 900;
    assert_eq!(story.finding("feeds").verdict, Verdict::Invalid);
}

/// As [`set_back`], but the feeds of node 2 and 3 never went back.
fn set_back_alone() -> Story {
    let mut story = set_back();
    story.remove(|entry| match entry {
        Entry::Feed { t_us, node, .. } => node != NODES[0] && *t_us >= intended_us(20),
        Entry::Seen(seen) => seen.node != NODES[0] && seen.t_us >= intended_us(20),
        _ => false,
    });
    for (node, order) in [1, 2].into_iter().flat_map(|node| (10..20).map(move |order| (node, order))) {
        story.projection_mut(node, order).position = order + 1;
    }
    story
}

#[test]
fn feed_that_goes_back_alone_takes_back_nothing_that_others_showed() {
    let story = set_back_alone();
    for checker in ["feeds", "duplicated", "vanished"] {
        let finding = story.finding(checker);
        assert_eq!(finding.verdict, Verdict::Valid, "{checker}: {:?}", finding.evidence);
    }
}

#[test]
fn feed_that_goes_back_before_the_store_was_touched_is_found() {
    let injected_after_us = |us: u64| {
        let mut story = set_back();
        for entry in &mut story.entries {
            if let Entry::Fault(step) = entry
                && step.step == Step::Inject
            {
                step.t_us = intended_us(20) + us;
            }
        }
        story.finding("feeds").verdict
    };
    assert_eq!((injected_after_us(0), injected_after_us(1)), (Verdict::Valid, Verdict::Invalid));
}

#[test]
fn feed_that_broke_and_told_of_it_later_has_to_show_everything_again() {
    let mut story = set_back();
    story.feed(intended_us(20) - 50_000, FeedState::Lost);
    story.feed(intended_us(20) - 49_000, FeedState::Connected);
    assert_eq!(story.finding("feeds").verdict, Verdict::Valid, "{:?}", story.finding("feeds").evidence);
    story.remove(|entry| matches!(entry, Entry::Seen(seen) if seen.node == NODES[0] && seen.position == 12));
    assert_eq!(story.finding("feeds").count, 1);
}

#[test]
fn nothing_else_is_excused_by_a_feed_that_broke_while_the_store_was_set_back() {
    let without = |node: usize, position: u64, lost_us: u64| {
        let mut story = set_back_untold(lost_us);
        story.remove(|entry| matches!(entry, Entry::Seen(seen) if seen.node == NODES[node] && seen.position == position));
        story.finding("feeds").count
    };
    assert_eq!(without(0, 5, intended_us(20)), 1, "it lay before the setback");
    assert_eq!(without(1, 12, intended_us(20)), 1, "the feed of another node was told");
    assert_eq!(without(0, 16, intended_us(20)), 1, "it was back by then");
}

#[test]
fn what_was_shown_in_the_moment_of_the_setback_is_void() {
    let mut story = set_back_untold(intended_us(20));
    for entry in &mut story.entries {
        if let Entry::Fault(step) = entry
            && step.step == Step::Inject
        {
            step.t_us = intended_us(10) + 8_000;
        }
    }
    for checker in ["feeds", "duplicated"] {
        assert_eq!(story.finding(checker).verdict, Verdict::Valid, "{checker}: {:?}", story.finding(checker).evidence);
    }
}

#[test]
fn moved_position_of_an_order_that_was_applied_twice_is_no_contradiction_but_a_duplicate() {
    let mut story = Story::good(20);
    story.projection_mut(1, 4).position = 900;
    story.projection_mut(1, 4).applied = 2;
    assert_eq!(story.finding("feeds").verdict, Verdict::Valid);
    assert_eq!(story.finding("duplicated").verdict, Verdict::Invalid);
}

#[test]
fn order_that_a_node_lists_and_has_not_applied_need_not_be_shown() {
    let mut story = Story::good(20);
    story.projection_mut(0, 8).applied = 0;
    story.remove(|entry| matches!(entry, Entry::Seen(seen) if seen.node == NODES[0] && seen.position == 9));
    assert_eq!(story.finding("feeds").verdict, Verdict::Valid);
}

#[test]
fn feed_that_is_lost_is_not_excused_or_accused_by_the_feed_of_another_node() {
    let mut story = Story::good(20);
    story.show_only(0..15);
    story.feed(intended_us(15), FeedState::Lost);
    let change = |t_us, state| Entry::Feed { t_us, node: NODES[1].to_owned(), state, detail: String::new() };
    story.entries.push(change(intended_us(16), FeedState::Lost));
    story.entries.push(change(intended_us(16) + 1, FeedState::Connected));
    assert_eq!(story.finding("feeds").verdict, Verdict::Valid);
}

#[test]
fn feed_that_was_silent_for_its_last_second_has_shown_all_that_it_will() {
    let last_shown_before_reads_us = |us: u64| {
        let mut story = Story::good(20);
        story.show_only(0..14);
        let reads_us = story.quiescence.as_ref().expect("it has one").t_us;
        story.see(0, 13, 14, reads_us - us);
        story.finding("feeds").verdict
    };
    assert_eq!(last_shown_before_reads_us(1_000_000), Verdict::Invalid);
    assert_eq!(last_shown_before_reads_us(999_999), Verdict::Valid, "it was still catching up");
}
