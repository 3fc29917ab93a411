//! The node as a process, on a real Redis and a real NATS.
//!
//! Each test has keys, a stream and node names of its own, so that they run side by side on one pair of
//! services, named by `CATGA_TEST_REDIS_URL` and `CATGA_TEST_NATS_URL`. A test that stops a service, or changes its
//! settings, starts one of its own in a container.

mod accept;
mod backlog;
mod books;
mod conformance;
mod contract;
mod credentials;
mod crowd;
mod damage;
mod dead;
mod delivery;
mod document;
mod embedded;
mod feed;
mod fuzz;
mod groups;
mod identity;
mod jwt;
mod limits;
mod memory;
mod observe;
mod outbox;
mod permissions;
#[cfg(feature = "planted-bugs")]
mod planted;
mod proxy;
mod services;
mod space;
mod tls;
mod weather;
