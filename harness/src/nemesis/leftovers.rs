//! Heals what an earlier run left broken: what its journal leaves open, by the same heal and proof as in the run.

use std::io;
use std::path::Path;

use futures_util::future::join_all;

use super::fault::Hit;
use super::faults;
use super::journal::{self, Open};
use super::site::Site;
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
    let Some(left) = journal::left(state, project).map_err(journal_error)? else {
        return Ok(Vec::new());
    };
    // Without a site nothing was injected: it is on disk first.
    let healed = match left.site {
        Some((_, cluster)) => heal_open(&Site { engine: engine.clone(), cluster }, left.open).await?,
        None => Vec::new(),
    };
    journal::remove(state, project).map_err(journal_error)?;
    Ok(healed)
}

async fn heal_open(site: &Site, open: Vec<Open>) -> Result<Vec<String>, LeftoverError> {
    // All heal calls first: one service may need another before it is healthy.
    let mut called = Vec::new();
    for Open { kind, target, before } in open {
        // A container that is gone cannot be broken any more.
        if let Err(error) = site.inspect(&target).await
            && error.is_not_found()
        {
            continue;
        }
        let fault = faults::of(kind)
            .map_err(|reason| LeftoverError::Unhealed { services: vec![target.service.clone()], details: vec![reason] })?;
        let hit = Hit { fault, target, before };
        let error = hit.heal(site).await.err();
        called.push((kind, hit, error));
    }
    let proofs = join_all(called.iter().map(|(_, hit, _)| hit.heal_until_proven(site))).await;
    let (mut healed, mut services, mut details) = (Vec::new(), Vec::new(), Vec::new());
    for ((kind, hit, error), proof) in called.into_iter().zip(proofs) {
        match proof {
            Ok(seen) => healed.push(format!("{} {}: {seen}", kind.word(), hit.target.service)),
            Err(expired) => {
                details.push(error.map_or_else(|| expired.to_string(), |error| format!("{error}; {expired}")));
                services.push(hit.target.service);
            }
        }
    }
    if services.is_empty() { Ok(healed) } else { Err(LeftoverError::Unhealed { services, details }) }
}
