//! `list`: the scenarios, one line each, and what each is about.

use crate::failure::{Exit, Failure, Sort};
use crate::output::Output;
use crate::workspace::Workspace;

pub(super) fn execute(workspace: &Workspace, out: &Output) -> Result<Exit, Failure> {
    for name in workspace.scenarios().usage()? {
        let scenario = workspace.scenario(&name).usage()?;
        let faults = match scenario.faults.len() {
            0 => "no faults".to_owned(),
            1 => "1 fault".to_owned(),
            many => format!("{many} faults"),
        };
        let seconds = scenario.load.duration.as_secs();
        out.result(format!("{name:<18} {seconds:>4} s  {faults:<9}  {}", scenario.hypothesis));
    }
    Ok(Exit::Success)
}
