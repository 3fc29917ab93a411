//! The comparison as a plain table that fits 80 columns.

use super::{Change, Comparison, Outcome};

/// The table and what it means, in lines of at most 80 columns.
#[must_use]
pub fn table(comparison: &Comparison) -> String {
    let mut lines = vec![
        side("base", &comparison.base),
        side("against", &comparison.against),
        String::new(),
        format!("{:<24}{:>11}{:>11}{:>9}  {}", "figure", "base", "against", "change", "interval").trim_end().to_owned(),
    ];
    lines.extend(comparison.changes.iter().map(line));
    let seconds = if comparison.outside_faults { "seconds outside fault windows" } else { "all seconds" };
    lines.push(String::new());
    lines.push(format!("Percentiles over {seconds}; differences below 2 % are none."));
    for change in &comparison.changes {
        if let Some(companion) = change.beside {
            lines.push(format!("{}: change and interval are what {companion} does not explain.", change.figure));
        }
    }
    let worse = comparison.has_regression();
    let words = if worse {
        "WORSE: at least one figure has got worse."
    } else if comparison.is_same() {
        "no difference"
    } else {
        "better in at least one figure, worse in none"
    };
    lines.push(words.to_owned());
    lines.join("\n")
}

fn side(label: &str, names: &[String]) -> String {
    let first = names.first().map_or("", String::as_str);
    let more = if names.len() > 1 { format!(" and {} more", names.len() - 1) } else { String::new() };
    let room = 80 - 10 - more.chars().count();
    let first: String = if first.chars().count() > room {
        let skip = first.chars().count() - room + 1;
        std::iter::once('…').chain(first.chars().skip(skip)).collect()
    } else {
        first.to_owned()
    };
    format!("{label:<10}{first}{more}")
}

fn line(change: &Change) -> String {
    let value = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| shown(change, value));
    let interval = change.interval.map_or_else(String::new, |(low, high)| format!("{} to {}", percent(low), percent(high)));
    let word = match change.outcome {
        Outcome::Worse => " W",
        Outcome::Better => " B",
        Outcome::NoDifference | Outcome::NotJudged => "",
    };
    let mark = match change.outcome {
        Outcome::NotJudged => "not judged".to_owned(),
        _ => format!("{interval}{word}"),
    };
    let told = format!(
        "{:<24}{:>11}{:>11}{:>9}  {mark}",
        change.figure,
        value(change.base),
        value(change.against),
        change.change.map_or_else(|| "-".to_owned(), percent)
    );
    told.trim_end().to_owned()
}

/// From ten times on a percentage is hard to read.
fn percent(share: f64) -> String {
    if share >= 9.0 {
        return format!("x {:.0}", share + 1.0);
    }
    let digits = usize::from(share.abs() < 1.0);
    format!("{:+.digits$} %", share * 100.0)
}

fn shown(change: &Change, value: f64) -> String {
    let digits = if value.abs() >= 100.0 { 0 } else { 2 };
    let rounded = format!("{value:.digits$}").parse().unwrap_or(value);
    change.unit.show(rounded)
}

#[cfg(test)]
mod tests {
    use super::percent;

    #[test]
    fn what_is_many_times_as_much_is_a_factor() {
        let shown = [-0.5, 0.029, 1.0, 8.99, 9.0, 12_079.47].map(percent);
        assert_eq!(shown, ["-50.0 %", "+2.9 %", "+100 %", "+899 %", "x 10", "x 12080"]);
    }
}
