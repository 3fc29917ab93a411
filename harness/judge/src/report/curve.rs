//! `curve.html`: latency against rate, up to where something broke.

use super::page::{STYLE, Table, escaped};
use super::words::{ms, share};
use crate::limit::{Break, Curve, Trial};

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 240.0;

/// The page.
#[must_use]
pub fn curve(curve: &Curve) -> String {
    let mut table =
        Table::new(&["rate/s#", "served/s#", "p50, ms#", "p99#", "p99.9#", "propagation p99#", "not served#", "late#", "broke"]);
    curve.trials.iter().for_each(|trial| table.row(&row(trial)));
    let class = if curve.is_limit_of_the_cluster() { "valid" } else { "unknown" };
    let name = escaped(&curve.scenario);
    let limits = &curve.limits;
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{name}: the highest rate</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<header>\n<h1>{name}: the highest rate</h1>\n<p class=\"{class}\">{}</p>\n<p class=\"quiet\">On the {} cluster, seed {}. A rate breaks above {} ms at p99, or where more than {} of the operations are not served, the outbox grows, the generator is late, or anything is lost.</p>\n</header>\n<h2>Latency against rate</h2>\n{}<h2>Rates that were tried</h2>\n{}</body>\n</html>\n",
        escaped(&curve.verdict()),
        escaped(&curve.cluster),
        curve.seed,
        ms(Some(limits.request_p99_ms)),
        share(Some(limits.errors)),
        chart(curve),
        table.finish()
    )
}

fn row(trial: &Trial) -> Vec<String> {
    vec![
        format!("{:.1}", trial.rate),
        format!("{:.1}", trial.served_per_s),
        ms(trial.p50_ms),
        ms(trial.p99_ms),
        ms(trial.p999_ms),
        ms(trial.propagation_p99_ms),
        share(Some(trial.errors)),
        share(Some(trial.late)),
        escaped(&Break::told(&trial.broke)),
    ]
}

/// Both scales by powers: rates are doubled, and where something breaks a latency is a hundred times what it was.
struct Scales {
    rate: (f64, f64),
    ms: (f64, f64),
}

impl Scales {
    fn of(curve: &Curve) -> Option<Self> {
        let mut rates = curve.trials.iter().map(|trial| trial.rate);
        let all_ms = curve.trials.iter().flat_map(|trial| [trial.p50_ms, trial.p99_ms]).flatten().filter(|ms| *ms > 0.0);
        let bounds = |values: &mut dyn Iterator<Item = f64>| {
            values.fold(None, |held: Option<(f64, f64)>, value| {
                Some(held.map_or((value, value), |(least, most)| (least.min(value), most.max(value))))
            })
        };
        let ms = bounds(&mut all_ms.chain([curve.limits.request_p99_ms]))?;
        Some(Self { rate: bounds(&mut rates)?, ms })
    }

    fn at(&self, rate: f64, ms: f64) -> (f64, f64) {
        let part = |(least, most): (f64, f64), value: f64| {
            if most > least { (value / least).ln() / (most / least).ln() } else { 0.5 }
        };
        (WIDTH * part(self.rate, rate), HEIGHT * (1.0 - part(self.ms, ms)))
    }
}

fn chart(curve: &Curve) -> String {
    let Some(scales) = Scales::of(curve) else { return "<p class=\"quiet\">not measured</p>\n".to_owned() };
    let line = |name: &str, dash: &str, of: &dyn Fn(&Trial) -> Option<f64>| {
        let told = curve.trials.iter().filter_map(|trial| Some((trial, of(trial).filter(|ms| *ms > 0.0)?)));
        let points: Vec<(f64, f64)> = told.map(|(trial, ms)| scales.at(trial.rate, ms)).collect();
        let path: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let dots: Vec<String> = points.iter().map(|(x, y)| format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\"/>")).collect();
        let (x, y) = points.last().copied().unwrap_or_default();
        format!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"currentColor\" stroke-dasharray=\"{dash}\"/>{}<text x=\"{:.1}\" y=\"{:.1}\">{name}</text>",
            path.join(" "),
            dots.concat(),
            x + 8.0,
            y + 4.0
        )
    };
    let (_, limit_y) = scales.at(scales.rate.0, curve.limits.request_p99_ms);
    let ticks: Vec<String> = curve
        .trials
        .iter()
        .map(|trial| {
            let (x, _) = scales.at(trial.rate, scales.ms.0);
            let class = if trial.holds() { "valid" } else { "invalid" };
            format!("<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{HEIGHT}\" y2=\"{}\" class=\"{class}\" stroke=\"currentColor\" stroke-width=\"3\"/>", HEIGHT + 8.0)
        })
        .collect();
    let (least, most) = (scales.rate.0, scales.rate.1);
    let label = format!(
        "p50 and p99 of requests in ms, from {} to {} ms, at {least:.0} to {most:.0} operations per second; both scales logarithmic",
        ms(Some(scales.ms.0)),
        ms(Some(scales.ms.1))
    );
    format!(
        "<figure><svg viewBox=\"-8 -12 {} {}\" role=\"img\" aria-label=\"{label}\" width=\"100%\" fill=\"currentColor\" font-size=\"12\"><line x1=\"0\" x2=\"{WIDTH}\" y1=\"{limit_y:.1}\" y2=\"{limit_y:.1}\" stroke=\"currentColor\" stroke-dasharray=\"2 6\"/><text x=\"0\" y=\"{:.1}\">limit</text>{}{}{}<text x=\"0\" y=\"{}\">{least:.0}/s</text><text x=\"{WIDTH}\" y=\"{}\" text-anchor=\"end\">{most:.0}/s</text></svg><figcaption>{label}</figcaption></figure>\n",
        WIDTH + 60.0,
        HEIGHT + 44.0,
        limit_y - 4.0,
        line("p50", "4 4", &|trial| trial.p50_ms),
        line("p99", "none", &|trial| trial.p99_ms),
        ticks.concat(),
        HEIGHT + 24.0,
        HEIGHT + 24.0
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limit::curve_of;

    #[test]
    fn curve_has_every_rate_and_its_limit_and_needs_nothing_from_outside() {
        let mut told = curve_of(Some(200.0), Some(400.0), &[(100.0, &[]), (200.0, &[]), (400.0, &[Break::Latency])]);
        told.scenario = "a<b".to_owned();
        for (trial, p99) in told.trials.iter_mut().zip([4.0, 9.0, 400.0]) {
            trial.p99_ms = Some(p99);
        }
        let page = curve(&told);
        assert!(page.contains("sustains 200 operations per second") && page.contains("a&lt;b") && !page.contains("a<b"));
        assert_eq!((page.matches("<circle ").count(), page.matches("<tr>").count()), (6, 4), "{page}");
        assert_eq!(page.matches("class=\"invalid\"").count(), 1, "one rate broke");
        for outside in ["http://", "https://", "src=", "<link", "@import", "url("] {
            assert!(!page.contains(outside), "the page refers to {outside}");
        }
    }

    #[test]
    fn points_stand_within_the_chart_whatever_was_measured() {
        let one = curve_of(Some(50.0), None, &[(50.0, &[])]);
        let scales = Scales::of(&one).expect("one rate");
        assert_eq!(scales.at(50.0, scales.ms.1), (WIDTH / 2.0, 0.0));
        assert!(Scales::of(&curve_of(None, None, &[])).is_none() && curve(&curve_of(None, None, &[])).contains("not measured"));
    }
}
