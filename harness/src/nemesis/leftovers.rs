//! Heals what an earlier run left broken: what its journal leaves open, by the same heal and proof as in the run.

use std::io;
use std::path::Path;

use futures_util::future::join_all;

use super::{fault, journal};
use crate::engine::Engine;

#[derive(Debug, thiserror::Error)]
pub enum LeftoverError {
    #[error("cannot read or close the journal of project {project} under {state}: {error}", state = state.display())]
    Journal { project: String, state: std::path::PathBuf, error: io::Error },
    #[error("{} could not be healed: {}; look at it with `docker inspect`, then run `harness heal` again", services.join(", "), details.join("; "))]
    Unhealed { services: Vec<String>, details: Vec<String> },
}

/// Heals one project; says what was healed, nothing if there was no journal or nothing open in it.
///
/// # Errors
/// Something stays broken; the journal stays, too.
pub async fn heal(state: &Path, project: &str, engine: &Engine) -> Result<Vec<String>, LeftoverError> {
    let journal_error = |error| LeftoverError::Journal { project: project.to_owned(), state: state.to_owned(), error };
    let Some(open) = journal::open_faults(state, project).map_err(journal_error)? else {
        return Ok(Vec::new());
    };
    // All heal calls first: one service may need another before it is healthy.
    let mut called = Vec::new();
    for journal::Open { kind, target } in open {
        // A container that is gone cannot be broken any more.
        if let Err(error) = engine.inspect(&target.container).await
            && error.is_not_found()
        {
            continue;
        }
        let error = fault::heal(kind, engine, &target).await.err();
        called.push((kind, target, error));
    }
    let proofs = join_all(called.iter().map(|(kind, target, _)| fault::heal_until_proven(*kind, engine, target))).await;
    let (mut healed, mut services, mut details) = (Vec::new(), Vec::new(), Vec::new());
    for ((kind, target, error), proof) in called.into_iter().zip(proofs) {
        match proof {
            Ok(seen) => healed.push(format!("{} {}: {seen}", kind.word(), target.service)),
            Err(expired) => {
                details.push(error.map_or_else(|| expired.to_string(), |error| format!("{error}; {expired}")));
                services.push(target.service);
            }
        }
    }
    if !services.is_empty() {
        return Err(LeftoverError::Unhealed { services, details });
    }
    journal::remove(state, project).map_err(journal_error)?;
    Ok(healed)
}
