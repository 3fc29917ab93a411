//! Whatever rules come and go, each side gets an exact prefix of what the other sent; all of it under rules that only make
//! bytes late; and after the heal a new connection passes everything.

use std::time::Duration;

use proptest::prelude::*;
use proxy::{Direction, Rule};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{sleep, timeout};

use crate::stage::{Ends, PATIENCE, Stage};

/// Each side of a connection sends so much.
const LENGTH: usize = 150_000;

/// The byte at a position, so that nothing missing, repeated or moved can look right.
fn byte_at(position: usize) -> u8 {
    ((position as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8
}

/// What a receiver saw: how many bytes, all of them right, and whether the stream ended without an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Got {
    bytes: usize,
    in_peace: bool,
}

const ALL: Got = Got { bytes: LENGTH, in_peace: true };

/// `false` if the connection was reset meanwhile.
async fn send(mut to: impl AsyncWrite + Unpin, chunk: usize) -> bool {
    let bytes: Vec<u8> = (0..LENGTH).map(byte_at).collect();
    for piece in bytes.chunks(chunk) {
        if to.write_all(piece).await.is_err() {
            return false;
        }
    }
    to.shutdown().await.is_ok()
}

async fn receive(mut from: impl AsyncRead + Unpin) -> Got {
    let mut buffer = vec![0; 16 << 10];
    let mut bytes = 0;
    loop {
        match from.read(&mut buffer).await {
            Ok(0) => return Got { bytes, in_peace: true },
            Ok(count) => {
                for byte in &buffer[..count] {
                    assert_eq!(*byte, byte_at(bytes), "at {bytes}");
                    bytes += 1;
                }
            }
            Err(_) => return Got { bytes, in_peace: false },
        }
    }
}

/// Both sides send and receive; what the service and the node got.
async fn exchange(ends: Ends, chunk: usize) -> [Got; 2] {
    let (node_reads, node_writes) = ends.node.into_split();
    let (service_reads, service_writes) = ends.service.into_split();
    let all = async {
        let (node_sent, service_sent, mut at_service, mut at_node) =
            tokio::join!(send(node_writes, chunk), send(service_writes, chunk), receive(service_reads), receive(node_reads));
        // The kernel tells a socket of a reset once, whether it writes or reads.
        at_service.in_peace &= service_sent;
        at_node.in_peace &= node_sent;
        [at_service, at_node]
    };
    timeout(PATIENCE, all).await.expect("an end")
}

fn late() -> impl Strategy<Value = Rule> {
    prop_oneof![
        (0..30_u64, 0..=100_u64, any::<u64>()).prop_map(|(latency_ms, share, seed)| Rule::Delay {
            latency_ms,
            jitter_ms: latency_ms * share / 100,
            seed
        }),
        (10_000..50_000_000_u64).prop_map(|bytes_per_second| Rule::Bandwidth { bytes_per_second }),
        (1..5_000_u64, 0..2_000_u64).prop_map(|(bytes, gap_us)| Rule::Slice { bytes, gap_us }),
        prop_oneof![Just(Direction::Both), Just(Direction::In), Just(Direction::Out)]
            .prop_map(|direction| Rule::BlackHole { direction }),
    ]
}

fn any_rule() -> impl Strategy<Value = Rule> {
    prop_oneof![
        4 => late(),
        1 => (0..30_u64).prop_map(|after_ms| Rule::Reset { after_ms }),
        1 => Just(Rule::HalfClose),
        1 => (0..30_u64).prop_map(|after_ms| Rule::DropReplies { after_ms }),
    ]
}

/// Rules, or none, and how long each is in force.
fn weather(rule: impl Strategy<Value = Rule>) -> impl Strategy<Value = Vec<(Option<Rule>, u64)>> {
    proptest::collection::vec((proptest::option::weighted(0.8, rule), 0..25_u64), 1..8)
}

/// Two connections under the weather, then one after it.
async fn under(weather: Vec<(Option<Rule>, u64)>, chunk: usize) -> Vec<[Got; 2]> {
    let stage = Stage::new().await;
    let ends = [stage.connect().await, stage.connect().await];
    let exchanges = ends.map(|ends| tokio::spawn(exchange(ends, chunk)));
    for (rule, for_ms) in weather {
        match rule {
            Some(rule) => stage.put(rule),
            None => stage.proxy.heal(),
        }
        sleep(Duration::from_millis(for_ms)).await;
    }
    stage.proxy.heal();
    let mut got = Vec::new();
    for exchange in exchanges {
        got.push(exchange.await.expect("no wrong byte"));
    }
    assert_eq!(exchange(stage.connect().await, chunk).await, [ALL, ALL], "after the heal");
    got
}

fn run(weather: Vec<(Option<Rule>, u64)>, chunk: usize) -> Vec<[Got; 2]> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(under(weather, chunk))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn rules_that_only_make_late_lose_nothing(weather in weather(late()), chunk in 1..70_000_usize) {
        prop_assert_eq!(run(weather, chunk), vec![[ALL, ALL]; 2]);
    }

    #[test]
    fn no_rule_makes_a_byte_up_or_leaves_one_out(weather in weather(any_rule()), chunk in 1..70_000_usize) {
        let taking = weather.iter().filter_map(|(rule, _)| rule.as_ref()).any(|rule| !matches!(
            rule, Rule::Delay { .. } | Rule::Bandwidth { .. } | Rule::Slice { .. } | Rule::BlackHole { .. }));
        for [at_service, at_node] in run(weather, chunk) {
            // Nobody makes an end up towards the service.
            prop_assert!(!at_service.in_peace || at_service.bytes == LENGTH, "{at_service:?}");
            prop_assert!(taking || at_node == ALL, "{at_node:?}");
        }
    }
}
