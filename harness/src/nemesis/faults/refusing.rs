//! What the faults that make Redis refuse writes have in common: one setting is changed, and put back as it was.
//!
//! Both are proven by a write of our own on a key of our own: it is refused with the fault's own code while the fault is
//! in force, and taken when it is healed.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::nemesis::fault::{Before, Fault, FaultError, Seen, Target};
use crate::nemesis::site::Site;
use crate::stores::Trial;

/// A setting that makes Redis refuse writes.
#[derive(Debug)]
pub(super) struct Refusing {
    pub(super) setting: &'static str,
    pub(super) value: &'static str,
    /// What the refusal begins with.
    pub(super) code: &'static str,
    /// A setting without which the fault would do something else, and the value that it must have.
    pub(super) needs: Option<(&'static str, &'static str)>,
}

/// The setting's value before.
#[derive(Debug, Serialize, Deserialize)]
struct Set {
    value: String,
}

#[async_trait]
impl Fault for Refusing {
    async fn before(&self, site: &Site, target: &Target) -> Result<Before, FaultError> {
        let mut redis = site.redis()?;
        if let Some((name, needed)) = self.needs {
            let found = redis.setting(name).await?;
            if found != needed {
                let service = &target.service;
                return Err(FaultError::Other(format!("{name} of {service} is {found}, and this fault needs {needed}")));
            }
        }
        Before::of(&Set { value: redis.setting(self.setting).await? })
    }

    async fn inject(&self, site: &Site, _: &Target, _: &Before) -> Result<(), FaultError> {
        Ok(site.redis()?.set(self.setting, self.value).await?)
    }

    async fn effect(&self, site: &Site, _: &Target, _: &Before) -> Result<Seen, FaultError> {
        Ok(match site.redis()?.try_write().await? {
            Trial::Taken => Seen::NotYet(String::from("a write is taken")),
            Trial::Refused(said) => Seen::when(said.starts_with(self.code), format!("a write is refused: {said}")),
        })
    }

    async fn heal(&self, site: &Site, _: &Target, before: &Before) -> Result<(), FaultError> {
        Ok(site.redis()?.set(self.setting, &before.read::<Set>()?.value).await?)
    }

    async fn healed(&self, site: &Site, _: &Target, before: &Before) -> Result<Seen, FaultError> {
        let mut redis = site.redis()?;
        let (now, trial) = (redis.setting(self.setting).await?, redis.try_write().await?);
        let as_before = now == before.read::<Set>()?.value;
        Ok(match trial {
            Trial::Taken => Seen::when(as_before, format!("{} is {now}, and a write is taken", self.setting)),
            Trial::Refused(said) => Seen::NotYet(format!("{} is {now}, and a write is refused: {said}", self.setting)),
        })
    }
}
