//! What was typed.

use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::stall::Stall;

/// What is asked of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// `GET /health`.
    Health,
    /// `POST /api/orders`, each of an order of its own.
    Orders,
}

/// A load: as many requests as there are answers to, or so many a second.
#[derive(Debug)]
pub(crate) struct Load {
    pub(crate) what: What,
    pub(crate) url: String,
    pub(crate) seconds: u64,
    pub(crate) users: Option<u32>,
    pub(crate) rate: Option<u32>,
}

#[derive(Debug)]
pub(crate) struct Options(Vec<String>);

impl Options {
    pub(crate) fn new(words: Vec<String>) -> Self {
        Self(words)
    }

    pub(crate) fn load(&self) -> anyhow::Result<Load> {
        let what = match self.value::<String>("--what")?.as_str() {
            "health" => What::Health,
            "orders" => What::Orders,
            other => bail!("--what {other:?} is neither health nor orders"),
        };
        let [users, rate] = ["--users", "--rate"].map(|name| self.optional(name));
        Ok(Load { what, url: self.value("--url")?, seconds: self.value("--seconds")?, users: users?, rate: rate? })
    }

    pub(crate) fn stall(&self) -> anyhow::Result<Stall> {
        let [after, length] = ["--after-ms", "--for-ms"].map(|name| self.value(name).map(Duration::from_millis));
        Ok(Stall { after: after?, length: length? })
    }

    pub(crate) fn value<T: FromStr<Err: std::error::Error + Send + Sync + 'static>>(&self, name: &str) -> anyhow::Result<T> {
        self.optional(name)?.with_context(|| format!("{name} is missing"))
    }

    fn optional<T: FromStr<Err: std::error::Error + Send + Sync + 'static>>(&self, name: &str) -> anyhow::Result<Option<T>> {
        let Some(place) = self.0.iter().position(|word| word == name) else { return Ok(None) };
        let word = self.0.get(place + 1).with_context(|| format!("{name} has no value"))?;
        Ok(Some(word.parse().with_context(|| format!("{name} {word:?}"))?))
    }
}
