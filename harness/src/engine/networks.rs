//! What networks a container is on, and taking it off one and back.

use std::collections::{BTreeSet, HashMap};

use bollard::models::{EndpointIpamConfig, EndpointSettings, NetworkConnectRequest, NetworkDisconnectRequest};
use bollard::query_parameters::ListNetworksOptionsBuilder;
use serde::{Deserialize, Serialize};

use super::containers::container;
use super::state::PROJECT_LABEL;
use super::{ACTION, Engine, EngineError, QUESTION};

/// Both compose versions put it on networks: the name in the compose file.
const NETWORK_LABEL: &str = "com.docker.compose.network";

/// How a container is on a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// Full name: `catga_bus`.
    pub network: String,
    /// The names by which others on the network find it.
    pub aliases: BTreeSet<String>,
    /// Only where somebody chose it; the engine gives out others anew.
    pub fixed_address: Option<String>,
}

impl Engine {
    /// The full name of one network of a compose project; `name` is as in the compose file.
    ///
    /// # Errors
    /// The project has no such network, or several.
    pub async fn network(&self, project: &str, name: &str) -> Result<String, EngineError> {
        let labels = vec![format!("{PROJECT_LABEL}={project}"), format!("{NETWORK_LABEL}={name}")];
        let options = ListNetworksOptionsBuilder::new().filters(&HashMap::from([("label", labels)])).build();
        let on = format!("network {name} in project {project}");
        let listed = self.asked("find", &on, QUESTION, self.docker.list_networks(Some(options))).await?;
        let mut names = listed.into_iter().filter_map(|network| network.name);
        match (names.next(), names.next()) {
            (Some(name), None) => Ok(name),
            (Some(one), Some(other)) => {
                let answer = format!("with several: {one}, {other}");
                Err(EngineError::Refused { call: "find", on, status: None, answer })
            }
            (None, _) => Err(EngineError::NotFound { call: "find", on }),
        }
    }

    /// All networks that a container is on, by name. A stopped container is still on its networks.
    pub async fn attachments(&self, id: &str) -> Result<Vec<Attachment>, EngineError> {
        let inspected = self.asked("inspect", &container(id), QUESTION, self.docker.inspect_container(id, None)).await?;
        let networks = inspected.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
        let mut attachments: Vec<Attachment> = networks
            .into_iter()
            .map(|(network, endpoint)| Attachment {
                network,
                aliases: endpoint.aliases.unwrap_or_default().into_iter().collect(),
                fixed_address: endpoint.ipam_config.and_then(|config| config.ipv4_address).filter(|address| !address.is_empty()),
            })
            .collect();
        attachments.sort_by(|a, b| a.network.cmp(&b.network));
        Ok(attachments)
    }

    /// Takes a container off a network. Its open connections over it hear nothing any more, not even a reset.
    ///
    /// # Errors
    /// It is not on it.
    pub async fn leave_network(&self, id: &str, network: &str) -> Result<(), EngineError> {
        let request = NetworkDisconnectRequest { container: id.to_owned(), force: Some(false) };
        let on = format!("{} from network {network}", container(id));
        self.asked("disconnect", &on, ACTION, self.docker.disconnect_network(network, request)).await
    }

    /// Puts a container on a network, with the names that it had there.
    ///
    /// # Errors
    /// It is on it already.
    pub async fn join_network(&self, id: &str, attachment: &Attachment) -> Result<(), EngineError> {
        let fixed = attachment.fixed_address.clone();
        let endpoint = EndpointSettings {
            aliases: Some(attachment.aliases.iter().cloned().collect()),
            ipam_config: fixed.map(|address| EndpointIpamConfig { ipv4_address: Some(address), ..Default::default() }),
            ..Default::default()
        };
        let request = NetworkConnectRequest { container: id.to_owned(), endpoint_config: Some(endpoint) };
        let on = format!("{} to network {}", container(id), attachment.network);
        self.asked("connect", &on, ACTION, self.docker.connect_network(&attachment.network, request)).await
    }
}
