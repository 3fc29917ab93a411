use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch as state;

use super::*;
use crate::cluster::Node;

/// None of the guards is near its limit.
fn calm() -> Guard {
    Guard { all_nodes_down_ms: 600_000, disk_free_bytes: 0, probe: None, probe_every_ms: 100 }
}

fn cluster(urls: &[String]) -> Cluster {
    let nodes = urls.iter().enumerate().map(|(at, url)| Node {
        name: format!("cluster-node-{}", at + 1),
        id: format!("n{at}"),
        url: url.clone(),
        container: String::new(),
    });
    Cluster::of_nodes("test", nodes.collect())
}

/// A node that answers while it is told to.
async fn node(answers: state::Receiver<bool>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            if *answers.borrow() {
                let mut head = [0; 1024];
                let _ = stream.read(&mut head).await;
                let _ = stream.write_all(b"HTTP/1.1 503 Down\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
            }
        }
    });
    url
}

async fn trips(guard: &Guard, cluster: &Cluster) -> Tripped {
    let folder = tempfile::tempdir().expect("a folder");
    tokio::time::timeout(Duration::from_secs(20), watch(guard, cluster, &[folder.path().to_owned()])).await.expect("it trips")
}

/// Nothing trips in a time in which every guard looked.
async fn holds(guard: &Guard, cluster: &Cluster) -> bool {
    let folder = tempfile::tempdir().expect("a folder");
    tokio::time::timeout(Duration::from_millis(2_500), watch(guard, cluster, &[folder.path().to_owned()])).await.is_err()
}

#[tokio::test]
async fn run_is_given_up_only_when_no_node_at_all_has_answered_for_so_long() {
    let (answers, told) = state::channel(true);
    let there = node(told).await;
    let both = cluster(&[there, "http://127.0.0.1:1".to_owned()]);
    let guard = Guard { all_nodes_down_ms: 1_500, ..calm() };
    assert!(holds(&guard, &both).await, "one of them answers, if only 503");
    answers.send_replace(false);
    let tripped = trips(&guard, &both).await;
    assert_eq!(tripped.guard, "all_nodes_down");
    assert!(tripped.seen.contains("no node has answered for 1.5s") && tripped.seen.contains("127.0.0.1:1"), "{}", tripped.seen);
}

#[tokio::test]
async fn run_is_given_up_when_the_disk_is_nearly_full() {
    let none = cluster(&["http://127.0.0.1:1".to_owned()]);
    assert!(holds(&calm(), &none).await);
    let tripped = trips(&Guard { disk_free_bytes: u64::MAX, ..calm() }, &none).await;
    assert_eq!(tripped.guard, "disk_free");
    assert!(tripped.seen.contains("bytes are free at"), "{}", tripped.seen);
    // Nothing is ever free on a disk that has no blocks, and it is not the run's own.
    let disks = [std::env::temp_dir(), PathBuf::from("/proc")];
    let guard = Guard { disk_free_bytes: 1, ..calm() };
    let tripped = tokio::time::timeout(Duration::from_secs(20), watch(&guard, &none, &disks)).await.expect("it trips");
    assert!(tripped.seen.starts_with("0 bytes are free at /proc"), "{}", tripped.seen);
}

#[tokio::test]
async fn run_is_given_up_when_its_own_probe_fails() {
    let none = cluster(&["http://127.0.0.1:1".to_owned()]);
    let flag = tempfile::NamedTempFile::new().expect("a file");
    let guard = Guard { probe: Some(format!("test -e {}", flag.path().display())), ..calm() };
    assert!(holds(&guard, &none).await);
    flag.close().expect("removed");
    assert_eq!(trips(&guard, &none).await.guard, "probe");
    let said = Guard { probe: Some(format!("echo \"${NODES} is on fire\"; exit 3")), ..calm() };
    let tripped = trips(&said, &none).await;
    assert!(
        tripped.seen.contains("http://127.0.0.1:1 is on fire") && tripped.seen.contains("exit status: 3"),
        "{}",
        tripped.seen
    );
}
