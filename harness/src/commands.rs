//! One file per command.

mod chaos;
mod chaos_all;
mod check;
mod choice;
mod compare;
mod doctor;
mod down;
mod explain;
mod guardian;
mod heal;
mod images;
mod list;
mod load_max;
mod oracle;
mod plan;
mod report;
mod status;
mod up;

use crate::cli::{Cli, Command};
use crate::failure::{Exit, Failure, Sort};
use crate::output::Output;
use crate::workspace::Workspace;

/// Runs what was typed.
pub async fn execute(cli: Cli, out: &Output) -> Result<Exit, Failure> {
    let workspace = || Workspace::find(cli.runs).usage();
    match cli.command {
        Command::Chaos(args) if args.all => chaos_all::execute(workspace()?, &args, out).await,
        Command::Chaos(args) => chaos::chaos(workspace()?, args, out).await,
        Command::Load(args) => chaos::load(workspace()?, args, out).await,
        Command::List(args) => list::execute(&workspace()?, &args, out),
        Command::Plan(args) => plan::execute(&workspace()?, &args, out),
        Command::Up(args) => up::execute(&workspace()?, &args, out).await,
        Command::Down(args) => down::execute(&workspace()?, &args, out).await,
        Command::Status(args) => status::execute(&args, out).await,
        Command::Check(args) => check::execute(&args, out),
        Command::Compare(args) => compare::execute(&args, out),
        Command::Report(args) => report::execute(&args, out),
        Command::Explain(args) => explain::execute(&args, out),
        Command::Heal(args) => heal::execute(&workspace()?, &args, out).await,
        Command::Guardian(args) => guardian::execute(args, out).await,
        Command::Oracle(args) => oracle::execute(&workspace()?, &args, out).await,
        Command::Doctor => doctor::execute(out).await,
        Command::Images => images::execute(&workspace()?, out).await,
    }
}
