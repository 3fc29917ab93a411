//! What a container looks like from outside.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use bollard::models::{
    ContainerInspectResponse, ContainerStateStatusEnum, ContainerStatsResponse, HealthStatusEnum, PortBinding, PortMap,
};

/// Both compose versions put these on what they make.
pub(super) const PROJECT_LABEL: &str = "com.docker.compose.project";
const SERVICE_LABEL: &str = "com.docker.compose.service";
const NUMBER_LABEL: &str = "com.docker.compose.container-number";
pub(super) const ONE_OFF_LABEL: &str = "com.docker.compose.oneoff";
/// Set by the compose file from `CATGA_OWNER`.
pub(super) const OWNER_LABEL: &str = "catga.owner";
/// On helper containers of the harness: what it was made for.
pub(super) const HELPER_LABEL: &str = "catga.helper";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Created,
    Running,
    Paused,
    Restarting,
    Removing,
    Exited,
    Dead,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    Starting,
    Healthy,
    Unhealthy,
}

/// One container, as the engine sees it at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerState {
    pub id: String,
    /// Full name, without the leading slash.
    pub name: String,
    /// Compose service; empty for a container that compose did not make.
    pub service: String,
    /// Compose numbers the containers of a service from 1.
    pub number: u32,
    pub project: Option<String>,
    /// `harness`, `operator`, or nothing for a container that our compose file did not make.
    pub owner: Option<String>,
    /// For a helper of ours: what it was made for.
    pub helper: Option<String>,
    /// As the compose file named it.
    pub image: String,
    /// `uid:gid` or names, as the image or the compose file says; empty is root.
    pub user: String,
    pub status: Status,
    /// On the engine's machine; 0 while it does not run.
    pub pid: i64,
    /// RFC 3339, as the engine writes it.
    pub started_at: String,
    pub exit_code: i64,
    pub oom_killed: bool,
    pub restart_count: i64,
    /// `None` without a health check.
    pub health: Option<Health>,
    /// TCP ports: inside the container, and on the host; empty while it does not run.
    pub ports: BTreeMap<u16, u16>,
    /// TCP ports as it was made to publish them, also while it does not run; those that the engine picks are left out.
    pub fixed_ports: BTreeMap<u16, u16>,
    /// The engine picks a host port anew at each start.
    pub ports_move: bool,
    /// `compose run` made it: no part of the cluster.
    pub one_off: bool,
}

/// A container that holds a port of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publisher {
    pub name: String,
    pub project: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    pub name: String,
    pub owner: Option<String>,
}

/// Memory without the page cache that can be dropped; since the container was started, the CPU time, and for how many of
/// the kernel's periods (a tenth of a second, mostly) it was halted at the limit of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    pub memory_bytes: u64,
    pub cpu: Duration,
    pub throttled_periods: u64,
}

impl ContainerState {
    /// Running, and passing its health check if it has one.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.status == Status::Running && matches!(self.health, None | Some(Health::Healthy))
    }

    /// In a few words, for a person.
    #[must_use]
    pub fn summary(&self) -> String {
        let status = format!("{:?}", self.status).to_lowercase();
        match (self.status, self.health) {
            (Status::Running, Some(health)) => {
                format!("{status}, {}", format!("{health:?}").to_lowercase())
            }
            (Status::Exited, _) if self.oom_killed => {
                format!("{status} {}, out of memory", self.exit_code)
            }
            (Status::Exited | Status::Dead, _) => format!("{status} {}", self.exit_code),
            _ => status,
        }
    }
}

impl From<ContainerInspectResponse> for ContainerState {
    fn from(inspected: ContainerInspectResponse) -> Self {
        let state = inspected.state.unwrap_or_default();
        let config = inspected.config.unwrap_or_default();
        let labels = config.labels.unwrap_or_default();
        let bindings = inspected.host_config.and_then(|host| host.port_bindings).unwrap_or_default();
        let ports = inspected.network_settings.and_then(|settings| settings.ports).unwrap_or_default();
        Self {
            id: inspected.id.unwrap_or_default(),
            name: inspected.name.unwrap_or_default().trim_start_matches('/').to_owned(),
            service: labels.get(SERVICE_LABEL).cloned().unwrap_or_default(),
            number: labels.get(NUMBER_LABEL).and_then(|number| number.parse().ok()).unwrap_or(1),
            project: labels.get(PROJECT_LABEL).cloned(),
            owner: owner(&labels),
            helper: labels.get(HELPER_LABEL).cloned(),
            image: config.image.unwrap_or_default(),
            user: config.user.unwrap_or_default(),
            status: status(state.status, state.paused, state.running),
            pid: state.pid.unwrap_or_default(),
            started_at: state.started_at.unwrap_or_default(),
            exit_code: state.exit_code.unwrap_or_default(),
            oom_killed: state.oom_killed.unwrap_or_default(),
            restart_count: inspected.restart_count.unwrap_or_default(),
            health: state.health.and_then(|health| health_of(health.status)),
            ports: tcp_ports(&ports),
            fixed_ports: tcp_ports(&bindings),
            ports_move: bindings.values().flatten().flatten().any(picked_by_engine),
            // Compose 1 writes `False`, compose 2 `False` or `false`, by version.
            one_off: labels.get(ONE_OFF_LABEL).is_some_and(|value| value.eq_ignore_ascii_case("true")),
        }
    }
}

impl From<ContainerStatsResponse> for Usage {
    fn from(stats: ContainerStatsResponse) -> Self {
        let memory = stats.memory_stats.unwrap_or_default();
        let details = memory.stats.unwrap_or_default();
        // cgroup v1 says `total_inactive_file`, v2 `inactive_file`.
        let cache = details.get("total_inactive_file").or_else(|| details.get("inactive_file")).copied();
        let cpu = stats.cpu_stats.unwrap_or_default();
        let used = cpu.cpu_usage.and_then(|usage| usage.total_usage);
        let throttled = cpu.throttling_data.and_then(|data| data.throttled_periods);
        Self {
            memory_bytes: memory.usage.unwrap_or_default().saturating_sub(cache.unwrap_or_default()),
            cpu: Duration::from_nanos(used.unwrap_or_default()),
            throttled_periods: throttled.unwrap_or_default(),
        }
    }
}

pub(super) fn owner(labels: &HashMap<String, String>) -> Option<String> {
    labels.get(OWNER_LABEL).cloned()
}

/// The paused flag counts first: some engines report a paused container as running.
fn status(status: Option<ContainerStateStatusEnum>, paused: Option<bool>, running: Option<bool>) -> Status {
    use ContainerStateStatusEnum as E;
    if paused == Some(true) {
        return Status::Paused;
    }
    match status.unwrap_or(E::EMPTY) {
        E::RUNNING | E::STOPPING => Status::Running,
        E::PAUSED => Status::Paused,
        E::RESTARTING => Status::Restarting,
        E::REMOVING => Status::Removing,
        E::EXITED => Status::Exited,
        E::DEAD => Status::Dead,
        E::EMPTY if running == Some(true) => Status::Running,
        E::CREATED | E::EMPTY => Status::Created,
    }
}

fn health_of(status: Option<HealthStatusEnum>) -> Option<Health> {
    match status? {
        HealthStatusEnum::STARTING => Some(Health::Starting),
        HealthStatusEnum::HEALTHY => Some(Health::Healthy),
        HealthStatusEnum::UNHEALTHY => Some(Health::Unhealthy),
        HealthStatusEnum::EMPTY | HealthStatusEnum::NONE => None,
    }
}

fn picked_by_engine(binding: &PortBinding) -> bool {
    binding.host_port.as_deref().is_none_or(|port| port.is_empty() || port == "0")
}

/// Of several bindings of one port (IPv4 and IPv6) the first counts: compose gives both the same number.
fn tcp_ports(ports: &PortMap) -> BTreeMap<u16, u16> {
    let published = ports.iter().filter_map(|(inside, bindings)| {
        let inside = inside.strip_suffix("/tcp")?.parse().ok()?;
        let outside = bindings.as_ref()?.iter().find_map(|binding| binding.host_port.as_ref()?.parse().ok())?;
        Some((inside, outside))
    });
    published.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_published_tcp_ports_are_listed() {
        let binding = |port: &str| Some(vec![PortBinding { host_ip: None, host_port: Some(port.to_owned()) }]);
        let ports = PortMap::from([
            (String::from("8080/tcp"), binding("8081")),
            (String::from("53/udp"), binding("53")),
            (String::from("4222/tcp"), None),
            (String::from("nonsense"), binding("1")),
        ]);
        assert_eq!(tcp_ports(&ports), BTreeMap::from([(8080, 8081)]));
    }

    #[test]
    fn a_paused_container_is_paused_even_where_the_engine_calls_it_running() {
        assert_eq!(status(Some(ContainerStateStatusEnum::RUNNING), Some(true), Some(true)), Status::Paused);
        assert_eq!(status(Some(ContainerStateStatusEnum::EXITED), Some(false), Some(false)), Status::Exited);
    }

    #[test]
    fn a_container_of_either_compose_version_tells_its_service_and_owner() {
        for (one_off, expected) in [("False", false), ("false", false), ("True", true)] {
            let labels = HashMap::from([
                (SERVICE_LABEL.to_owned(), String::from("cluster-node")),
                (NUMBER_LABEL.to_owned(), String::from("2")),
                (PROJECT_LABEL.to_owned(), String::from("catga")),
                (OWNER_LABEL.to_owned(), String::from("operator")),
                (ONE_OFF_LABEL.to_owned(), one_off.to_owned()),
            ]);
            let config = bollard::models::ContainerConfig { labels: Some(labels), ..Default::default() };
            let state = ContainerState::from(ContainerInspectResponse { config: Some(config), ..Default::default() });
            assert_eq!((state.service.as_str(), state.number, state.one_off), ("cluster-node", 2, expected));
            assert_eq!(state.owner.as_deref(), Some("operator"));
        }
    }
}
