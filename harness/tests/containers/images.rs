//! The images that a cluster is made of.

use std::sync::Mutex;
use std::time::Duration;

use harness::{images, tool};
use tokio::process::Command;

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
    assert!(env.contains(&format!("CATGA_NATS_IMAGE={}\n", again.nats)), "{env}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nats_image_has_a_client_program() {
    let bench = Bench::new("nats").await;
    let program = bench.engine.file_from_image(&bench.images.nats, "/usr/local/bin/nats").await.expect("copied");
    assert_eq!(&program[..4], b"\x7fELF");
}

#[tokio::test(flavor = "multi_thread")]
async fn chosen_images_are_used_as_they_are() {
    let bench = Bench::new("chosen").await;
    let checkout = tempfile::tempdir().expect("a folder");
    std::fs::write(checkout.path().join("docker-compose.yml"), "").expect("written");
    // Any image that is here may be chosen, and this one lacks the program.
    let chosen = &bench.images.redis;
    let mut command = Command::new(env!("CARGO_BIN_EXE_harness"));
    command.arg("images").current_dir(checkout.path()).env("CATGA_NODE_IMAGE", &bench.images.node);
    command.env("CATGA_NATS_IMAGE", chosen).env("CATGA_REDIS_IMAGE", &bench.images.redis);
    tool::run(&mut command, Duration::from_secs(60)).await.expect("it runs");
    let env = std::fs::read_to_string(checkout.path().join(".env")).expect("written");
    assert!(env.contains(&format!("CATGA_NATS_IMAGE={chosen}\n")), "{env}");
}

#[tokio::test(flavor = "multi_thread")]
async fn shell_in_the_node_image_is_a_file_of_it() {
    let bench = Bench::new("shell").await;
    let shell = bench.engine.file_from_image(&bench.images.node, "/bin/busybox").await.expect("copied");
    assert_eq!(&shell[..4], b"\x7fELF");
    let error = bench.engine.file_from_image(&bench.images.node, "/bin/no-such-file").await.expect_err("missing");
    assert!(error.is_not_found(), "{error:?}");
}
