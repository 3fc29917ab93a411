//! The harness: brings a Catga cluster up, loads it, breaks it, heals it, and judges what its history says.
//!
//! Start reading at [`run`], which shows a whole run on one page.

pub mod recorder;
