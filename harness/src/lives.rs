//! Whether a service's process began anew during a run, by the engine's record of its container.

use std::collections::BTreeMap;

use judge::history::{ContainerLife, Entry};

use crate::cluster::Cluster;
use crate::engine::{ContainerState, Engine};
use crate::recorder::Recorder;

/// What every container was like before the load.
#[derive(Debug)]
pub struct Lives {
    before: BTreeMap<String, ContainerState>,
}

impl Lives {
    /// A container that cannot be looked at is left out: nothing is said of it then.
    pub async fn look(cluster: &Cluster, engine: &Engine) -> Self {
        Self { before: states(cluster, engine).await }
    }

    /// Writes down what has become of each.
    pub async fn write(&self, cluster: &Cluster, engine: &Engine, recorder: &Recorder) {
        for (service, after) in states(cluster, engine).await {
            let Some(before) = self.before.get(&service) else { continue };
            recorder.write(&Entry::Container(life(recorder.now_us(), service, before, &after)));
        }
    }
}

async fn states(cluster: &Cluster, engine: &Engine) -> BTreeMap<String, ContainerState> {
    let mut states = BTreeMap::new();
    for (service, container) in &cluster.containers {
        if let Ok(state) = engine.inspect(container).await {
            states.insert(service.clone(), state);
        }
    }
    states
}

fn life(t_us: u64, service: String, before: &ContainerState, after: &ContainerState) -> ContainerLife {
    let restarts = after.restart_count.saturating_sub(before.restart_count);
    ContainerLife {
        t_us,
        service,
        started_before: before.started_at.clone(),
        started_after: after.started_at.clone(),
        restarts: u64::try_from(restarts).unwrap_or(0),
        oom_killed: after.oom_killed && !before.oom_killed,
    }
}
