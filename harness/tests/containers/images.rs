//! The images that a cluster is made of.

use std::sync::Mutex;

use harness::images;

use super::support::{Bench, root};

/// What the node's image may take on disk.
const NODE_IMAGE_BYTES: u64 = 30_000_000;

#[tokio::test(flavor = "multi_thread")]
async fn node_image_is_small_and_a_second_run_makes_nothing() {
    let bench = Bench::new("images").await;
    let node = bench.engine.image(&bench.images.node).await.expect("asked").expect("there");
    assert!(node.size_bytes < NODE_IMAGE_BYTES, "{} bytes", node.size_bytes);

    let said = Mutex::new(Vec::new());
    let say = |line: &str| said.lock().expect("no panic").push(line.to_owned());
    let again = images::ensure(&bench.engine, &root(), &say, false).await.expect("images");
    assert_eq!(again, bench.images);
    assert_eq!(said.into_inner().expect("no panic"), Vec::<String>::new(), "nothing was made");
    assert_eq!(bench.engine.image(&again.node).await.expect("asked"), Some(node));

    let env = std::fs::read_to_string(root().join(".env")).expect("written");
    assert!(env.contains("COMPOSE_PROJECT_NAME="), "{env}");
    assert!(env.contains(&format!("CATGA_NODE_IMAGE={}\n", again.node)), "{env}");
}

#[tokio::test(flavor = "multi_thread")]
async fn shell_in_the_node_image_is_a_file_of_it() {
    let bench = Bench::new("shell").await;
    let shell = bench.engine.file_from_image(&bench.images.node, "/bin/busybox").await.expect("copied");
    assert_eq!(&shell[..4], b"\x7fELF");
    let error = bench.engine.file_from_image(&bench.images.node, "/bin/no-such-file").await.expect_err("missing");
    assert!(error.is_not_found(), "{error:?}");
}
