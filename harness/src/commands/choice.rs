//! On which cluster a run is made, where the command line does not say.

use crate::cli::RunOptions;
use crate::cluster::Kind;
use crate::engine::Engine;
use crate::failure::{Exit, Failure, Sort};
use crate::output::Output;

/// CI systems set it.
const CI: &str = "CI";

/// What was asked for, else compose where an engine answers, else the embedded cluster, with a word about it. Under CI a
/// pipeline that lost its engine must not go green: without one there is no run.
///
/// # Errors
/// No engine answers, and the run may not be made without.
pub(super) async fn choose(options: &RunOptions, out: &Output) -> Result<Kind, Failure> {
    if let Some(kind) = options.cluster {
        return Ok(kind);
    }
    let needs_engine = options.use_running.is_some() || options.keep_up;
    let Err(error) = Engine::connect().await else { return Ok(Kind::Compose) };
    if needs_engine || is_ci(std::env::var(CI).ok().as_deref()) {
        return Err(error).environment();
    }
    out.note(banner(&error.to_string()));
    Ok(Kind::Embedded)
}

/// # Errors
/// An embedded cluster ends with its run.
pub(super) fn check(kind: Kind, options: &RunOptions) -> Result<(), Failure> {
    if kind == Kind::Embedded && (options.keep_up || options.use_running.is_some()) {
        let error = anyhow::anyhow!("an embedded cluster ends with its run: leave out --keep-up and --use-running");
        return Err(Failure { exit: Exit::Usage, error });
    }
    Ok(())
}

fn is_ci(value: Option<&str>) -> bool {
    value.is_some_and(|value| !matches!(value, "" | "0" | "false"))
}

fn banner(error: &str) -> String {
    let line = "=".repeat(crate::output::WIDTH - 1);
    format!(
        "{line}\nEMBEDDED CLUSTER: {error}\nThe nodes run in this process, on a store and a stream in memory. What this run shows holds for\n\
         the nodes' code alone: no Redis, no NATS, no disk and no network take part in it.\n{line}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ci_is_what_ci_systems_say() {
        let said = [
            (None, false),
            (Some(""), false),
            (Some("false"), false),
            (Some("0"), false),
            (Some("true"), true),
            (Some("1"), true),
        ];
        for (value, is) in said {
            assert_eq!(is_ci(value), is, "{value:?}");
        }
    }
}
