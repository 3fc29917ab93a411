//! What this machine has and lacks for bringing a cluster up, with what to do about it. Changes nothing.

use std::path::Path;
use std::time::Duration;

use tokio::process::Command;

use crate::cluster::{self, ComposeTool};
use crate::engine::{Engine, EngineFacts};
use crate::{images, tool};

const ASK: Duration = Duration::from_secs(20);
/// Build folders of harness and nodes, images and a few runs.
const DISK_MIB: u64 = 8 * 1024;
/// The cluster's own limits, and the compiler's needs, on the smallest machine that we test on.
const MEMORY_BYTES: u64 = 4 << 30;
const CORES: u64 = 2;

/// One thing looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub ok: bool,
    /// What was found, in one line.
    pub what: String,
    /// What to do if it is not ok; empty if it is.
    pub advice: String,
}

impl Finding {
    fn ok(what: impl Into<String>) -> Self {
        Self { ok: true, what: what.into(), advice: String::new() }
    }

    fn bad(what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { ok: false, what: what.into(), advice: advice.into() }
    }
}

/// Looks at everything that bringing a cluster up needs, in the order in which it needs it.
pub async fn run() -> Vec<Finding> {
    let mut findings = Vec::new();
    let engine = match Engine::connect().await {
        Ok(engine) => {
            findings.extend(engine_facts(&engine).await);
            Some(engine)
        }
        Err(error) => {
            findings.push(failed("container engine", &error.to_string()));
            None
        }
    };
    findings.push(match ComposeTool::detect().await {
        Ok(tool) => Finding::ok(format!("compose tool: {} {}", tool.name(), tool.version())),
        Err(error) => failed("compose tool", &error.to_string()),
    });
    if let Some(engine) = &engine {
        findings.push(match images::source_of_services(engine).await {
            Ok(source) => Finding::ok(format!("NATS and Redis: {source}")),
            Err(error) => failed("NATS and Redis", &error),
        });
    }
    findings.extend(compiler().await);
    findings.extend(ports(engine.as_ref()).await);
    findings.push(disk(Path::new(".")).await);
    findings
}

async fn engine_facts(engine: &Engine) -> Vec<Finding> {
    match engine.facts().await {
        Ok(facts) => vec![
            Finding::ok(format!("container engine: {} (API {}) at {}", facts.version, facts.api, engine.host())),
            resources(&facts),
        ],
        Err(error) => vec![failed("container engine", &error.to_string())],
    }
}

fn resources(facts: &EngineFacts) -> Finding {
    let what =
        format!("engine's machine: {} cores, {:.1} GiB of memory", facts.cores, facts.memory_bytes as f64 / f64::from(1 << 30));
    if facts.cores >= CORES && facts.memory_bytes >= MEMORY_BYTES {
        Finding::ok(what)
    } else {
        Finding::bad(what, "a cluster and its load want 2 cores and 4 GiB at least: expect slow figures, or give the engine more")
    }
}

async fn compiler() -> Vec<Finding> {
    let version = tool::run(Command::new("rustc").arg("--version"), ASK).await;
    let rust = match version {
        Ok(version) => Finding::ok(format!("compiler: {}", version.trim())),
        Err(error) => Finding::bad(format!("compiler: {error}"), "install Rust with rustup or from your distribution"),
    };
    // A compiler driver prints the bare name of a library that it does not find.
    let library = tool::run(Command::new("cc").arg("-print-file-name=libc.a"), ASK).await;
    let library = match library.as_deref().map(str::trim) {
        Ok(path) if path.contains('/') => Finding::ok(format!("static C library: {path}")),
        Ok(_) => Finding::bad(
            "static C library: not found",
            "install it (`apt-get install libc6-dev`): the node's image holds a static binary",
        ),
        Err(error) => Finding::bad(format!("linker: {error}"), "install a C toolchain (`apt-get install build-essential`)"),
    };
    vec![rust, library]
}

/// A cluster of ours that runs is no fault of the machine.
async fn ports(engine: Option<&Engine>) -> Vec<Finding> {
    let taken = cluster::taken_ports(engine).await;
    if taken.is_empty() {
        let usual: Vec<String> = cluster::Ports::published().iter().map(|published| published.usual.to_string()).collect();
        return vec![Finding::ok(format!("ports: {} are free", usual.join(", ")))];
    }
    let told = taken.into_iter().map(|port| {
        let what = format!("port {}: taken by {}", port.port, port.by);
        match port.project.as_deref() {
            Some("catga" | "catga-chaos") => Finding::ok(what),
            _ => Finding::bad(what, format!("stop that, or choose another port in {}", port.variable)),
        }
    });
    told.collect()
}

async fn disk(path: &Path) -> Finding {
    match free_bytes(path, ASK).await.map(|bytes| bytes >> 20) {
        Some(free) if free >= DISK_MIB => Finding::ok(format!("disk: {:.0} GiB free here", free as f64 / 1024.0)),
        Some(free) => Finding::bad(
            format!("disk: {:.1} GiB free here", free as f64 / 1024.0),
            "make room: builds, images and runs take about 8 GiB (`docker image prune`, `cargo clean`)",
        ),
        None => Finding::ok("disk: df does not tell what is free here"),
    }
}

/// What is free where `path` lies; `None` where `df` does not tell within the limit.
pub(crate) async fn free_bytes(path: &Path, limit: Duration) -> Option<u64> {
    let answer = tool::run(Command::new("df").args(["-P", "-k"]).arg(path), limit).await;
    free_kib(&answer.ok()?)?.checked_mul(1 << 10)
}

/// The fourth column of the second line, by POSIX.
fn free_kib(df: &str) -> Option<u64> {
    df.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()
}

/// Our error texts end in what to do, after a semicolon.
fn failed(what: &str, error: &str) -> Finding {
    match error.split_once("; ") {
        Some((told, advice)) => Finding::bad(format!("{what}: {told}"), advice),
        None => Finding::bad(format!("{what}: {error}"), "see above"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_space_is_read_from_what_posix_prints() {
        let df = "Filesystem     1024-blocks     Used Available Capacity Mounted on\n/dev/vda         263174212 13000000  82000000      14% /\n";
        assert_eq!(free_kib(df), Some(82_000_000));
        assert_eq!(free_kib(""), None);
    }

    #[test]
    fn an_error_is_parted_into_what_was_found_and_what_to_do() {
        let finding = failed("compose tool", "no compose tool: neither runs here; install one");
        assert_eq!(
            (finding.what.as_str(), finding.advice.as_str()),
            ("compose tool: no compose tool: neither runs here", "install one")
        );
        assert!(!finding.ok);
    }

    #[test]
    fn a_small_machine_is_told_what_it_lacks() {
        let facts = |cores, memory_bytes| EngineFacts {
            version: String::new(),
            api: String::new(),
            arch: String::new(),
            cores,
            memory_bytes,
            root_dir: std::path::PathBuf::new(),
        };
        assert!(resources(&facts(2, 24 << 30)).ok);
        assert!(!resources(&facts(1, 24 << 30)).ok);
        assert!(!resources(&facts(8, 1 << 30)).ok);
    }
}
