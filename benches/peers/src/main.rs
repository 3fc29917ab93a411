//! What `benches/peers/run` measures that no package brings: the harness's load engine without its cluster, a goose
//! attack that does nothing else, and a server that stalls.
//!
//!     peers ours  --what health|orders --url http://127.0.0.1:8081 --seconds 5 --users 64
//!     peers ours  --what orders        --url http://127.0.0.1:8081 --seconds 5 --rate 500
//!     peers goose --what health|orders --url http://127.0.0.1:8081 --seconds 5 --users 64 [--rate 500]
//!     peers stall --listen 127.0.0.1:7001 --after-ms 4000 --for-ms 2000
//!
//! The first two print one JSON object.

mod bare;
mod options;
mod ours;
mod stall;

use std::io::Write as _;

use anyhow::bail;
use options::Options;

fn main() -> anyhow::Result<()> {
    let mut words = std::env::args().skip(1);
    let command = words.next().unwrap_or_default();
    let options = Options::new(words.collect());
    let runtime = tokio::runtime::Runtime::new()?;
    let report = match command.as_str() {
        "ours" => runtime.block_on(ours::run(&options.load()?))?,
        "goose" => runtime.block_on(bare::run(&options.load()?))?,
        "stall" => return runtime.block_on(stall::serve(&options.value::<String>("--listen")?, options.stall()?)),
        other => bail!("{other:?} is none of ours, goose, stall"),
    };
    writeln!(std::io::stdout(), "{report}")?;
    Ok(())
}
