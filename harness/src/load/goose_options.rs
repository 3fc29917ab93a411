//! Options of goose that pass through to it: its reports and logs. What would make the load another one than the plan says
//! is refused.

use judge::nearest::nearest;

use super::LoadError;

/// What goose may be told: where and how it reports.
const PASSED: [&str; 24] = [
    "report-file",
    "output-dir",
    "compress",
    "notes",
    "report-graph-data",
    "baseline-file",
    "no-granular-report",
    "pdf-print-html",
    "no-transaction-metrics",
    "no-scenario-metrics",
    "no-status-codes",
    "request-log",
    "request-format",
    "request-body",
    "transaction-log",
    "transaction-format",
    "scenario-log",
    "scenario-format",
    "error-log",
    "error-format",
    "debug-log",
    "debug-format",
    "no-debug-body",
    "no-percentiles-over-time",
];

/// Options for goose, as they were typed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GooseOptions(Vec<String>);

impl GooseOptions {
    /// `report` is a file that goose writes its own report to; `words` stood behind `--`.
    ///
    /// # Errors
    /// An option that goose does not have, that lacks its value, or that would change what is sent, and when.
    pub fn read(report: Option<&str>, words: &[String]) -> Result<Self, LoadError> {
        for word in words.iter().filter(|word| word.starts_with('-')) {
            let name = word.trim_start_matches('-').split('=').next().unwrap_or_default();
            if !word.starts_with("--") || !PASSED.contains(&name) {
                let meant = nearest(name, PASSED).map(|meant| format!(" (did you mean --{meant}?)")).unwrap_or_default();
                return Err(LoadError::OptionRefused { option: word.clone(), meant, passed: PASSED.join(", --") });
            }
        }
        let report = report.into_iter().flat_map(|file| ["--report-file".to_owned(), file.to_owned()]);
        let options = Self(words.iter().cloned().chain(report).collect());
        super::attack::check(&options)?;
        Ok(options)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn words(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Result<GooseOptions, String> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        GooseOptions::read(Some("goose.html"), &words).map_err(|error| error.to_string())
    }

    #[test]
    fn reports_and_logs_pass_and_what_would_break_the_schedule_is_refused() {
        let options = read(&["--request-log", "requests.csv", "--request-format=csv"]).expect("they pass");
        let words: Vec<&str> = options.words().collect();
        assert_eq!(words, ["--request-log", "requests.csv", "--request-format=csv", "--report-file", "goose.html"]);
        for refused in ["--users=5", "-u", "--run-time", "--throttle-requests", "--co-mitigation", "--host", "--test-plan"] {
            let told = read(&[refused, "1"]).expect_err(refused);
            assert!(told.contains(&format!("{refused} is no option")), "{told}");
        }
        assert!(read(&["--request-logs", "x"]).expect_err("misspelt").contains("did you mean --request-log?"));
        assert!(read(&["--request-format", "poem"]).expect_err("no such format").contains("poem"));
    }
}
