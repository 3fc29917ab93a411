//! A Catga node: orders in over HTTP, events out to every node, exactly once in effect.
//!
//! A map, from the outside in:
//!
//! - [`cli`], [`settings`], [`logging`], [`probe`]: what the binary is made of; [`serve`] wires a node and is its whole life.
//! - [`http`]: routes, bodies, problems; speaks to the [`mediator`], which sends each request to its one handler.
//! - [`core`]: accept, relay, recover, apply, feed and reads, written against [`ports`] alone.
//! - [`redis_store`] and [`nats_bus`]: the adapters. Nothing else imports those clients. [`memory`] stands in for both.
//! - [`access`]: credentials and certificates for both.
//! - [`identity`]: which node this is, and that it is the only one of that name.
//! - [`metrics`] and [`trace`]: what can be seen of all that.
//! - [`order`]: the words of the domain.

#[macro_use]
mod planted;

pub mod access;
pub mod cli;
pub mod core;
pub mod descriptors;
pub mod error;
pub mod http;
pub mod identity;
pub mod logging;
pub mod mediator;
pub mod memory;
pub mod metrics;
pub mod nats_bus;
pub mod order;
#[cfg(feature = "otlp")]
mod otlp;
#[cfg(feature = "planted-bugs")]
pub mod plant;
pub mod ports;
pub mod probe;
pub mod redis_store;
pub mod serve;
pub mod settings;
pub mod state;
pub mod system;
pub mod trace;
