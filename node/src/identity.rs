//! Which node this is, and that it is the only one of that name.

mod lock;
mod name;
mod ptr;

pub use lock::{IdentityLost, Instance, hold_identity};
pub use name::{NameError, node_id};
