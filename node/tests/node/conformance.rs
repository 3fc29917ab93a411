//! One suite over both sets of adapters: what holds on Redis and NATS holds in memory, and the other way round. A case
//! is a function of a [`World`]; each is run in the module `services` and in the module `memory` of its file.

mod bus;
mod core;
mod gate;
mod memory;
mod outbox;
mod projection;
mod services;
mod world;

/// Runs cases over both worlds.
macro_rules! over_both {
    ($($case:ident),* $(,)?) => {
        mod services {
            use crate::conformance::{services::Services, world::World as _};
            $(#[tokio::test] async fn $case() {
                let services = Services::new().await;
                super::$case(&services).await;
                services.end().await;
            })*
        }
        mod memory {
            use crate::conformance::{memory::Memory, world::World as _};
            $(#[tokio::test] async fn $case() { super::$case(&Memory::new().await).await; })*
        }
    };
}
pub(crate) use over_both;
