//! How a container is set up: what a fault may change beside its state.

use std::collections::{BTreeMap, BTreeSet};

use bollard::models::ContainerInspectResponse;

use super::containers::container;
use super::{Engine, EngineError, QUESTION};

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Setup {
    /// Aliases by network. The one that the engine makes of the container's own id is left out.
    pub networks: BTreeMap<String, BTreeSet<String>>,
    /// Billionths of a core; 0 is no limit.
    pub nano_cpus: i64,
    /// Microseconds of each period; 0 is no limit. The other way to say `nano_cpus`.
    pub cpu_quota: i64,
    pub cpu_period: i64,
    /// Bytes; 0 is no limit.
    pub memory: i64,
    /// Memory and swap together, bytes; -1 is no limit.
    pub memory_swap: i64,
    /// `unless-stopped`
    pub restart_policy: String,
}

impl Engine {
    /// One container's setup, by id or full name.
    pub async fn setup(&self, id: &str) -> Result<Setup, EngineError> {
        let inspected = self.asked("inspect", &container(id), QUESTION, self.docker.inspect_container(id, None)).await?;
        Ok(Setup::from(inspected))
    }
}

impl From<ContainerInspectResponse> for Setup {
    fn from(inspected: ContainerInspectResponse) -> Self {
        let id = inspected.id.unwrap_or_default();
        let host = inspected.host_config.unwrap_or_default();
        let networks = inspected.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
        let policy = host.restart_policy.and_then(|policy| policy.name);
        let aliases = |endpoint: bollard::models::EndpointSettings| -> BTreeSet<String> {
            endpoint.aliases.unwrap_or_default().into_iter().filter(|alias| !id.starts_with(alias.as_str())).collect()
        };
        Self {
            networks: networks.into_iter().map(|(name, endpoint)| (name, aliases(endpoint))).collect(),
            nano_cpus: host.nano_cpus.unwrap_or_default(),
            cpu_quota: host.cpu_quota.unwrap_or_default(),
            cpu_period: host.cpu_period.unwrap_or_default(),
            memory: host.memory.unwrap_or_default(),
            memory_swap: host.memory_swap.unwrap_or_default(),
            restart_policy: policy.map(|name| name.to_string()).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use bollard::models::{EndpointSettings, NetworkSettings};

    use super::*;

    #[test]
    fn an_alias_that_the_engine_makes_of_the_id_is_left_out() {
        let aliases = Some(vec![String::from("cluster-node-2"), String::from("0123456789ab")]);
        let endpoint = EndpointSettings { aliases, ..Default::default() };
        let networks = Some([(String::from("p_store"), endpoint)].into());
        let setup = Setup::from(ContainerInspectResponse {
            id: Some(String::from("0123456789abcdef")),
            network_settings: Some(NetworkSettings { networks, ..Default::default() }),
            ..Default::default()
        });
        assert_eq!(setup.networks["p_store"], BTreeSet::from([String::from("cluster-node-2")]));
    }
}
