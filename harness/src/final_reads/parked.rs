//! How many messages a node has set aside since it started.

use judge::history::Entry;
use reqwest::Client;

use super::{ReadError, Tally, ask_node};
use crate::cluster::Node;
use crate::wire;

const PARKED: &str = "catga_parked_total";

/// Reads the node's counter. It counts from the node's last start; what was parked before is in the counters that were
/// observed.
pub(super) async fn read(client: &Client, node: &Node, tally: &mut Tally<'_>) -> Result<(), ReadError> {
    let url = format!("{}/metrics", node.url);
    let reply = ask_node(client, &url, None).await?;
    let totals = wire::prometheus::totals(&String::from_utf8_lossy(&reply.body))?;
    let Some(count) = totals.get(PARKED) else {
        return Err(ReadError::Absent { url, name: PARKED });
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a counter is a whole number at or above 0, far below 2^53"
    )]
    let count = *count as u64;
    tally.write(&Entry::Parked { node: node.name.clone(), count });
    Ok(())
}
