//! Recorded arrival times: a file of them, or the history of an earlier run.

use std::path::Path;

use anyhow::Context;
use judge::plan::Recorded;

use crate::folder::compress;
use crate::recorder::HISTORY;

/// Reads the times that `path` holds, from the start of the load. Of a run's folder they are those of its schedule, also of
/// the slots that were never begun.
///
/// # Errors
/// It cannot be read, or holds no times in order; says where.
pub fn read(path: &Path) -> anyhow::Result<Recorded> {
    let is_run = path.is_dir();
    let file = if is_run { path.join(HISTORY) } else { path.to_owned() };
    let what = || format!("cannot replay the arrivals of {}", file.display());
    let reader = compress::open(&file).with_context(what)?;
    if is_run {
        let times_us = judge::history::arrivals(reader).with_context(what)?;
        return Recorded::of(times_us).with_context(what);
    }
    Recorded::parse(reader).with_context(what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_and_run_folder_are_read_and_anything_else_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let times = folder.path().join("times.txt");
        std::fs::write(&times, "0.5\n0.75\n").expect("written");
        assert_eq!(read(&times).expect("times").last_us(), 750_000);

        let header = r#"{"type":"header","format":1,"harness":"t","nonce":"n","scenario":"s","seed":1,"started_at":"2026-01-01T00:00:00Z","nodes":[],"cluster":"compose"}"#;
        let phase = r#"{"type":"phase","t_us":1000,"phase":"load"}"#;
        let invoke = r#"{"type":"invoke","t_us":4000,"op":0,"process":0,"node":"a","intended_us":3000,"order_id":"n-0","customer_id":"n-c","amount_minor":1,"kind":"place"}"#;
        let unstarted = r#"{"type":"unstarted","t_us":9000,"intended_us":1000,"node":"a"}"#;
        std::fs::write(folder.path().join(HISTORY), [header, phase, invoke, unstarted].join("\n")).expect("written");
        let recorded = read(folder.path()).expect("a run");
        assert_eq!((recorded.count(), recorded.last_us()), (2, 2_000));

        let wrong = read(&folder.path().join("nowhere")).expect_err("there is none");
        assert!(format!("{wrong:#}").contains("nowhere"), "{wrong:#}");
        std::fs::write(&times, "soon\n").expect("written");
        let wrong = format!("{:#}", read(&times).expect_err("no time"));
        assert!(wrong.contains("times.txt: line 1: `soon` is no time"), "{wrong}");
    }
}
