use std::collections::{BTreeMap, HashMap, HashSet};

use proptest::prelude::*;

use super::*;
use crate::plan::{Keys, Profile};

fn plan(seed: u64, rate: f64, seconds: u64, keys: Keys, profile: Profile) -> Plan {
    let mut plan = crate::testing::plan(0);
    plan.seed = seed;
    plan.load.rate = rate;
    plan.load.duration_ms = seconds * 1_000;
    plan.load.keys = keys;
    plan.load.profile = profile;
    plan.load.customers = 50;
    plan
}

const UNIQUE: Keys = Keys { repeat: 0.0, conflict: 0.0, hot: 0.0, read: 0.0 };
const MIXED: Keys = Keys { repeat: 0.05, conflict: 0.02, hot: 0.0, read: 0.0 };

#[test]
fn constant_load_arrives_evenly_and_in_full() {
    let slots: Vec<Slot> = plan(1, 300.0, 10, UNIQUE, Profile::Constant).slots().collect();
    assert_eq!(slots.len(), 3_000);
    assert_eq!((slots[0].at_us, slots[1].at_us, slots[300].at_us), (0, 3_333, 1_000_000));
}

#[test]
fn poisson_load_has_the_rate_on_average_and_exponential_gaps() {
    let slots: Vec<Slot> = plan(1, 500.0, 60, UNIQUE, Profile::Poisson).slots().collect();
    assert!((29_000..31_000).contains(&slots.len()), "{}", slots.len());
    let gaps: Vec<f64> = slots.windows(2).map(|pair| (pair[1].at_us - pair[0].at_us) as f64).collect();
    let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
    let longer = gaps.iter().filter(|gap| **gap > mean).count() as f64 / gaps.len() as f64;
    assert!((longer - (-1.0_f64).exp()).abs() < 0.02, "{longer} of an exponential's gaps exceed the mean");
}

#[test]
fn every_node_gets_its_exact_share_without_a_fixed_turn() {
    let slots: Vec<Slot> = plan(1, 300.0, 10, UNIQUE, Profile::Constant).slots().collect();
    let mut shares: BTreeMap<usize, u64> = BTreeMap::new();
    for slot in &slots {
        *shares.entry(slot.node).or_default() += 1;
    }
    assert_eq!(shares.into_values().collect::<Vec<_>>(), [1_000, 1_000, 1_000]);
    let rounds: HashSet<Vec<usize>> = slots.chunks(3).map(|round| round.iter().map(|slot| slot.node).collect()).collect();
    assert_eq!(rounds.len(), 6, "all orders of three nodes come");
}

#[test]
fn repeats_come_back_early_and_late_and_mostly_to_another_node() {
    let slots: Vec<Slot> = plan(1, 300.0, 60, MIXED, Profile::Constant).slots().collect();
    let mut places: HashMap<u64, &Slot> = HashMap::new();
    let (mut near, mut far, mut elsewhere, mut repeats) = (0_u64, 0_u64, 0_u64, 0_u64);
    for slot in &slots {
        if slot.kind == OpKind::Place {
            places.insert(slot.order, slot);
            continue;
        }
        let first = places.get(&slot.order).expect("an order is placed before it is repeated");
        repeats += 1;
        elsewhere += u64::from(first.node != slot.node);
        near += u64::from(slot.at_us - first.at_us < 20_000);
        far += u64::from(slot.at_us - first.at_us > 5_000_000);
        assert_eq!(first.customer_id, slot.customer_id);
        assert_eq!(first.amount_minor == slot.amount_minor, slot.kind == OpKind::Replay);
    }
    let share = repeats as f64 / slots.len() as f64;
    assert!((share - 0.07).abs() < 0.01, "{share}");
    assert!(near * 4 > repeats && far * 4 > repeats, "{near} near and {far} far of {repeats}");
    assert!(elsewhere * 2 > repeats, "{elsewhere} of {repeats} at another node");
}

#[test]
fn hot_key_is_one_order_from_everywhere() {
    let keys = Keys { hot: 1.0, ..UNIQUE };
    let slots: Vec<Slot> = plan(1, 100.0, 3, keys, Profile::Constant).slots().collect();
    assert_eq!(slots[0].kind, OpKind::Place);
    assert!(slots[1..].iter().all(|slot| slot.kind == OpKind::Replay && slot.order == 0));
}

#[test]
fn hot_key_reads_and_repeats_have_their_shares() {
    let keys = Keys { repeat: 0.1, conflict: 0.05, hot: 0.2, read: 0.3 };
    let slots: Vec<Slot> = plan(3, 1_000.0, 20, keys, Profile::Constant).slots().collect();
    let share = |which: &dyn Fn(&Slot) -> bool| slots.iter().filter(|slot| which(slot)).count() as f64 / slots.len() as f64;
    let near = |share: f64, expected: f64| (share - expected).abs() < 0.01;
    assert!(near(share(&|slot| slot.kind == OpKind::Read), 0.3));
    assert!(near(share(&|slot| slot.kind == OpKind::Replay && slot.order == 0), 0.2));
    assert!(near(share(&|slot| slot.kind == OpKind::Replay && slot.order > 0), 0.1));
    assert!(near(share(&|slot| slot.kind == OpKind::Conflict), 0.05));
    let mut placed = 0;
    for slot in &slots {
        assert!(slot.order <= placed, "nothing is read or repeated before its place");
        placed += u64::from(slot.kind == OpKind::Place);
    }
    let first_content: HashMap<u64, &Slot> =
        slots.iter().filter(|slot| slot.kind == OpKind::Place).map(|slot| (slot.order, slot)).collect();
    assert!(slots.iter().filter(|slot| slot.kind == OpKind::Read).all(|read| {
        let place = first_content[&read.order];
        (&read.customer_id, read.amount_minor) == (&place.customer_id, place.amount_minor)
    }));
}

#[test]
fn customers_of_a_skewed_load_follow_zipf() {
    let mut plan = plan(5, 1_000.0, 60, UNIQUE, Profile::Constant);
    plan.load.customer_skew = 1.0;
    let mut orders: HashMap<String, f64> = HashMap::new();
    for slot in plan.slots() {
        *orders.entry(slot.customer_id).or_default() += 1.0;
    }
    let harmonic: f64 = (1..=50).map(|rank| 1.0 / f64::from(rank)).sum();
    for rank in [1, 2, 5, 10, 50] {
        let (found, expected) = (orders[&format!("customer-{rank}")], 60_000.0 / harmonic / f64::from(rank));
        assert!((found / expected - 1.0).abs() < 0.15, "customer {rank}: {found}, not {expected}");
    }
}

#[test]
fn nodes_get_what_their_weights_say_and_one_may_rest() {
    let mut plan = plan(5, 300.0, 10, UNIQUE, Profile::Constant);
    plan.load.weights = vec![3, 0, 2];
    let mut shares: BTreeMap<usize, u64> = BTreeMap::new();
    for slot in plan.slots() {
        *shares.entry(slot.node).or_default() += 1;
    }
    assert_eq!(shares, BTreeMap::from([(0, 1_800), (2, 1_200)]));
}

#[test]
fn bodies_lie_within_their_range_and_change_nothing_else() {
    let mut filled = plan(5, 300.0, 10, MIXED, Profile::Constant);
    let plain: Vec<Slot> = filled.slots().collect();
    filled.load.body_bytes = Some((200, 4_096));
    let slots: Vec<Slot> = filled.slots().collect();
    assert!(slots.iter().all(|slot| (200..=4_096).contains(&slot.body_bytes)));
    assert!(slots.iter().any(|slot| slot.body_bytes < 300) && slots.iter().any(|slot| slot.body_bytes > 4_000));
    assert!(slots.iter().zip(&plain).all(|(filled, plain)| Slot { body_bytes: 0, ..filled.clone() } == *plain));
}

#[test]
fn closed_load_has_operations_without_end_and_no_schedule() {
    let mut closed = plan(5, 300.0, 10, MIXED, Profile::Constant);
    let open: Vec<(OpKind, u64)> = closed.slots().map(|slot| (slot.kind, slot.order)).collect();
    closed.load.model = crate::plan::Model::Closed { users: 9, think_ms: 10 };
    assert_eq!(closed.offered(), None);
    let taken: Vec<(OpKind, u64)> = closed.slots().take(3_000).map(|slot| (slot.kind, slot.order)).collect();
    assert_eq!(taken, open, "the seed draws the same operations in either model");
    assert_eq!(closed.customers().len(), 50);
}

#[test]
fn amounts_are_distinct_within_the_contract_and_mostly_no_binary_floats() {
    let amounts: Vec<u64> = (0..200_000).map(|order| amount_minor(9, order, OpKind::Place)).collect();
    let mut seen: HashSet<u64> = amounts.iter().copied().collect();
    assert_eq!(seen.len(), amounts.len());
    assert!(amounts.iter().all(|amount| (1..=100_000_000_000).contains(amount)));
    assert!([10, 29, 1, 100_000_000_000].iter().all(|amount| amounts.contains(amount)));
    // Quarters are what a binary float can hold of a hundred.
    let inexact = amounts.iter().filter(|amount| *amount % 25 != 0).count();
    assert!(inexact * 10 > amounts.len() * 9, "{inexact}");
    for order in 0..50_000 {
        assert!(seen.insert(amount_minor(9, order, OpKind::Conflict)), "the other content of {order} is some order's");
    }
}

#[test]
fn customers_are_many_and_all_of_them_come() {
    let slots: Vec<Slot> = plan(1, 300.0, 10, UNIQUE, Profile::Constant).slots().collect();
    let customers: HashSet<&str> = slots.iter().map(|slot| slot.customer_id.as_str()).collect();
    assert_eq!(customers.len(), 50);
    assert!(customers.contains("customer-1") && customers.contains("customer-50"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn same_seed_gives_the_same_slots_and_another_seed_others(seed: u64, poisson: bool) {
        let profile = if poisson { Profile::Poisson } else { Profile::Constant };
        let slots = |seed| plan(seed, 200.0, 3, MIXED, profile.clone()).slots().collect::<Vec<_>>();
        prop_assert_eq!(slots(seed), slots(seed));
        prop_assert_ne!(slots(seed), slots(seed.wrapping_add(1)));
    }

    #[test]
    fn arrivals_never_go_back_and_stay_within_the_load(seed: u64, rate in 1.0..2_000.0_f64, poisson: bool) {
        let profile = if poisson { Profile::Poisson } else { Profile::Constant };
        let slots: Vec<Slot> = plan(seed, rate, 2, MIXED, profile).slots().collect();
        prop_assert!(slots.windows(2).all(|pair| pair[0].at_us <= pair[1].at_us));
        prop_assert!(slots.iter().all(|slot| slot.at_us < 2_000_000 && slot.node < 3));
    }

    #[test]
    fn orders_are_numbered_without_gaps(seed: u64) {
        let slots = plan(seed, 300.0, 3, MIXED, Profile::Constant).slots();
        let placed: Vec<u64> = slots.filter(|slot| slot.kind == OpKind::Place).map(|slot| slot.order).collect();
        prop_assert!(placed.iter().copied().eq(0..placed.len() as u64));
    }
}
