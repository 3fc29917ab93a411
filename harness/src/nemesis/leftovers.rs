//! Heals what an earlier run left broken: what its journal leaves open, by the same heal and proof as in the run.

use std::io;
use std::path::Path;

use super::{fault, journal};
use crate::engine::Engine;

#[derive(Debug, thiserror::Error)]
pub enum LeftoverError {
    #[error("cannot read or close the journal of project {project} under {runs}: {error}", runs = runs.display())]
    Journal { project: String, runs: std::path::PathBuf, error: io::Error },
    #[error("{} could not be healed: {}; look at it with `docker inspect`, then run `harness heal` again", services.join(", "), details.join("; "))]
    Unhealed { services: Vec<String>, details: Vec<String> },
}

/// Heals one project; says what was healed, nothing if there was no journal or nothing open in it.
///
/// # Errors
/// Something stays broken; the journal stays, too.
pub async fn heal(runs: &Path, project: &str, engine: &Engine) -> Result<Vec<String>, LeftoverError> {
    let journal_error = |error| LeftoverError::Journal { project: project.to_owned(), runs: runs.to_owned(), error };
    let Some(open) = journal::open_faults(runs, project).map_err(journal_error)? else {
        return Ok(Vec::new());
    };
    let (mut healed, mut services, mut details) = (Vec::new(), Vec::new(), Vec::new());
    for journal::Open { kind, target } in open {
        // A container that is gone cannot be broken any more.
        if let Err(error) = engine.inspect(&target.container).await
            && error.is_not_found()
        {
            continue;
        }
        let called = fault::heal(kind, engine, &target).await;
        match fault::prove_running(engine, &target).await {
            Ok(seen) => healed.push(format!("{} {}: {seen}", kind.word(), target.service)),
            Err(expired) => {
                details.push(called.err().map_or_else(|| expired.to_string(), |error| format!("{error}; {expired}")));
                services.push(target.service);
            }
        }
    }
    if !services.is_empty() {
        return Err(LeftoverError::Unhealed { services, details });
    }
    journal::remove(runs, project).map_err(journal_error)?;
    Ok(healed)
}
