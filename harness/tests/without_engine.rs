//! What the harness does where no container engine answers: it runs on an embedded cluster and says so, but not where a
//! pipeline would take that for the real thing.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const SCENARIO: &str = r#"hypothesis = "nothing is lost where nothing happens"

[load]
profile = "constant"
rate = 60
duration = "1s"
warm_up = "100ms"
keys = "unique"
"#;

struct Desk {
    folder: PathBuf,
}

impl Desk {
    fn new(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join("quiet.toml"), SCENARIO).expect("a scenario");
        Self { folder }
    }

    fn chaos(&self, ci: &str, more: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_harness"));
        command.env("DOCKER_HOST", "unix:///nonexistent/docker.sock").env("CI", ci);
        command.arg("--runs").arg(self.folder.join("runs")).arg("chaos").arg(self.folder.join("quiet.toml"));
        command.args(["--seed", "1"]).args(more).output().expect("the harness runs")
    }

    fn has_run(&self) -> bool {
        self.folder.join("runs/latest/report.json").exists()
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn without_an_engine_a_run_is_embedded_and_every_word_about_it_says_so() {
    let desk = Desk::new("without-engine");
    let output = desk.chaos("", &[]);
    let (said, verdict) = (said(&output), String::from_utf8_lossy(&output.stdout));
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("EMBEDDED CLUSTER") && said.contains("/nonexistent/docker.sock"), "{said}");
    assert!(verdict.contains("embedded"), "the verdict itself: {verdict}");
    assert!(verdict.contains("--cluster embedded"), "and how to run it again: {verdict}");
    let run = desk.folder.join("runs/latest");
    for file in ["report.json", "report.html", "junit.xml", "summary.md"] {
        let text = std::fs::read_to_string(run.join(file)).expect(file);
        assert!(text.contains("embedded"), "{file} does not say where the run was made");
    }
}

#[test]
fn a_pipeline_that_lost_its_engine_does_not_go_green() {
    let desk = Desk::new("lost-engine");
    let output = desk.chaos("true", &[]);
    assert_eq!(output.status.code(), Some(4), "{}", said(&output));
    assert!(said(&output).contains("/nonexistent/docker.sock"), "{}", said(&output));
    assert!(!desk.has_run());
}

#[test]
fn who_asks_for_containers_gets_no_embedded_cluster() {
    let desk = Desk::new("asked-for-containers");
    let output = desk.chaos("", &["--cluster", "compose"]);
    assert_eq!(output.status.code(), Some(4), "{}", said(&output));
    assert!(!said(&output).contains("EMBEDDED"), "{}", said(&output));
    assert!(!desk.has_run());
}

#[test]
fn who_asks_for_the_embedded_cluster_gets_it_under_ci_too() {
    let desk = Desk::new("asked-for-embedded");
    let output = desk.chaos("true", &["--cluster", "embedded"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(desk.has_run());
}
