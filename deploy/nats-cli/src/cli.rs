//! What can be typed. The words are those that operators of NATS know.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

const ABOUT: &str = "Looks at the streams, consumers and account of a NATS server";
const LONG_ABOUT: &str = "\
Looks at the streams, consumers and account of a NATS server.

This is a small program of the Catga cluster. It is not the `nats` of the NATS
authors: it knows the commands below under the same names, it only reads, and
it changes nothing. Whoever needs more installs theirs beside it.";
const AFTER: &str = "\
Exit codes: 0 answered, 1 not answered (no server, no such stream), 2 usage.

Examples:
  nats stream ls
  nats stream info CATGA_CLUSTER
  nats consumer ls CATGA_CLUSTER
  nats account info --json";

#[derive(Debug, Parser)]
#[command(name = "nats", version, about = ABOUT, long_about = LONG_ABOUT, after_help = AFTER)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) server: Server,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Where the server is, and who asks.
#[derive(Debug, Args)]
#[command(next_help_heading = "Server")]
pub(crate) struct Server {
    /// Server, or several with commas between them
    ///
    /// Without it the context's, else the one on port 4222 of this machine.
    #[arg(short = 's', long = "server", env = "NATS_URL", global = true, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// Name of a saved context: NAME.json in ~/.config/nats/context
    #[arg(long, env = "NATS_CONTEXT", global = true, value_name = "NAME", value_parser = name)]
    pub(crate) context: Option<String>,
    /// User, or a token where there is no password
    #[arg(long, env = "NATS_USER", global = true, value_name = "USER")]
    pub(crate) user: Option<String>,
    /// Password
    #[arg(long, env = "NATS_PASSWORD", global = true, hide_env_values = true, value_name = "PASSWORD")]
    pub(crate) password: Option<String>,
    /// File of credentials
    #[arg(long, env = "NATS_CREDS", global = true, value_name = "FILE")]
    pub(crate) creds: Option<PathBuf>,
    /// File of certificates that the server's is checked against
    #[arg(long, env = "NATS_CA", global = true, value_name = "FILE")]
    pub(crate) tlsca: Option<PathBuf>,
    /// Seconds to wait for the server
    #[arg(long, env = "NATS_TIMEOUT", global = true, default_value = "5", value_name = "SECONDS", value_parser = seconds)]
    pub(crate) timeout: u16,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The account and what it uses
    #[command(subcommand, visible_alias = "a")]
    Account(Account),
    /// Streams
    #[command(subcommand, visible_aliases = ["str", "s"])]
    Stream(Stream),
    /// Consumers of a stream
    #[command(subcommand, visible_aliases = ["con", "c"])]
    Consumer(Consumer),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Account {
    /// This connection, and what its account has used of what it may
    Info {
        /// The server's own answer
        #[arg(short, long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Stream {
    /// All streams, one a line
    #[command(visible_aliases = ["list", "report"])]
    Ls {
        /// Names alone
        #[arg(short, long, conflicts_with = "json")]
        names: bool,
        /// The server's own answer
        #[arg(short, long)]
        json: bool,
    },
    /// How one stream is set up, and what it holds
    Info {
        #[arg(value_parser = name)]
        stream: String,
        /// The server's own answer
        #[arg(short, long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Consumer {
    /// All consumers of a stream, one a line
    #[command(visible_aliases = ["list", "report"])]
    Ls {
        #[arg(value_parser = name)]
        stream: String,
        /// Names alone
        #[arg(short, long, conflicts_with = "json")]
        names: bool,
        /// The server's own answer
        #[arg(short, long)]
        json: bool,
    },
    /// How one consumer is set up, and how far it has come
    Info {
        #[arg(value_parser = name)]
        stream: String,
        #[arg(value_parser = name)]
        consumer: String,
        /// The server's own answer
        #[arg(short, long)]
        json: bool,
    },
}

/// It becomes one part of a subject, or the name of a file.
fn name(text: &str) -> Result<String, String> {
    let refused = |letter: char| letter.is_whitespace() || letter.is_control() || ".*>/\\".contains(letter);
    if text.is_empty() || text.contains(refused) {
        return Err(String::from("a name has no space and none of . * > / \\"));
    }
    Ok(text.to_owned())
}

/// As others write it: `5` or `5s`.
fn seconds(text: &str) -> Result<u16, String> {
    match text.strip_suffix('s').unwrap_or(text).parse() {
        Ok(seconds @ 1..=3600) => Ok(seconds),
        _ => Err(String::from("1 to 3600 seconds")),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn what_can_be_typed_is_consistent_and_its_help_fits_80_columns() {
        let mut command = Cli::command();
        command.clone().debug_assert();
        let help = command.render_long_help().to_string();
        let long: Vec<&str> = help.lines().filter(|line| line.chars().count() > 80).collect();
        assert_eq!(long, Vec::<&str>::new());
    }

    #[test]
    fn lists_have_three_names() {
        for word in ["ls", "list", "report"] {
            assert!(Cli::try_parse_from(["nats", "stream", word]).is_ok(), "{word}");
            assert!(Cli::try_parse_from(["nats", "consumer", word, "S"]).is_ok(), "{word}");
        }
    }

    #[test]
    fn options_of_the_server_stand_before_or_after_the_command() {
        for words in [["nats", "-s", "nats://h:1", "stream", "ls"], ["nats", "stream", "ls", "-s", "nats://h:1"]] {
            let cli = Cli::try_parse_from(words).expect("parsed");
            assert_eq!(cli.server.url.as_deref(), Some("nats://h:1"));
        }
    }

    #[test]
    fn a_name_cannot_reach_another_subject_or_folder() {
        for bad in ["", "a.b", "*", ">", "a b", "../x"] {
            assert!(name(bad).is_err(), "{bad}");
        }
        assert_eq!(name("catga_cluster-node-1_1").as_deref(), Ok("catga_cluster-node-1_1"));
    }
}
