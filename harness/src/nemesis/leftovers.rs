//! Heals what a run left broken: what its journal leaves open, by the same heal and proof as in the run. Whoever calls
//! this holds [`healer_lock`].

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, sleep};

use super::fault::{Hit, Seen};
use super::faults;
use super::journal::{self, Open, Scene};
use super::site::Site;
use crate::engine::{Engine, EngineError};
use crate::poll::Expired;

/// A cluster whose faults are all healed needs a moment until every node says so.
const EQUAL_WITHIN: Duration = Duration::from_secs(15);
/// How often it is looked whether a late call of the dead harness broke something again.
const LOOK_EVERY: Duration = Duration::from_millis(200);

#[derive(Debug, thiserror::Error)]
pub enum LeftoverError {
    #[error("everything is healed, and helper containers are left: {0}; run `harness heal` again")]
    Helpers(Expired),
    #[error("cannot read or close the journal of project {project} under {state}: {error}", state = state.display())]
    Journal { project: String, state: PathBuf, error: io::Error },
    #[error(
        "the engine of the run that broke project {project} does not answer: {error}; if it is gone for good, remove {journal}",
        journal = journal.display()
    )]
    Engine { project: String, journal: PathBuf, error: EngineError },
    #[error("not healed: {}; do that by hand, then run `harness heal` again", .0.join("; "))]
    Unhealed(Vec<String>),
}

/// What healing came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Healed {
    /// One sentence for each fault that was open.
    pub faults: Vec<String>,
    /// In what the cluster differs from what it was before the run, now that nothing is left to heal.
    pub differences: Option<String>,
}

/// Held by whoever heals a project: a run's guardian all its life, a person's `harness heal`, the next start.
#[must_use]
pub fn healer_lock(state: &Path, project: &str) -> PathBuf {
    state.join(format!("{project}.healer.lock"))
}

/// What is broken, and what a person types against it.
#[must_use]
pub fn advice(open: &Open) -> String {
    let (word, service) = (open.kind.word(), &open.target.service);
    format!("{word} {service}: try `{}`", faults::of(open.kind).by_hand(&open.target))
}

/// Heals one project, goes on looking until no call of the dead harness can be on its way any more, compares with what
/// was before the run, and closes the journal. Says nothing where there was no journal.
///
/// # Errors
/// Something stays broken; the journal stays, too.
pub async fn heal(state: &Path, project: &str) -> Result<Option<Healed>, LeftoverError> {
    let journal_error = |error| LeftoverError::Journal { project: project.to_owned(), state: state.to_owned(), error };
    let Some(left) = journal::left(state, project).map_err(journal_error)? else {
        return Ok(None);
    };
    let healed = match left.scene {
        Some(scene) if !left.open.is_empty() => {
            let engine = Engine::connect_to(&scene.engine).await.map_err(|error| LeftoverError::Engine {
                project: project.to_owned(),
                journal: journal::path(state, project),
                error,
            })?;
            heal_open(engine, scene, left.open).await?
        }
        // Without a scene nothing was injected: it is on disk first.
        _ => Healed::default(),
    };
    journal::close(state, project).map_err(journal_error)?;
    Ok(Some(healed))
}

async fn heal_open(engine: Engine, scene: Scene, open: Vec<Open>) -> Result<Healed, LeftoverError> {
    let Scene { cluster, fingerprint, .. } = scene;
    let site = Site { engine, cluster };
    // From here on nobody makes new calls: what was on its way is over when its time has passed.
    let on_their_way = open.iter().filter_map(|open| open.on_its_way).max();
    let over = on_their_way.map(|longest| Instant::now() + longest);
    let (mut hits, mut faults) = (Vec::new(), Vec::new());
    for Open { kind, target, before, .. } in open {
        // A container that is gone cannot be broken any more.
        if site.inspect(&target).await.is_err_and(|error| error.is_not_found()) {
            faults.push(format!("{} {}: its container is gone", kind.word(), target.service));
            continue;
        }
        hits.push((kind.word(), Hit { fault: faults::of(kind), target, before }));
    }
    for (word, hit, seen) in prove_healed(&site, hits.iter().collect()).await? {
        faults.push(format!("{word} {}: {seen}", hit.target.service));
    }
    if let Some(over) = over {
        faults.extend(keep_healed(&site, &hits, over).await?);
    }
    site.no_helpers().await.map_err(LeftoverError::Helpers)?;
    let differences = if site.engine.containers(&site.cluster.project).await.is_ok_and(|left| left.is_empty()) {
        Some(String::from("all of its containers are gone"))
    } else {
        fingerprint.wait_until_equal(&site, EQUAL_WITHIN).await.err().map(|expired| expired.last_seen)
    };
    Ok(Healed { faults, differences })
}

/// Heals all side by side, since one service may need another before it is healthy; says what showed it.
async fn prove_healed<'a>(
    site: &Site,
    hits: Vec<&'a (&'static str, Hit)>,
) -> Result<Vec<(&'static str, &'a Hit, String)>, LeftoverError> {
    let healings = hits.into_iter().map(|(word, hit)| async move {
        let error = hit.heal(site).await.err();
        (*word, hit, error, hit.heal_until_proven(site).await)
    });
    let (mut healed, mut unhealed) = (Vec::new(), Vec::new());
    for (word, hit, error, proof) in join_all(healings).await {
        match proof {
            Ok(seen) => healed.push((word, hit, seen)),
            Err(expired) => {
                let why = error.map_or_else(|| expired.to_string(), |error| format!("{error}; {expired}"));
                unhealed.push(format!("{word} {}: {why}; try `{}`", hit.target.service, hit.fault.by_hand(&hit.target)));
            }
        }
    }
    if unhealed.is_empty() { Ok(healed) } else { Err(LeftoverError::Unhealed(unhealed)) }
}

/// Looks until `over`, and heals what comes back; says what did. What is not as it was in one look alone was measured on a
/// busy machine; what came back stays.
async fn keep_healed(site: &Site, hits: &[(&'static str, Hit)], over: Instant) -> Result<Vec<String>, LeftoverError> {
    let mut came_back = Vec::new();
    let mut doubted = vec![false; hits.len()];
    while Instant::now() < over || doubted.contains(&true) {
        let looks = join_all(hits.iter().map(|(_, hit)| hit.fault.healed(site, &hit.target, &hit.before))).await;
        let mut broken = Vec::new();
        for ((hit, look), doubted) in hits.iter().zip(looks).zip(&mut doubted) {
            let is_broken = matches!(look, Ok(Seen::NotYet(_)));
            if is_broken && *doubted {
                broken.push(hit);
            }
            *doubted = is_broken && !*doubted;
        }
        if !broken.is_empty() {
            for (word, hit, seen) in prove_healed(site, broken).await? {
                came_back.push(format!("{word} {}: it came back, and was healed again: {seen}", hit.target.service));
            }
        }
        sleep(LOOK_EVERY).await;
    }
    Ok(came_back)
}
