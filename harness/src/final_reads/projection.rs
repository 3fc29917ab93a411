//! Every order that a node has applied, in the order of application.

use judge::history::{Entry, Projection};
use reqwest::Client;

use super::ends::Inbox;
use super::{ReadError, Tally, ask_node};
use crate::cluster::Node;
use crate::wire;

/// Orders per page; the contract clamps higher limits to this.
const LIMIT: u32 = 1_000;

/// Reads all pages until `next` is null, and looks in the node's inbox for what it applied.
pub(super) async fn read(client: &Client, node: &Node, inbox: &mut Inbox, tally: &mut Tally<'_>) -> Result<(), ReadError> {
    let mut after = 0;
    loop {
        let url = format!("{}/api/orders?after={after}&limit={LIMIT}", node.url);
        let page = wire::order::page(&ask_node(client, &url, None).await?.body)?;
        let mut applied = Vec::with_capacity(page.orders.len());
        for order in page.orders {
            if !tally.is_ours(&order.answer.order_id) {
                continue;
            }
            applied.push((order.answer.order_id.clone(), order.answer.message_id.clone()));
            tally.write(&Entry::Projection(Projection {
                node: node.name.clone(),
                position: order.position,
                sequence: order.sequence,
                order_id: order.answer.order_id,
                customer_id: order.answer.customer_id,
                amount_minor: order.answer.amount_minor,
                message_id: order.answer.message_id,
                applied: order.applied,
                applied_at: order.applied_at,
            }));
        }
        inbox.look(&applied).await;
        match page.next {
            None => return Ok(()),
            // A node that sends its reader in circles must not hold the run until the deadline.
            Some(next) if next <= after => return Err(ReadError::Standstill { url, after, next }),
            Some(next) => after = next,
        }
    }
}
