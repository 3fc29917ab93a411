//! Observers, settling and final reads against a scripted node, and against real Redis and NATS.
//!
//! The services are named by `CATGA_TEST_REDIS_URL` and `CATGA_TEST_NATS_URL`; keys `catga:*` and the stream
//! `CATGA_CLUSTER` there are removed.

mod clients;
mod feeds;
mod outbox;
mod reads;
mod scripted;
mod services;
mod settling;
mod stage;
mod targets;
