//! What a cluster holds when it has come to rest, read once from every source that knows something of an order.
//!
//! Sources are read side by side. Each ends with an `Entry::FinalRead` that names it and says how many entries it wrote
//! and, where it could not read everything, why. What belongs to other runs (kept volumes) is counted in an entry of its
//! own, `foreign <source>`, which is written only where there was something.

mod ends;
mod ledger;
mod outbox;
mod parked;
mod projection;
mod records;
mod stream;

use std::time::Duration;

use judge::history::{Entry, reads};
use tokio::time::{Instant, sleep, timeout_at};

use crate::cluster::Cluster;
use crate::http::{self, HttpError};
use crate::recorder::Recorder;
use crate::stores::StoreError;
use crate::wire::{self, WireError};
use ends::{Ends, Inbox};

/// How long one question to a node or a store may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// A question that failed is asked again after this, as long as there is time.
const AGAIN_AFTER: Duration = Duration::from_millis(200);

/// A final read that did not get everything.
#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Wire(#[from] WireError),
    #[error("{url} tells nothing of {name}")]
    Absent { url: String, name: &'static str },
    #[error("{url} answered {status}")]
    Status { url: String, status: u16 },
    #[error("{url}: the page behind {after} goes on at {next}, which is no way forward")]
    Standstill { url: String, after: u64, next: u64 },
    #[error("{count} could not be read, the first: {first}")]
    Unreadable { count: u64, first: String },
    #[error("the stream changed while it was read: {detail}")]
    Moving { detail: String },
    #[error("not done within {0:?}")]
    Deadline(Duration),
}

/// Where a final read writes, and how much it has written: that stands even when it is cut off.
struct Tally<'a> {
    recorder: &'a Recorder,
    nonce: &'a str,
    entries: u64,
    foreign: u64,
}

/// Reads every source of `cluster` and writes down what it holds of the run with this `nonce`.
///
/// `customers` are the ids that the run used: the ledger is read for each of them on each node, and a node that does not
/// know one has an empty ledger of it. Everything together may take `deadline`; nothing is returned, since a read
/// that failed or was cut off is itself an entry.
pub async fn read_all(cluster: &Cluster, recorder: &Recorder, nonce: &str, customers: &[String], deadline: Duration) {
    let ends = Instant::now() + deadline;
    let of_nodes = cluster.nodes.iter().map(|node| async move {
        let (client, mut inbox) = (http::client(PATIENCE), Inbox::of(cluster, node));
        tokio::join!(
            read(recorder, nonce, reads::projection(&node.name), ends, deadline, async |tally| {
                projection::read(&client, node, &mut inbox, tally).await
            }),
            read(recorder, nonce, reads::ledger(&node.name), ends, deadline, async |tally| {
                ledger::read(&client, node, customers, tally).await
            }),
            read(recorder, nonce, reads::parked(&node.name), ends, deadline, async |tally| {
                parked::read(&client, node, tally).await
            }),
        );
        inbox.write(recorder);
    });
    let mut record_ends = Ends::of(reads::RECORDS.to_owned());
    tokio::join!(
        futures_util::future::join_all(of_nodes),
        read(recorder, nonce, reads::STREAM.to_owned(), ends, deadline, async |tally| { stream::read(cluster, tally).await }),
        read(recorder, nonce, reads::RECORDS.to_owned(), ends, deadline, async |tally| {
            records::read(cluster, &mut record_ends, tally).await
        }),
        read(recorder, nonce, reads::OUTBOX.to_owned(), ends, deadline, async |tally| { outbox::read(cluster, tally).await }),
    );
    record_ends.write(recorder);
}

/// Runs one final read up to the deadline and writes how it ended.
async fn read(
    recorder: &Recorder,
    nonce: &str,
    what: String,
    ends: Instant,
    deadline: Duration,
    source: impl AsyncFnOnce(&mut Tally<'_>) -> Result<(), ReadError>,
) {
    let mut tally = Tally { recorder, nonce, entries: 0, foreign: 0 };
    let outcome = timeout_at(ends, source(&mut tally)).await.unwrap_or(Err(ReadError::Deadline(deadline)));
    let Tally { entries, foreign, .. } = tally;
    if foreign > 0 {
        let what = format!("foreign {what}");
        recorder.write(&Entry::FinalRead { t_us: recorder.now_us(), what, entries: foreign, error: None });
    }
    let error = outcome.err().map(|error| error.to_string());
    recorder.write(&Entry::FinalRead { t_us: recorder.now_us(), what, entries, error });
}

impl Tally<'_> {
    fn write(&mut self, entry: &Entry) {
        self.recorder.write(entry);
        self.entries += 1;
    }

    /// Whether this order belongs to the run; counts it where it does not.
    fn is_ours(&mut self, order_id: &str) -> bool {
        let ours = wire::is_of_run(self.nonce, order_id);
        self.foreign += u64::from(!ours);
        ours
    }
}

/// Entries that could not be read: the others are written all the same, and the read as a whole has failed.
#[derive(Debug, Default)]
struct Unreadable {
    count: u64,
    first: Option<String>,
}

impl Unreadable {
    fn note(&mut self, what: &impl ToString) {
        self.count += 1;
        self.first.get_or_insert_with(|| what.to_string());
    }

    fn into_result(self) -> Result<(), ReadError> {
        match self.first {
            Some(first) => Err(ReadError::Unreadable { count: self.count, first }),
            None => Ok(()),
        }
    }
}

/// How often a question that fails is asked, at most.
const ATTEMPTS: u32 = 10;

/// Asks a node until it answers 200 or one of `also`: reading changes nothing, so asking again is no second operation.
async fn ask_node(client: &reqwest::Client, url: &str, also: Option<u16>) -> Result<http::Reply, ReadError> {
    let mut attempt = 0;
    loop {
        attempt += 1;
        let error: ReadError = match http::get(client, url).await {
            Ok(reply) if reply.status == 200 || Some(reply.status) == also => return Ok(reply),
            Ok(reply) => ReadError::Status { url: url.to_owned(), status: reply.status },
            Err(error) => error.into(),
        };
        let passing = matches!(error, ReadError::Http(_) | ReadError::Status { status: 503, .. });
        if !passing || attempt >= ATTEMPTS {
            return Err(error);
        }
        sleep(AGAIN_AFTER).await;
    }
}
