//! Known-wrong variants of the protocol, to prove that the harness finds them. Compiled only with the feature
//! `planted-bugs`; what they do is in `core/planted.rs`.

/// Which bug is planted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Plant {
    /// The outbox row is removed before the stream acknowledged its message
    RemoveBeforeAck,
    /// A redelivered message is applied without a look at guard and inbox
    RedeliverySkipsInbox,
}
