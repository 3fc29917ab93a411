//! What each rule does, and what is left of it afterwards.

use std::time::{Duration, Instant};

use proxy::{Direction, Rule};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::stage::{Ends, GREETING, Stage, is_reset, is_silent, pass, read, receives, send, soon, until};

#[tokio::test]
async fn without_a_rule_bytes_and_ends_pass_both_ways() {
    let stage = Stage::new().await;
    let Ends { mut node, mut service } = stage.connect().await;
    pass(&mut node, &mut service, b"request").await;
    pass(&mut service, &mut node, b"answer").await;
    node.shutdown().await.expect("ended");
    assert_eq!(read(&mut service).await.expect("an end"), b"");
    pass(&mut service, &mut node, b"more").await;
    drop(service);
    assert_eq!(read(&mut node).await.expect("an end"), b"");
    until("the connection has ended", || stage.counts().open() == 0).await;
    let counts = stage.counts();
    assert_eq!((counts.opened, counts.bytes_out, counts.bytes_in, counts.resets), (1, 7, 10 + GREETING.len() as u64, 0));
}

#[tokio::test]
async fn a_reset_of_one_side_is_a_reset_of_the_other() {
    let stage = Stage::new().await;
    let Ends { mut node, service } = stage.connect().await;
    service.set_zero_linger().expect("set");
    drop(service);
    is_reset(&mut node).await;
}

#[tokio::test]
async fn a_service_that_is_not_there_is_a_reset() {
    let stage = Stage::new().await;
    let Stage { proxy, service } = stage;
    drop(service);
    let mut node = tokio::net::TcpStream::connect(proxy.address("node/service").expect("there")).await.expect("accepted");
    is_reset(&mut node).await;
    assert_eq!(proxy.state().listeners[0].counts.unreachable, 1);
}

#[tokio::test]
async fn delay_adds_its_latency_each_way_and_is_no_limit_of_the_rate() {
    const LATENCY: Duration = Duration::from_millis(60);
    const LARGE: usize = 4 << 20;
    let stage = Stage::new().await;
    let Ends { mut node, mut service } = stage.connect().await;
    stage.put(Rule::Delay { latency_ms: 60, jitter_ms: 0, seed: 1 });
    let began = Instant::now();
    pass(&mut node, &mut service, b"ping").await;
    assert!(began.elapsed() >= LATENCY, "{:?}", began.elapsed());
    pass(&mut service, &mut node, b"pong").await;
    assert!(began.elapsed() >= 2 * LATENCY, "{:?}", began.elapsed());

    // With one read of 64 KiB at a time on its way this would take 64 latencies.
    let (from, to) = (node.into_split(), service.into_split());
    let began = Instant::now();
    let sent = tokio::spawn(async move {
        let (reader, mut writer) = from;
        writer.write_all(&vec![7; LARGE]).await.expect("sent");
        (reader, writer)
    });
    let mut got = vec![0; LARGE];
    let (mut reader, _writer) = to;
    soon(reader.read_exact(&mut got)).await.expect("received");
    assert!(began.elapsed() >= LATENCY && began.elapsed() < 30 * LATENCY, "{:?}", began.elapsed());
    drop(sent.await.expect("sent"));
    assert!(stage.counts().late_bytes >= LARGE as u64);
}

#[tokio::test]
async fn what_a_delay_holds_arrives_at_once_and_in_order_when_it_goes() {
    let stage = Stage::new().await;
    let Ends { mut node, mut service } = stage.connect().await;
    stage.put(Rule::Delay { latency_ms: 3_600_000, jitter_ms: 3_600_000, seed: 1 });
    for word in [b"one ", b"two ", b"six "] {
        let before = stage.counts().late_bytes;
        send(&mut node, word).await;
        until("it is held", || stage.counts().late_bytes > before || !is_held(&stage)).await;
    }
    stage.proxy.heal();
    receives(&mut service, b"one two six ").await;
    pass(&mut node, &mut service, b"and on").await;
}

/// With a jitter as long as the latency a piece may be due at once, and then it is not held.
fn is_held(stage: &Stage) -> bool {
    stage.counts().bytes_out == 0
}

#[tokio::test]
async fn bandwidth_is_shared_by_all_connections_of_a_link() {
    const EACH: usize = 50_000;
    let stage = Stage::new().await;
    let (one, other) = (stage.connect().await, stage.connect().await);
    stage.put(Rule::Bandwidth { bytes_per_second: 200_000 });
    let began = Instant::now();
    let transfer = async |mut ends: Ends| {
        let mut got = vec![0; EACH];
        let sent = vec![1; EACH];
        let (sent, got) = tokio::join!(ends.node.write_all(&sent), ends.service.read_exact(&mut got));
        sent.expect("sent");
        got.expect("received");
    };
    soon(async { tokio::join!(transfer(one), transfer(other)) }).await;
    // 100,000 bytes at 200,000 a second, less what may be caught up.
    assert!(began.elapsed() >= Duration::from_millis(450), "{:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}

#[tokio::test]
async fn slices_arrive_piece_by_piece() {
    let stage = Stage::new().await;
    let Ends { mut node, mut service } = stage.connect().await;
    stage.put(Rule::Slice { bytes: 4, gap_us: 20_000 });
    let began = Instant::now();
    send(&mut node, b"12345678901234567890").await;
    let (mut all, mut pieces) = (Vec::new(), 0);
    while all.len() < 20 {
        all.extend(read(&mut service).await.expect("a piece"));
        pieces += 1;
    }
    assert_eq!(all, b"12345678901234567890");
    assert!(pieces > 1, "it came in one piece");
    assert!(began.elapsed() >= Duration::from_millis(80), "four gaps: {:?}", began.elapsed());
}

#[tokio::test]
async fn black_hole_is_silent_and_delivers_when_it_goes() {
    let stage = Stage::new().await;
    let Ends { mut node, mut service } = stage.connect().await;
    pass(&mut node, &mut service, b"before").await;
    stage.put(Rule::BlackHole { direction: Direction::Both });
    until("the connection is held", || stage.counts().black_holed == 1).await;
    send(&mut node, b"request").await;
    send(&mut service, b"answer").await;
    is_silent(&mut service).await;
    is_silent(&mut node).await;
    let mut newcomer = stage.call().await;
    is_silent(&mut newcomer).await;

    stage.proxy.heal();
    receives(&mut service, b"request").await;
    receives(&mut node, b"answer").await;
    is_reset(&mut newcomer).await;
    stage.passes().await;
}

#[tokio::test]
async fn black_hole_in_one_direction_leaves_the_other() {
    let stage = Stage::new().await;
    let Ends { mut node, mut service } = stage.connect().await;
    stage.put(Rule::BlackHole { direction: Direction::In });
    until("the connection is held", || stage.counts().black_holed == 1).await;
    pass(&mut node, &mut service, b"request").await;
    send(&mut service, b"answer").await;
    is_silent(&mut node).await;
    stage.put(Rule::BlackHole { direction: Direction::Out });
    receives(&mut node, b"answer").await;
    send(&mut node, b"request").await;
    is_silent(&mut service).await;
    stage.proxy.heal();
    receives(&mut service, b"request").await;
}

#[tokio::test]
async fn reset_comes_at_once_to_what_is_open_and_later_to_what_opens() {
    let stage = Stage::new().await;
    let Ends { mut node, mut service } = stage.connect().await;
    stage.put(Rule::Reset { after_ms: 200 });
    is_reset(&mut node).await;
    is_reset(&mut service).await;

    let opened = Instant::now();
    let Ends { mut node, mut service } = stage.connect().await;
    pass(&mut node, &mut service, b"so far").await;
    is_reset(&mut node).await;
    assert!(opened.elapsed() >= Duration::from_millis(190), "{:?}", opened.elapsed());
    is_reset(&mut service).await;
    assert_eq!(stage.counts().resets, 2);
    stage.proxy.heal();
    stage.passes().await;
}

#[tokio::test]
async fn half_close_ends_the_answers_and_lets_requests_pass() {
    let stage = Stage::new().await;
    let Ends { mut node, mut service } = stage.connect().await;
    stage.put(Rule::HalfClose);
    assert_eq!(read(&mut node).await.expect("an end"), b"");
    send(&mut service, b"answer").await;
    pass(&mut node, &mut service, b"request").await;
    assert_eq!(stage.counts().half_closed, 1);
    stage.proxy.heal();
    is_reset(&mut service).await;
    stage.passes().await;
}

#[tokio::test]
async fn dropped_replies_never_arrive_and_the_connection_is_reset() {
    let stage = Stage::new().await;
    let Ends { mut node, mut service } = stage.connect().await;
    pass(&mut service, &mut node, b"before").await;
    stage.put(Rule::DropReplies { after_ms: 200 });
    pass(&mut node, &mut service, b"request").await;
    is_silent(&mut node).await;
    let answered = Instant::now();
    send(&mut service, b"answer").await;
    pass(&mut node, &mut service, b"request").await;
    is_reset(&mut node).await;
    assert!(answered.elapsed() >= Duration::from_millis(190), "{:?}", answered.elapsed());
    assert_eq!(stage.counts().swallowed_bytes, 6);
}

#[tokio::test]
async fn only_connections_that_lost_an_answer_are_reset_when_the_rule_goes() {
    let stage = Stage::new().await;
    let (mut hit, mut spared) = (stage.connect().await, stage.connect().await);
    stage.put(Rule::DropReplies { after_ms: 3_600_000 });
    send(&mut hit.service, b"answer").await;
    until("it is swallowed", || stage.counts().swallowed_bytes == 6).await;
    pass(&mut spared.node, &mut spared.service, b"request").await;
    stage.proxy.heal();
    is_reset(&mut hit.node).await;
    pass(&mut spared.service, &mut spared.node, b"answer").await;
}

#[tokio::test]
async fn a_rule_goes_unless_it_is_renewed() {
    const TTL: Duration = Duration::from_millis(300);
    let stage = Stage::new().await;
    let rule = Rule::BlackHole { direction: Direction::Both };
    let Ends { mut node, mut service } = stage.connect().await;
    stage.put_for(rule.clone(), TTL);
    send(&mut node, b"request").await;
    let began = Instant::now();
    while began.elapsed() < 2 * TTL {
        is_silent(&mut service).await;
        stage.put_for(rule.clone(), TTL);
    }
    assert_eq!(stage.counts().black_holed, 1, "renewing is no change for a connection");
    receives(&mut service, b"request").await;
    until("no rule", || stage.rule().is_none()).await;
}
