//! A cluster for one test.

use std::path::{Path, PathBuf};

use harness::cluster::{self, Cluster, ComposeTool, Ports, Start, UpOptions};
use harness::engine::Engine;
use harness::images::{self, Images};
use harness::nemesis::Site;
use harness::nemesis::fingerprint::Fingerprint;
use harness::nemesis::journal::{Journal, Scene};
use tokio::sync::OnceCell;

/// What a test works with.
#[derive(Debug, Clone)]
pub(super) struct Bench {
    pub(super) engine: Engine,
    pub(super) tool: ComposeTool,
    pub(super) images: Images,
    pub(super) project: String,
}

/// The checkout that the tests belong to.
pub(super) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().expect("the harness lies in the workspace").to_owned()
}

/// Images are made once for all tests of this binary: two builds at a time would only wait for each other.
async fn images(engine: &Engine) -> Images {
    static IMAGES: OnceCell<Images> = OnceCell::const_new();
    let made = IMAGES.get_or_init(|| async { images::ensure(engine, &root(), &quiet, false).await.expect("images") });
    made.await.clone()
}

/// A fresh start on free ports.
pub(super) fn options() -> UpOptions {
    UpOptions { root: root(), start: Start::Fresh, ports: Ports::free(), nodes: 3, plant: None, overlays: Vec::new() }
}

pub(super) fn quiet(_: &str) {}

impl Bench {
    pub(super) async fn new(name: &str) -> Self {
        let engine = Engine::connect().await.expect("an engine");
        let tool = ComposeTool::detect().await.expect("a compose tool");
        let images = images(&engine).await;
        Self { engine, tool, images, project: format!("catga-test-{name}-{}", std::process::id()) }
    }

    pub(super) async fn up(&self) -> Cluster {
        cluster::up(&self.engine, &self.tool, &self.images, &self.project, &options(), &quiet).await.expect("a cluster")
    }

    /// A journal as a run begins it, and the site that it is about.
    pub(super) async fn journal(&self, cluster: &Cluster, folder: &Path) -> (Site, Journal) {
        let site = Site { engine: self.engine.clone(), cluster: cluster.clone() };
        let fingerprint = Fingerprint::take_settled(&site).await.expect("a fingerprint");
        let (engine, run) = (self.engine.host().to_owned(), folder.to_owned());
        let scene = Scene { engine, cluster: cluster.clone(), run, fingerprint };
        let journal = Journal::create(folder, scene, None).expect("a journal");
        (site, journal)
    }

    /// Runs a test, and takes its project down whatever came of it.
    pub(super) async fn run<F>(self, test: impl FnOnce(Self) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let ended = tokio::spawn(test(self.clone())).await;
        let down = cluster::down(&self.engine, &self.tool, &root(), &self.project, true).await;
        if let Err(failed) = ended {
            std::panic::resume_unwind(failed.into_panic());
        }
        down.expect("taken down");
        assert_eq!(self.engine.containers(&self.project).await.expect("listed"), []);
        assert_eq!(self.engine.volumes(&self.project).await.expect("listed"), []);
    }
}
