//! The exposition as a whole: its format, its names, its page.

use std::time::Duration;

use super::*;

fn used() -> Metrics {
    let metrics = Metrics::default();
    for micros in [0, 90, 3000, 60_000_000] {
        let time = Duration::from_micros(micros);
        metrics.http_requests.of((Route::Orders, (Method::Post, Status(201)))).observe(time);
        metrics.http_requests.of((Route::Other, (Method::Other, Status(404)))).observe(time);
        metrics.sends.of((RequestName::PlaceOrder, Ended::Ok)).observe(time);
        metrics.apply_lag.observe(time);
        metrics.publish_duration.observe(time);
        metrics.outbox_oldest_age.set(time);
    }
    metrics.orders.of(Decision::New).add(3);
    metrics.dependency_up.of(Dependency::Redis).set(1);
    metrics
}

#[test]
fn a_strict_reader_takes_all_of_it() {
    let text = used().render("n-1");
    let metrics = strict::read(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let value = |name: &str, labels: &[(&str, &str)]| {
        let labels: Vec<_> = labels.iter().map(|(label, value)| ((*label).to_owned(), (*value).to_owned())).collect();
        let samples = metrics.values().flat_map(|metric| &metric.samples);
        samples.into_iter().find(|(found, of, _)| found == name && *of == labels).map(|(_, _, value)| *value)
    };
    assert_eq!(value("catga_orders_total", &[("outcome", "new")]), Some(3.0));
    assert_eq!(value("catga_orders_total", &[("outcome", "conflict")]), Some(0.0), "known series begin at 0");
    let created = [("route", "/api/orders"), ("method", "POST"), ("status", "201")];
    assert_eq!(value("catga_http_request_duration_seconds_count", &created), Some(4.0));
    assert_eq!(value("catga_http_request_duration_seconds_sum", &created), Some(60.00309));
    assert_eq!(value("catga_outbox_oldest_age_seconds", &[]), Some(60.0));
    assert_eq!(value("catga_dependency_up", &[("dependency", "redis")]), Some(1.0));
    assert_eq!(value("catga_build_info", &[("version", env!("CARGO_PKG_VERSION")), ("node", "n-1")]), Some(1.0));
}

#[test]
fn the_strict_reader_refuses_what_a_scraper_would() {
    let cases = [
        "a_total 1\n",
        "# HELP a_total x\n# TYPE a_total counter\na_total 1",
        "# HELP a x\n# TYPE a counter\na 1\n",
        "# HELP a_total x\n# TYPE a_total gauge\na_total 1\n",
        "# HELP a_total x\na_total 1\n",
        "# HELP a_total x\n# TYPE a_total counter\nb_total 1\n",
        "# HELP a_total x\n# TYPE a_total counter\na_total -1\n",
        "# HELP a_total x\n# TYPE a_total counter\na_total 1\na_total 2\n",
        "# HELP a_total x\n# TYPE a_total counter\na_total{b=c} 1\n",
        "# HELP a_total x\n# TYPE a_total counter\na_total{b=\"c\",} 1\n",
        "# HELP a_total x\n# TYPE a_total counter\n# HELP a_total x\n# TYPE a_total counter\n",
        "# HELP a x\n# TYPE a gauge\na inf\n",
        "# HELP a x\n# TYPE a histogram\na_bucket{le=\"1\"} 1\na_sum 1\na_count 1\n",
        "# HELP a x\n# TYPE a histogram\na_bucket{le=\"1\"} 2\na_bucket{le=\"+Inf\"} 1\na_sum 1\na_count 1\n",
        "# HELP a x\n# TYPE a histogram\na_bucket{le=\"+Inf\"} 1\na_count 1\n",
    ];
    for text in cases {
        assert!(strict::read(text).is_err(), "{text}");
    }
}

#[test]
fn names_carry_their_unit_and_their_owner() {
    for (name, metric) in strict::read(&Metrics::default().render("n")).expect("strict") {
        assert!(name.starts_with("catga_") || name.starts_with("process_"), "{name}");
        assert!(!["_ms", "_micros", "_milliseconds", "_kb"].iter().any(|unit| name.contains(unit)), "{name}: base units only");
        assert!(metric.kind != "histogram" || name.ends_with("_seconds"), "{name}");
        assert!(!metric.help.ends_with('.') && !metric.help.contains('\\'), "{name}: {}", metric.help);
    }
}

/// `| name | type | labels | meaning |` rows of the page, as name, type, labels and meaning.
fn rows(page: &str) -> Vec<[&str; 4]> {
    page.lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            <[&str; 4]>::try_from(cells).unwrap_or_else(|cells| panic!("{cells:?} are not four cells"))
        })
        .collect()
}

#[test]
fn the_page_has_every_metric_and_no_other() {
    let text = used().render("n");
    let metrics = strict::read(&text).expect("strict");
    let page = rows(include_str!("../../../docs/metrics.md"));
    for [name, kind, labels, meaning] in &page {
        let name = name.trim_matches('`');
        let metric = metrics.get(name).unwrap_or_else(|| panic!("docs/metrics.md has {name}, the node has not"));
        assert_eq!((*kind, *meaning), (metric.kind.as_str(), metric.help.as_str()), "{name} in docs/metrics.md");
        let found = metric.samples.first().map(|(_, found, _)| found.iter().map(|(label, _)| label.as_str()));
        let found: Vec<_> = found.into_iter().flatten().filter(|label| *label != "le").collect();
        let written: Vec<_> = labels.split(", ").filter(|label| *label != "-").map(|label| label.trim_matches('`')).collect();
        assert_eq!(written, found, "labels of {name} in docs/metrics.md");
    }
    let missing: Vec<_> = metrics.keys().filter(|name| !page.iter().any(|[row, ..]| row.trim_matches('`') == *name)).collect();
    assert_eq!((page.len(), missing), (metrics.len(), vec![]), "docs/metrics.md lacks these, or has one twice");
}
