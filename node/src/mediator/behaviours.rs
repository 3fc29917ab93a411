//! Behaviours for any mediator. Each asks of a request what it needs to know, by a trait of its own; a request that
//! does not say it cannot be sent through that behaviour, and that, too, is found when compiling.

mod idempotent;
mod measured;
mod time_limit;
mod traced;
mod validated;

pub use idempotent::{Idempotent, Identify, Tally};
pub use measured::{Measure, Measured};
pub use time_limit::{Limited, TimeLimit};
pub use traced::{Spanned, Traced};
pub use validated::{Validate, Validated};
