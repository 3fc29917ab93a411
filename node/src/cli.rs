//! The command line.

use clap::{Parser, Subcommand};

use crate::probe::ProbeArgs;
use crate::settings::Settings;

/// A Catga cluster node: orders in over HTTP, events out to every node, exactly once in effect.
///
/// Without a command it serves, until SIGTERM or SIGINT; then it drains and exits with 0.
#[derive(Debug, Parser)]
#[command(name = "node", version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub settings: Settings,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Asks a node for its health: exit 0 for a 2xx answer, else 1
    Probe(ProbeArgs),
}
