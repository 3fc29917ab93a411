//! A listener: a node's way to a service.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::connection::Connection;
use crate::counters::{Counters, Counts};
use crate::rule::{Order, Rule};
use crate::settings::Listen;
use crate::switch::{Current, Switch};

/// Without descriptors accepting fails at once, again and again.
const ACCEPT_AGAIN: Duration = Duration::from_millis(20);

/// A listener as the control interface shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkState {
    /// `cluster-node-1/nats`
    pub name: String,
    pub address: SocketAddr,
    /// `nats:4222`
    pub service: String,
    pub rule: Option<InForce>,
    pub counts: Counts,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InForce {
    pub rule: Rule,
    pub age_ms: u64,
    pub expires_in_ms: u64,
}

#[derive(Debug)]
pub(crate) struct Link {
    name: String,
    service: String,
    address: SocketAddr,
    switch: Switch,
    pub(crate) counters: Counters,
}

impl Link {
    pub(crate) fn new(listen: &Listen, address: SocketAddr) -> Self {
        Self {
            name: listen.name.clone(),
            service: listen.service.clone(),
            address,
            switch: Switch::new(),
            counters: Counters::default(),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn service(&self) -> &str {
        &self.service
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Current> {
        self.switch.subscribe()
    }

    pub(crate) fn put(&self, order: &Order) {
        self.switch.put(order);
    }

    pub(crate) fn remove_rule(&self) {
        self.switch.remove();
    }

    pub(crate) async fn expire_rules(self: Arc<Self>) {
        self.switch.expire().await;
    }

    pub(crate) fn state(&self) -> LinkState {
        let rule = self.switch.look().map(|(active, left)| InForce {
            rule: active.rule.clone(),
            age_ms: millis(active.since.elapsed()),
            expires_in_ms: millis(left),
        });
        LinkState {
            name: self.name.clone(),
            address: self.address,
            service: self.service.clone(),
            rule,
            counts: self.counters.read(),
        }
    }

    /// Accepts until dropped, which ends all its connections.
    pub(crate) async fn serve(self: Arc<Self>, listener: TcpListener) {
        let mut connections = JoinSet::new();
        let mut number = 0;
        loop {
            let Ok((socket, _)) = listener.accept().await else {
                tokio::time::sleep(ACCEPT_AGAIN).await;
                continue;
            };
            self.counters.opened.add(1);
            let link = Arc::clone(&self);
            connections.spawn(async move {
                Connection::new(&link, number).serve(socket).await;
                link.counters.ended.add(1);
            });
            number += 1;
            while connections.try_join_next().is_some() {}
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
