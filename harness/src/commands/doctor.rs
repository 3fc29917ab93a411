//! `doctor`: what this machine has and lacks.

use crate::doctor;
use crate::failure::{Exit, Failure};
use crate::output::Output;

pub(super) async fn execute(out: &Output) -> Result<Exit, Failure> {
    let findings = doctor::run().await;
    for finding in &findings {
        let mark = if finding.ok { "ok  " } else { "FAIL" };
        out.result(format!("{mark}  {}", finding.what));
        if !finding.ok {
            out.result(format!("      {}", finding.advice));
        }
    }
    Ok(if findings.iter().all(|finding| finding.ok) { Exit::Success } else { Exit::Environment })
}
