//! The pure half of the harness: what a scenario means, what a run recorded, and what that proves.
//!
//! Nothing in here has a runtime, a clock, a client or a file: a caller hands in text and readers, and gets values back.
//! The same input always gives the same output, so that a run can be judged again anywhere, years later.
//!
//! # A map of the code
//! In the direction in which data flows:
//!
//! - [`scenario`]: a scenario as written. `Scenario::parse` reads TOML and says where it is wrong.
//! - [`plan`]: `resolve` turns a scenario and a seed into a [`plan::Plan`]: targets picked, times checked, everything
//!   that a run will do. `Plan::slots` is the open schedule of its load. [`seed`] holds the named random streams.
//! - [`history`]: the record of a run: its line format ([`history::Entry`], [`history::Sample`]), the streaming reader,
//!   and the index that splits it by order ([`history::History`]), small enough for ten million operations: ids, times and
//!   answers are numbers in it, of which it tells what they stand for.
//! - `case`, `timeline`: a history held against its plan: *claims* (an order id with one content), the edges of the
//!   load, the span of each fault.
//! - `durability`: what a fault destroyed from below, and which orders that excuses, where the scenario declares it.
//! - `fate`: what became of each claim: applied, lost, absent, unresolved.
//! - [`checkers`]: one file for each aspect; each gives a [`verdict::Finding`] with evidence. `life` tells the life of
//!   an order that a finding names.
//! - [`explain`]: one order, in words and in order of time, with the fewest operations that show what is wrong.
//! - [`figure`]: what a figure is called, in which unit, and what a scenario may expect of it.
//! - `figures`: everything that is measured: propagation, requests, backlog and fault windows, recovery, availability.
//! - [`compare`]: runs of one build held against those of another.
//! - [`judge`]: runs all of them; [`report`]: what comes out, as `report.json` and as the terminal summary.
//!
//! # What is absent
//! No tokio, no bollard, no goose, no redis or NATS client, no `std::time::Instant`, no `std::fs`. The types of the
//! node under test are absent too: the judge shares nothing with the judged.
//!
//! # The history format
//! `history.ndjson` is one JSON object a line with a `type`; the first line is the `header`, the last an `end`. Lines
//! stand in the order in which they were written down, so an `invoke` stands before the `complete` of the same `op`.
//! `t_us` and `*_us` are microseconds on the run's one monotonic clock. An invoke without completion may have taken
//! effect. Order and customer ids of a run begin with the header's nonce and `-`; anything else is another run's and is
//! only counted. A torn last line is tolerated and reported; any other unreadable line makes the history unusable.
//! Final reads end with a `final_read` that names what was read (see [`history::reads`]) and how many entries it has:
//! a read that is missing, failed or short makes what rests on it unknown, never lost.

pub(crate) mod case;
pub mod checkers;
pub mod compare;
pub(crate) mod durability;
pub mod exercise;
pub mod explain;
pub(crate) mod fate;
pub mod figure;
pub(crate) mod figures;
pub mod history;
mod judgement;
pub(crate) mod life;
pub mod limit;
pub mod nearest;
pub(crate) mod numbers;
pub mod plan;
pub mod report;
pub(crate) mod resets;
pub mod scenario;
pub mod seed;
#[cfg(test)]
pub(crate) mod testing;
pub(crate) mod timeline;
pub mod verdict;

pub use judgement::{Judgement, judge, review};
