//! What somebody else started is not ours to touch.

use std::time::Duration;

use harness::cluster::{self, ClusterError};
use harness::tool;
use tokio::process::Command;

use super::support::{Bench, options, quiet, root};

/// What an operator types, with the images and free ports that the test has.
async fn by_hand(bench: &Bench, words: &[&str]) {
    let name = bench.tool.name();
    let mut tool = name.split_whitespace();
    let mut command = Command::new(tool.next().expect("a tool"));
    command
        .args(tool)
        .args(["--project-name", &bench.project])
        .args(words)
        .current_dir(root())
        .env("CATGA_NODE_IMAGE", &bench.images.node)
        .env("CATGA_NATS_IMAGE", &bench.images.nats)
        .env("CATGA_REDIS_IMAGE", &bench.images.redis)
        .envs(cluster::Ports::published().iter().map(|published| (published.variable, "")));
    tool::run(&mut command, Duration::from_secs(120)).await.expect("compose runs");
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_elses_cluster_is_attached_to_and_never_changed() {
    let bench = Bench::new("foreign").await;
    by_hand(&bench, &["up", "--detach", "--scale", "cluster-node=1"]).await;
    let test = tokio::spawn(is_left_alone(bench.clone())).await;
    by_hand(&bench, &["down", "--volumes"]).await;
    if let Err(failed) = test {
        std::panic::resume_unwind(failed.into_panic());
    }
}

async fn is_left_alone(bench: Bench) {
    let before = bench.engine.containers(&bench.project).await.expect("listed");
    let up = cluster::up(&bench.engine, &bench.tool, &bench.images, &bench.project, &options(), &quiet).await;
    let down = cluster::down(&bench.engine, &bench.tool, &root(), &bench.project, true).await;
    let expected = format!("volume {}_redis_data", bench.project);
    for error in [up.expect_err("refused"), down.expect_err("refused")] {
        assert!(matches!(&error, ClusterError::Foreign { things, .. } if things.contains(&expected)), "{error:?}");
        assert!(error.to_string().contains("--use-running"), "{error}");
    }
    let attached = cluster::attach(&bench.engine, &bench.project).await.expect("attached");
    let names: Vec<&str> = attached.nodes.iter().map(|node| node.name.as_str()).collect();
    assert_eq!(names, ["cluster-node", "cluster-node-1", "cluster-node-2", "cluster-node-3"]);

    let after = bench.engine.containers(&bench.project).await.expect("listed");
    let started = |containers: &[harness::engine::ContainerState]| -> Vec<(String, String)> {
        containers.iter().map(|container| (container.id.clone(), container.started_at.clone())).collect()
    };
    assert_eq!(started(&before), started(&after));
}

#[tokio::test(flavor = "multi_thread")]
async fn attaching_to_nothing_is_told() {
    let bench = Bench::new("nothing").await;
    let error = cluster::attach(&bench.engine, &bench.project).await.expect_err("nothing is there");
    assert!(matches!(error, ClusterError::NothingRunning { .. }), "{error:?}");
}
