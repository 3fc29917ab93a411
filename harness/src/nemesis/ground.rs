//! What a nemesis stands on: a cluster, and the faults that can be done to it.

use async_trait::async_trait;
use judge::plan::FaultKind;

use super::fault::{Fault, FaultError, Target};
use super::faults;
use super::site::Site;
use crate::cluster::Cluster;

#[async_trait]
pub trait Ground: Clone + std::fmt::Debug + Send + Sync + 'static {
    fn cluster(&self) -> &Cluster;

    /// The one that carries out a kind.
    ///
    /// # Errors
    /// The kind is known to plans and cannot be done here.
    fn fault(&self, kind: FaultKind) -> Result<Box<dyn Fault<Self>>, String>;

    /// What runs a service now.
    ///
    /// # Errors
    /// There is no such service.
    fn target(&self, service: &str) -> Result<Target, FaultError>;

    /// Takes away what faults may have left beside the cluster, also those that were never injected.
    ///
    /// # Errors
    /// What is left.
    async fn tidy(&self) -> Result<(), String>;
}

#[async_trait]
impl Ground for Site {
    fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    fn fault(&self, kind: FaultKind) -> Result<Box<dyn Fault<Self>>, String> {
        Ok(faults::of(kind))
    }

    fn target(&self, service: &str) -> Result<Target, FaultError> {
        Site::target(self, service)
    }

    async fn tidy(&self) -> Result<(), String> {
        self.no_helpers().await.map(drop).map_err(|error| format!("helper containers are left: {error}"))
    }
}
