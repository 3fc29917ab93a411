//! How many messages a node has set aside since it started.

use judge::history::Entry;
use reqwest::Client;

use super::{ReadError, Tally, Unreadable};
use crate::cluster::Node;
use crate::observe::counters;

/// Reads the node's counter. It counts from the node's last start; what was parked before is in the counters that were
/// observed.
pub(super) async fn read(
    client: &Client,
    node: &Node,
    tally: &mut Tally<'_>,
) -> Result<(), ReadError> {
    let mut unreadable = Unreadable::default();
    match counters::read(client, node).await {
        Ok(totals) => match totals.get(counters::PARKED) {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a counter is a whole number at or above 0, far below 2^53"
            )]
            Some(count) => tally.write(&Entry::Parked {
                node: node.name.clone(),
                count: *count as u64,
            }),
            None => unreadable.note(&format!("{} has no {}", node.name, counters::PARKED)),
        },
        Err(error) => unreadable.note(&error),
    }
    unreadable.into_result()
}
