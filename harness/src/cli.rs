//! What was typed.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use judge::nearest::nearest;
use judge::scenario::ProfileName;

use crate::cluster::Kind;
use crate::nemesis::death::Death;
use crate::output::Voice;

/// Brings a Catga cluster up, loads it, breaks it, heals it, and judges from the recorded history whether anything
/// was lost, duplicated or made up.
#[derive(Debug, Parser)]
#[command(name = "harness", version, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,

    /// Where runs are kept [default: `runs` beside docker-compose.yml]
    #[arg(long, global = true, value_name = "DIR")]
    pub runs: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a scenario with its faults, and judge what happened
    Chaos(RunArgs),
    /// Run a scenario's load without its faults, and judge what happened
    Load(LoadArgs),
    /// List the scenarios by group: hypothesis, length, what they need
    List(ListArgs),
    /// Show what a scenario resolves to, without running it
    Plan(PlanArgs),
    /// Start a cluster for use by hand
    Up(ProjectArgs),
    /// Stop a cluster that the harness started, and remove it
    Down(DownArgs),
    /// Show the services of a cluster and their health
    Status(ProjectArgs),
    /// Judge a recorded run again, without any cluster
    Check(CheckArgs),
    /// Compare runs: which figures differ, and how sure that is. Exit code 1 if one got worse
    Compare(CompareArgs),
    /// Make one page over all runs, with trends
    Report(ReportArgs),
    /// Tell the life of one order of a recorded run, and what is wrong with it
    Explain(ExplainArgs),
    /// Heal what an interrupted run left broken
    Heal(HealArgs),
    /// Wait for the end of a run, and heal if it dies
    #[command(hide = true)]
    Guardian(GuardianArgs),
    /// Plant known bugs in an embedded cluster's nodes, and see each caught
    Oracle(OracleArgs),
    /// Check what this machine has and lacks
    Doctor,
    /// Make the images of node, NATS and Redis, where they are missing
    Images,
}

#[derive(Debug, Args)]
pub struct RunArgs {
    /// Name of a scenario, or path of a scenario file
    #[arg(default_value = "default")]
    pub scenario: String,
    #[command(flatten)]
    pub options: RunOptions,
    /// Run the same plan without its faults afterwards, and tell what the faults cost
    #[arg(long, conflicts_with = "all")]
    pub control: bool,
    /// Run every scenario, one after the other
    #[arg(long, conflicts_with_all = ["scenario", "plant"])]
    pub all: bool,
    /// With --all: only the scenarios of this group, a folder under scenarios/
    #[arg(long, value_name = "GROUP", requires = "all")]
    pub only: Option<String>,
    /// Run a node with this planted bug, to see it caught; `harness oracle --list` tells of them
    #[arg(long, value_name = "BUG", conflicts_with = "use_running")]
    pub plant: Option<String>,
}

#[derive(Debug, Args)]
pub struct LoadArgs {
    /// Name of a scenario, or path of a scenario file
    #[arg(default_value = "load/constant")]
    pub scenario: String,
    /// Find the highest rate that the cluster sustains: raise it until something breaks, then halve the distance
    #[arg(long, conflicts_with_all = ["profile", "arrivals", "use_running", "keep_up", "junit", "die_at"])]
    pub find_max: bool,
    /// With --find-max: requests may take so long from their intended start, at p99
    #[arg(long, value_parser = duration, default_value = "100ms", requires = "find_max")]
    pub max_p99: Duration,
    /// With --find-max: the share of operations that may fail
    #[arg(long, value_parser = share, default_value = "0.001", requires = "find_max")]
    pub max_errors: f64,
    /// With --find-max: try at most so many rates
    #[arg(long, default_value_t = 16, requires = "find_max", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub max_trials: u32,
    /// With --find-max: begin no trial after so long
    #[arg(long, value_parser = duration, default_value = "20m", requires = "find_max")]
    pub max_time: Duration,
    #[command(flatten)]
    pub options: RunOptions,
}

#[derive(Debug, Clone, Args)]
pub struct RunOptions {
    #[command(flatten)]
    pub seed: SeedArgs,
    #[command(flatten)]
    pub shape: ShapeArgs,
    /// Where the cluster runs [default: compose where an engine answers, else embedded, but not under CI]
    #[arg(long, value_enum, value_name = "KIND")]
    pub cluster: Option<Kind>,
    /// Write the report for CI systems here, too
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Serve live metrics to Prometheus at this address, e.g. 127.0.0.1:9464
    #[arg(long, value_name = "ADDRESS")]
    pub metrics: Option<SocketAddr>,
    #[command(flatten)]
    pub voice: VoiceArgs,
    /// Leave the cluster running afterwards
    #[arg(long)]
    pub keep_up: bool,
    /// Use the cluster that runs already in this compose project, instead of a fresh one. It is loaded and broken
    #[arg(long, value_name = "PROJECT", num_args = 0..=1, require_equals = true, default_missing_value = "catga")]
    pub use_running: Option<String>,
    /// With --use-running: heal first what an earlier run left broken there
    #[arg(long, requires = "use_running")]
    pub heal: bool,
    /// Let goose write its own report there, too: .html, .md or .json
    #[arg(long, value_name = "FILE")]
    pub goose_report: Option<String>,
    /// Options for goose that do not change the load, e.g. -- --request-log requests.csv --request-format csv
    #[arg(last = true, value_name = "GOOSE OPTIONS")]
    pub goose: Vec<String>,
    /// Kill the harness after this line of its journal, and so much later: 3, 3+40ms. For tests of healing
    #[arg(long, hide = true)]
    pub die_at: Option<Death>,
}

/// What is said of the load instead of what the scenario says.
#[derive(Debug, Clone, Args)]
pub struct ShapeArgs {
    /// Length of the load instead of the scenario's, e.g. 2m
    #[arg(long, value_parser = duration)]
    pub duration: Option<Duration>,
    /// Operations per second over all nodes instead of the scenario's; the rest of a profile keeps its proportion
    #[arg(long)]
    pub rate: Option<f64>,
    /// Course of the rate instead of the scenario's: constant, poisson, ramp, steps, spike or replay
    #[arg(long, value_parser = profile)]
    pub profile: Option<ProfileName>,
    /// Replay these arrivals: a file with one time a line, or the folder of an earlier run
    #[arg(long, value_name = "FILE|RUN_DIR")]
    pub arrivals: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, Args)]
pub struct VoiceArgs {
    /// Tell nothing but the result
    #[arg(long)]
    pub quiet: bool,
    /// One JSON object a second on stdout, the verdict last
    #[arg(long, conflicts_with = "quiet")]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct PlanArgs {
    /// Name of a scenario, or path of a scenario file
    pub scenario: String,
    #[command(flatten)]
    pub seed: SeedArgs,
    #[command(flatten)]
    pub shape: ShapeArgs,
    /// For a cluster that runs there
    #[arg(long, value_enum, value_name = "KIND", default_value_t = Kind::Compose)]
    pub cluster: Kind,
}

#[derive(Debug, Args)]
pub struct OracleArgs {
    /// Only tell which bugs there are, with the scenario and the checker for each
    #[arg(long)]
    pub list: bool,
    /// Only these bugs; `none` for the correct node alone
    #[arg(long, value_name = "BUG", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Also run the correct node with so many seeds, and report false alarms
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub seeds: u64,
    /// So many runs at once; one takes a third of a core, and mostly waits
    #[arg(long, default_value_t = 2, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=32))]
    pub jobs: u8,
}

#[derive(Debug, Args)]
pub struct ListArgs {
    /// As JSON, for programs
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Args)]
pub struct SeedArgs {
    /// Seed of every random choice; the same seed gives the same plan [default: a new one]
    #[arg(long)]
    pub seed: Option<u64>,
}

#[derive(Debug, Args)]
pub struct ProjectArgs {
    /// Compose project
    #[arg(long, default_value = "catga")]
    pub project: String,
}

#[derive(Debug, Args)]
pub struct DownArgs {
    #[command(flatten)]
    pub project: ProjectArgs,
    /// Remove the volumes, too
    #[arg(short, long)]
    pub volumes: bool,
}

#[derive(Debug, Args)]
pub struct HealArgs {
    /// Compose project [default: every one that a run left broken]
    #[arg(long)]
    pub project: Option<String>,
}

#[derive(Debug, Args)]
pub struct GuardianArgs {
    /// Folder of the journals
    #[arg(long)]
    pub state: PathBuf,
    /// Compose project
    #[arg(long)]
    pub project: String,
}

#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Folder of the run, e.g. runs/latest
    pub run_dir: PathBuf,
}

#[derive(Debug, Args)]
pub struct CompareArgs {
    /// Folders of runs: two, or those of the base with --against
    #[arg(required = true, value_name = "RUN_DIR")]
    pub runs: Vec<PathBuf>,
    /// Runs that are held against the base; as many on both sides are taken as pairs, in order
    #[arg(long, value_name = "RUN_DIR", num_args = 1..)]
    pub against: Vec<PathBuf>,
    /// Take the seconds under faults, too
    #[arg(long)]
    pub whole: bool,
    /// As JSON, for programs
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The folder of runs whose `index.html` is made
    #[arg(long, value_name = "DIR")]
    pub index: PathBuf,
}

#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// Folder of the run, e.g. runs/latest
    pub run_dir: PathBuf,
    /// Id of the order, as the report names it
    pub order_id: String,
}

impl Cli {
    /// How the command should tell what goes on.
    #[must_use]
    pub fn voice(&self) -> Voice {
        let voice = match &self.command {
            Command::Chaos(args) => &args.options.voice,
            Command::Load(args) => &args.options.voice,
            _ => return Voice::Plain,
        };
        match (voice.quiet, voice.json) {
            (true, _) => Voice::Quiet,
            (_, true) => Voice::Json,
            _ => Voice::Plain,
        }
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    judge::scenario::parse_duration(text).ok_or_else(|| "write it as in a scenario, e.g. 90s, 2m or 250ms".to_owned())
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse::<f64>().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "give a share between 0 and 1, e.g. 0.001".to_owned())
}

fn profile(text: &str) -> Result<ProfileName, String> {
    let known = ProfileName::ALL;
    known.into_iter().find(|name| name.word() == text).ok_or_else(|| {
        let words = known.map(ProfileName::word);
        let meant = nearest(text, words).map(|meant| format!("did you mean {meant}? ")).unwrap_or_default();
        format!("{meant}There are {}", words.join(", "))
    })
}

impl ShapeArgs {
    /// The load is as the scenario says.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self { duration, rate, profile, arrivals } = self;
        duration.is_none() && rate.is_none() && profile.is_none() && arrivals.is_none()
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn chaos_alone_runs_the_default_scenario() {
        let cli = Cli::try_parse_from(["harness", "chaos"]).expect("parses");
        assert!(matches!(cli.command, Command::Chaos(args) if args.scenario == "default" && args.plant.is_none()));
    }

    #[test]
    fn all_scenarios_or_one_are_run() {
        let all = Cli::try_parse_from(["harness", "chaos", "--all", "--only", "links", "--seed", "3"]).expect("parses");
        assert!(matches!(all.command, Command::Chaos(args) if args.all && args.only.as_deref() == Some("links")));
        for wrong in [&["chaos", "quick", "--all"][..], &["chaos", "--only", "links"]] {
            assert!(Cli::try_parse_from(std::iter::once(&"harness").chain(wrong)).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn what_stands_behind_two_dashes_is_for_goose() {
        let cli = Cli::try_parse_from(["harness", "chaos", "--", "--request-log", "x.csv"]).expect("parses");
        let Command::Chaos(args) = cli.command else { panic!("{:?}", cli.command) };
        assert_eq!((args.scenario.as_str(), args.options.goose.len()), ("default", 2));
        assert!(Cli::try_parse_from(["harness", "chaos", "--request-log", "x.csv"]).is_err());
    }

    #[test]
    fn highest_rate_is_looked_for_without_a_profile() {
        let cli = Cli::try_parse_from(["harness", "load", "--find-max", "--max-p99", "50ms"]).expect("parses");
        let Command::Load(args) = cli.command else { panic!("{:?}", cli.command) };
        assert_eq!((args.find_max, args.max_p99, args.max_trials), (true, Duration::from_millis(50), 16));
        assert_eq!(args.scenario, "load/constant");
        for wrong in [&["--find-max", "--profile", "ramp"][..], &["--max-p99", "1s"], &["--find-max", "--max-errors", "2"]] {
            assert!(Cli::try_parse_from(["harness", "load"].iter().chain(wrong)).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn profile_that_is_misspelt_is_answered_with_the_nearest() {
        assert_eq!(profile("spike"), Ok(ProfileName::Spike));
        let told = profile("spkie").expect_err("misspelt");
        assert_eq!(told, "did you mean spike? There are constant, poisson, ramp, steps, spike, replay");
    }

    #[test]
    fn durations_are_typed_with_their_unit() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        for wrong in ["ninety", "90", "-1s"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
