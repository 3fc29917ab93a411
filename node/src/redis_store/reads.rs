//! Reads of the projection.

use redis::Value;

use super::RedisStore;
use super::keys::BUCKET;
use super::outbox::text;
use crate::order::{CustomerId, OrderId, PlacedOrder, Total};
use crate::ports::{Ledger, Page, Projected, StoreError};

impl RedisStore {
    pub(super) async fn read_order(&self, id: &OrderId) -> Result<Option<Projected>, StoreError> {
        let found: Option<Vec<u8>> = self.query(redis::cmd("HGET").arg(&self.keys.orders).arg(id.as_str())).await?;
        found.map(|bytes| entry(id.clone(), &bytes)).transpose()
    }

    pub(super) async fn read_page(&self, after: u64, limit: usize) -> Result<Page, StoreError> {
        let mut call = self.scripts.page.call(2);
        call.arg(&self.keys.orders).arg(&self.keys.position).arg(&self.keys.log).arg(BUCKET).arg(after).arg(limit);
        let reply: Vec<Value> = self.run(&self.scripts.page, &call).await?;
        let [Value::Int(last), Value::Int(end), rest @ ..] = reply.as_slice() else {
            return Err(damaged("page of the projection", &"it has no counters"));
        };
        let mut page = Page { entries: Vec::with_capacity(rest.len() / 3), end: unsigned(*end), last: unsigned(*last) };
        for triple in rest.chunks_exact(3) {
            let [position, id, Value::BulkString(bytes)] = triple else {
                return Err(damaged("page of the projection", &"an entry is no text"));
            };
            let id = OrderId::new(&text(id)).map_err(|error| damaged("order id in the log", &error))?;
            // The log has the position of this application; the entry has that of the latest.
            let position = text(position).parse().map_err(|error| damaged("position in the log", &error))?;
            page.entries.push(Projected { position, ..entry(id, bytes)? });
        }
        Ok(page)
    }

    pub(super) async fn read_customer(&self, id: &CustomerId) -> Result<Option<Ledger>, StoreError> {
        let (mut connection, epoch) = self.link.connection()?;
        let mut pipeline = redis::pipe();
        // One transaction, so that count and total are of one moment.
        pipeline.atomic();
        pipeline.cmd("HGET").arg(&self.keys.counts).arg(id.as_str());
        pipeline.cmd("HGET").arg(&self.keys.totals).arg(id.as_str());
        let (orders, total): (Option<u64>, Option<u64>) =
            pipeline.query_async(&mut connection).await.map_err(|error| self.link.failed(epoch, &error))?;
        Ok(orders.map(|orders| Ledger { orders, total: Total(total.unwrap_or(0)) }))
    }
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn damaged(what: &str, why: &dyn std::fmt::Display) -> StoreError {
    StoreError::Failed(format!("the {what} is damaged: {why}"))
}

/// Reads `<position> <sequence, from the position> <applied> <applied at µs> <compact order>`. A sequence without a sign is
/// itself: entries had that once.
pub(super) fn entry(order_id: OrderId, bytes: &[u8]) -> Result<Projected, StoreError> {
    let text = std::str::from_utf8(bytes).map_err(|error| damaged("projection entry", &error))?;
    let mut words = text.splitn(5, ' ');
    let mut word = || words.next().unwrap_or("");
    let (position, sequence, applied, applied_at) = (word(), word(), word(), word());
    let digits = |word: &str| word.parse::<u64>().ok().filter(|_| !word.starts_with('+'));
    let sequence = match (sequence.strip_prefix(['+', '-']), digits(position)) {
        (Some(_), Some(position)) => sequence.parse().ok().and_then(|ahead| position.checked_add_signed(ahead)),
        _ => digits(sequence),
    };
    let (Some(position), Some(sequence), Some(applied), Some(applied_at)) =
        (digits(position), sequence, digits(applied), digits(applied_at))
    else {
        return Err(damaged("projection entry", &"its numbers are none"));
    };
    let placed =
        PlacedOrder::from_compact(order_id, words.next().unwrap_or("")).map_err(|error| damaged("projection entry", &error))?;
    let applied_at_us = i64::try_from(applied_at).map_err(|error| damaged("projection entry", &error))?;
    Ok(Projected { placed, sequence, position, applied, applied_at_us })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequence_counts_from_the_position_and_once_was_itself() {
        let read = |text: &str| {
            let order_id = OrderId::new("order-1").expect("an id");
            entry(order_id, text.as_bytes()).map(|read| (read.position, read.sequence, read.applied, read.applied_at_us))
        };
        let order = "9ocJ63VH-JGZ4nvRX5El node-1 1795984306459225 customer-1 9999";
        assert_eq!(read(&format!("7 +0 1 1795984306470204 {order}")).expect("an entry"), (7, 7, 1, 1_795_984_306_470_204));
        assert_eq!(read(&format!("7 +5 2 12 {order}")).expect("an entry"), (7, 12, 2, 12));
        assert_eq!(read(&format!("7 -5 1 12 {order}")).expect("an entry"), (7, 2, 1, 12));
        assert_eq!(read(&format!("7 12 1 12 {order}")).expect("an entry"), (7, 12, 1, 12));
        for damaged in ["", "7", "-7 +0 1 12", "+7 +0 1 12", "7 x 1 12", "7 -8 1 12", "7 +0 -1 12", "7 +0 1 -12", "7 + 1 12"] {
            assert!(read(&format!("{damaged} {order}")).is_err(), "{damaged:?}");
        }
        assert!(read("7 +0 1 12").is_err(), "it has no order");
    }
}
