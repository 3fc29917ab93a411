//! `list`: the scenarios by group, and what each is about.

use judge::plan::Need;
use judge::report::wrap;
use judge::scenario::{NODES, Scenario};
use serde::Serialize;

use crate::cli::ListArgs;
use crate::failure::{Exit, Failure, Sort};
use crate::output::{Output, WIDTH};
use crate::workspace::{Listed, Workspace};

pub(super) fn execute(workspace: &Workspace, args: &ListArgs, out: &Output) -> Result<Exit, Failure> {
    let mut lines = Vec::new();
    for listed in workspace.scenarios().usage()? {
        let scenario = workspace.scenario(&listed.file_from(workspace.root())).usage()?;
        lines.push(Line::of(listed, &scenario));
    }
    out.result(if args.json { serde_json::to_string_pretty(&lines).usage()? } else { page(&lines) });
    Ok(Exit::Success)
}

/// What the list tells of a scenario.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Line {
    group: String,
    name: String,
    hypothesis: String,
    duration_ms: u64,
    nodes: usize,
    /// Beyond the engine: `proxy`, `helper`, `netem`, `small disks`.
    needs: Vec<&'static str>,
}

impl Line {
    fn of(listed: Listed, scenario: &Scenario) -> Self {
        Self {
            group: listed.group,
            name: listed.name,
            hypothesis: scenario.hypothesis.clone(),
            duration_ms: u64::try_from(scenario.load.duration.as_millis()).unwrap_or(u64::MAX),
            nodes: scenario.nodes,
            needs: scenario.needs().into_iter().map(Need::word).collect(),
        }
    }

    fn needed(&self) -> Option<String> {
        let mut words: Vec<String> = self.needs.iter().map(|need| (*need).to_owned()).collect();
        if self.nodes != NODES {
            words.push(format!("{} nodes", self.nodes));
        }
        (!words.is_empty()).then(|| format!("needs {}", words.join(", ")))
    }
}

/// Two lines or more for each scenario, under its group.
fn page(lines: &[Line]) -> String {
    let widest = lines.iter().map(|line| line.name.chars().count()).max().unwrap_or(0).min(30);
    let mut page = Vec::new();
    let mut group = "";
    for line in lines {
        if line.group != group {
            group = &line.group;
            page.push(String::new());
            page.push(format!("{group}/"));
        }
        let seconds = line.duration_ms.div_ceil(1_000);
        page.push(format!("{:<widest$} {seconds:>4} s", line.name));
        let texts = std::iter::once(line.hypothesis.clone()).chain(line.needed());
        page.extend(texts.flat_map(|text| wrap(&text, WIDTH - 4)).map(|text| format!("    {text}")));
    }
    page.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(group: &str, name: &str, needs: &[&'static str], nodes: usize) -> Line {
        Line {
            group: group.to_owned(),
            name: name.to_owned(),
            hypothesis: "whatever single part stops, dies or freezes, no accepted order is lost or applied twice".to_owned(),
            duration_ms: 40_500,
            nodes,
            needs: needs.to_vec(),
        }
    }

    #[test]
    fn list_goes_by_group_and_fits_a_terminal() {
        let lines = [
            line("", "quick", &[], 3),
            line("links", "slow-redis", &["proxy"], 3),
            line("links", "everything-at-once-and-more-of-it", &["proxy", "helper", "netem", "small disks"], 16),
        ];
        let page = page(&lines);
        let shown: Vec<&str> = page.lines().collect();
        assert!(shown[0].starts_with("quick ") && shown[0].ends_with("  41 s"), "{page}");
        assert_eq!(shown[1], "    whatever single part stops, dies or freezes, no accepted order is lost or");
        assert_eq!(shown[3..5], ["", "links/"]);
        assert!(shown[5].starts_with("slow-redis ") && shown[8] == "    needs proxy", "{page}");
        assert!(page.contains("    needs proxy, helper, netem, small disks, 16 nodes"), "{page}");
        assert!(shown.iter().all(|line| line.chars().count() <= WIDTH), "{page}");
    }

    #[test]
    fn json_names_what_is_needed() {
        let json = serde_json::to_value([line("links", "slow-redis", &["proxy"], 5)]).expect("it has JSON");
        assert_eq!(json[0]["needs"][0], "proxy");
        assert_eq!((json[0]["nodes"].as_u64(), json[0]["duration_ms"].as_u64()), (Some(5), Some(40_500)));
    }
}
