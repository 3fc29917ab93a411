//! The table of the weather and its tests say the same.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Names in backquotes in the last column of the table.
fn named(page: &str) -> BTreeSet<String> {
    let rows = page.lines().filter(|line| line.starts_with('|') && !line.starts_with("| ---") && !line.starts_with("| weather"));
    let cells = rows.filter_map(|row| row.trim_end_matches(['|', ' ']).rsplit('|').next());
    cells.flat_map(|cell| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()).collect()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Functions under a test attribute.
fn tests(source: &str) -> Vec<String> {
    let mut attributed = false;
    let mut names = Vec::new();
    for line in source.lines().map(str::trim) {
        if line == "#[test]" || line.starts_with("#[tokio::test") {
            attributed = true;
        } else if !line.starts_with('#')
            && std::mem::take(&mut attributed)
            && let Some(name) = line.split("fn ").nth(1).and_then(|rest| rest.split('(').next())
        {
            names.push(name.to_owned());
        }
    }
    names
}

#[test]
fn every_row_of_the_table_has_its_test_and_every_test_its_row() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("../docs/weather.md")).expect("docs/weather.md");
    let named = named(&page);
    let (mut everywhere, mut weather) = (BTreeSet::new(), BTreeSet::new());
    let folder = root.join("tests/node");
    let mut files = Vec::new();
    sources(&folder, &mut files);
    for file in files {
        let tests = tests(&std::fs::read_to_string(&file).expect("a source"));
        if file.starts_with(folder.join("weather")) && !file.ends_with("table.rs") {
            weather.extend(tests.iter().cloned());
        }
        everywhere.extend(tests);
    }
    assert!(named.len() > 20 && weather.len() > 15, "{} named, {} found: one of them is misread", named.len(), weather.len());
    let ghosts: Vec<_> = named.difference(&everywhere).collect();
    assert!(ghosts.is_empty(), "in docs/weather.md, and no tests: {ghosts:?}");
    let untold: Vec<_> = weather.difference(&named).collect();
    assert!(untold.is_empty(), "tests of the weather without a row in docs/weather.md: {untold:?}");
}
