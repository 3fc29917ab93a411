//! The parts of `benches/links/run` that must be quick: a service that sends back what it gets, a plain copy between two
//! sockets to compare the fault proxy with, and a client that times echoes.
//!
//!     links echo --listen 127.0.0.1:7001
//!     links copy --listen 127.0.0.1:7002 --to 127.0.0.1:7001
//!     links client --to 127.0.0.1:7002 --connections 64 --seconds 3 [--bytes 100]
//!
//! The client prints one JSON object.

use std::io::Write as _;

use anyhow::bail;
use benches::echo;

fn main() -> anyhow::Result<()> {
    let mut words = std::env::args().skip(1);
    let command = words.next().unwrap_or_default();
    let words: Vec<String> = words.collect();
    let value = |name: &str| {
        let found = words.iter().position(|word| word == name).and_then(|at| words.get(at + 1));
        found.cloned().ok_or_else(|| anyhow::anyhow!("{name} needs a value"))
    };
    let one_thread = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match command.as_str() {
        "echo" => one_thread.block_on(echo::serve(&value("--listen")?)),
        // The same runtime as the proxy's.
        "copy" => tokio::runtime::Runtime::new()?.block_on(echo::copy(&value("--listen")?, &value("--to")?)),
        "client" => {
            let bytes = value("--bytes").map_or(Ok(100), |bytes| bytes.parse())?;
            let (connections, seconds) = (value("--connections")?.parse()?, value("--seconds")?.parse()?);
            let report = one_thread.block_on(echo::measure(&value("--to")?, connections, seconds, bytes))?;
            Ok(writeln!(std::io::stdout(), "{report}")?)
        }
        other => bail!("{other:?} is none of echo, copy, client"),
    }
}
