//! The load generator of `benches/throughput`: one thread, raw HTTP/1.1 over kept connections, so that it costs a
//! fraction of what it measures, and nothing has to be installed. Prints one JSON object.
//!
//!     load orders --address 127.0.0.1:8081 --connections 64 --seconds 10 --prefix P [--rate 1000] [--hot]
//!     load propagation --address 127.0.0.1:8081 --feeds A,B,C --nats nats://127.0.0.1:4222 --rate 500 --seconds 10 --prefix P

use std::io::Write as _;

use anyhow::{Context as _, bail};
use benches::load::{self, Orders};
use benches::propagation::{self, Propagation};

fn main() -> anyhow::Result<()> {
    let mut words = std::env::args().skip(1);
    let command = words.next().unwrap_or_default();
    let mut options = Options(words.collect());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = match command.as_str() {
        "orders" => runtime.block_on(load::run(Orders {
            address: options.value("--address")?,
            connections: options.value("--connections")?.parse()?,
            seconds: options.value("--seconds")?.parse()?,
            rate: options.value("--rate").ok().map_or(Ok(0.0), |rate| rate.parse())?,
            hot: options.flag("--hot"),
            prefix: options.value("--prefix")?,
        }))?,
        "propagation" => runtime.block_on(propagation::run(Propagation {
            address: options.value("--address")?,
            feeds: options.value("--feeds")?.split(',').map(str::to_owned).collect(),
            nats: options.value("--nats")?,
            rate: options.value("--rate")?.parse()?,
            seconds: options.value("--seconds")?.parse()?,
            prefix: options.value("--prefix")?,
        }))?,
        other => bail!("{other:?} is neither orders nor propagation"),
    };
    options.end()?;
    writeln!(std::io::stdout(), "{report}").context("stdout")
}

/// Options that were typed and not asked for yet.
struct Options(Vec<String>);

impl Options {
    fn flag(&mut self, name: &str) -> bool {
        let place = self.0.iter().position(|word| word == name);
        place.map(|place| self.0.remove(place)).is_some()
    }

    fn value(&mut self, name: &str) -> anyhow::Result<String> {
        let place = self.0.iter().position(|word| word == name).with_context(|| format!("{name} is missing"))?;
        self.0.remove(place);
        if place < self.0.len() { Ok(self.0.remove(place)) } else { bail!("{name} has no value") }
    }

    fn end(self) -> anyhow::Result<()> {
        if self.0.is_empty() { Ok(()) } else { bail!("not understood: {}", self.0.join(" ")) }
    }
}
