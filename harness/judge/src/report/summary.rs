use super::Report;
pub fn summary(report: &Report, width: usize, color: bool) -> String {
    let _ = (width, color);
    format!("{}", report.verdict)
}
