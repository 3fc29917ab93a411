//! What a node's ledger says of each customer of the run.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use judge::history::Entry;
use reqwest::Client;

use super::{ReadError, Tally, ask_node};
use crate::cluster::Node;
use crate::wire::{self, order::Ledger};

/// Questions under way at once per node: enough to hide round trips, few enough for a small machine.
const AT_ONCE: usize = 8;

/// Asks for every customer; one that the node does not know has no orders there and a total of 0.
pub(super) async fn read(client: &Client, node: &Node, customers: &[String], tally: &mut Tally<'_>) -> Result<(), ReadError> {
    let ask = async |customer_id: &String| {
        let url = format!("{}/api/customers/{customer_id}", node.url);
        let reply = ask_node(client, &url, Some(404)).await?;
        let ledger = match reply.status {
            404 => Ledger { orders: 0, total_minor: Some(0) },
            _ => wire::order::ledger(&reply.body)?,
        };
        Ok::<_, ReadError>((customer_id.clone(), ledger))
    };
    let mut answers = stream::iter(customers).map(ask).buffered(AT_ONCE);
    while let Some((customer_id, Ledger { orders, total_minor })) = answers.try_next().await? {
        tally.write(&Entry::Ledger { node: node.name.clone(), customer_id, orders, total_minor });
    }
    Ok(())
}
