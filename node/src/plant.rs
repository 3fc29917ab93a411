//! Known-wrong variants of the protocol, to prove that the harness finds them. Compiled only with the feature
//! `planted-bugs`; each stands where `planted!` asks for it, the larger ones in `core/planted.rs`.

/// Which bug is planted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Plant {
    /// An order is answered before it is stored
    AckBeforePersist,
    /// A store that did not answer is taken at its best
    OkAfterTimeout,
    /// One order in fifty is stored, and refused
    RefusedAfterWriting,
    /// An order id with other content gets the first order's answer
    ConflictAccepted,
    /// A replay gets an answer of its own, with another message id
    ReplayChangesAnswer,
    /// A replay is answered as if it were new
    ReplayAsNew,
    /// One answer in fifty names another order
    EchoesAnotherOrder,
    /// Message ids are drawn from sixty-four
    MessageIdReused,
    /// Amounts go through a binary float of 32 bits
    FloatAmounts,
    /// The outbox row is removed before the stream acknowledged its message
    RemoveBeforeAck,
    /// One row in fifty is marked published and was not
    MarkedNotPublished,
    /// A publish that failed is never tried again: an outage of a second strands its rows
    FailureIsTerminal,
    /// A row whose publish fails a third time is set aside for good
    TerminalAfterThree,
    /// One order in fifty is published twice, under two message ids
    PublishesTwice,
    /// Whoever takes over a due row cleans it up instead of publishing it
    RecoveryEatsRows,
    /// Nobody takes over rows
    NoRecovery,
    /// Whoever comes back late writes to rows that it no longer holds, and to rows that are gone
    LeaseWithoutFencing,
    /// A lease lasts an hour: rows of a node that died, or was not answered, wait for it
    LeaseForever,
    /// Idempotency records get no time to live
    RecordsNeverEnd,
    /// A redelivered message is applied without a look at guard and inbox
    RedeliverySkipsInbox,
    /// Deliveries are acknowledged before they are applied, and lost writes are not looked for
    AckBeforeApply,
    /// A delivery is marked in the inbox first and applied in a second step, and what is marked is not applied
    ApplyInTwoSteps,
    /// Deliveries are marked in the inbox of the node that accepted them
    WrongInbox,
    /// One good order in fifty is set aside as if it were none
    ParksGoodOrders,
    /// A node named with a 2 at its end applies nothing any more after a hundred orders
    StopsApplying,
    /// The feed leaves out one event in fifty
    FeedSkips,
    /// The feed shows one event in fifty twice
    FeedRepeats,
    /// The feed shows events of one page in the wrong order
    FeedSwaps,
    /// A feed that resumes begins one event too late
    ResumeOffByOne,
    /// Health says up, whatever is down
    ReadinessAlwaysGreen,
    /// One order in two that was applied cannot be found again
    ForgetsOrders,
    /// One order in fifty is read back with another amount than it was applied with
    ReadsAnotherAmount,
    /// A page of the projection lacks one order in fifty
    PageSkips,
    /// A ledger's total is cut to whole units
    LedgerRounds,
    /// A ledger counts an order less than it holds
    LedgerMiscounts,
}
