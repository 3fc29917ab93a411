//! The documented schema holds for every line that is written, and has no line that is not.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{
    ConsumerState, ContainerLife, Entry, FORMAT, FaultStep, FeedState, Keys, Phase, Quiescence, Row, RowState, Sample,
    ServiceLog, Step,
};
use crate::testing::{LOAD_START_US, NODES, Story, wall};

fn schema() -> Value {
    serde_json::from_str(include_str!("../../../../docs/history.schema.json")).expect("the schema is JSON")
}

/// What does not fit, at which path; so much of JSON Schema as the document uses. Fields that it does not list do not fit.
fn misfit(schema: &Value, rule: &Value, value: &Value, path: &str) -> Option<String> {
    if let Some(target) = rule.get("$ref").and_then(Value::as_str) {
        let rule = schema.pointer(target.trim_start_matches('#')).unwrap_or_else(|| panic!("{target} is nowhere"));
        return misfit(schema, rule, value, path);
    }
    for any in ["oneOf", "anyOf"] {
        if let Some(rules) = rule.get(any).and_then(Value::as_array) {
            let fits = rules.iter().filter(|rule| misfit(schema, rule, value, path).is_none()).count();
            return (fits != 1).then(|| format!("{path}: {fits} of {any} fit {value}"));
        }
    }
    if let Some(wanted) = rule.get("const") {
        return (wanted != value).then(|| format!("{path}: {value} is not {wanted}"));
    }
    if let Some(known) = rule.get("enum").and_then(Value::as_array) {
        return (!known.contains(value)).then(|| format!("{path}: {value} is none of {known:?}"));
    }
    let types =
        rule.get("type").map(|types| types.as_array().cloned().unwrap_or_else(|| vec![types.clone()])).unwrap_or_default();
    let is = |name: &Value| match name.as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.is_u64(),
        Some("number") => value.is_number(),
        Some("null") => value.is_null(),
        other => panic!("{path}: type {other:?} is not known here"),
    };
    if !types.iter().any(is) {
        return Some(format!("{path}: {value} is no {types:?}"));
    }
    inside(schema, rule, value, path)
}

fn inside(schema: &Value, rule: &Value, value: &Value, path: &str) -> Option<String> {
    if let Some(items) = value.as_array() {
        return items.iter().find_map(|item| misfit(schema, &rule["items"], item, &format!("{path}[]")));
    }
    let fields = value.as_object()?;
    let required = rule.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    if let Some(missing) = required.iter().find(|name| !fields.contains_key(name.as_str().unwrap_or_default())) {
        return Some(format!("{path}: {missing} is missing"));
    }
    fields.iter().find_map(|(name, value)| {
        let path = format!("{path}.{name}");
        match rule.get("properties").and_then(|known| known.get(name)).or_else(|| rule.get("additionalProperties")) {
            Some(rule) => misfit(schema, rule, value, &path),
            None => Some(format!("{path} is not in the schema")),
        }
    })
}

/// One of each that a good run does not have.
fn rare() -> Vec<Entry> {
    let node = || NODES[0].to_owned();
    let row = |state| Entry::Row(Row { message_id: "m".to_owned(), state, order_id: None, attempts: Some(1), last_error: None });
    let steps = [
        Step::Inject,
        Step::Injected,
        Step::EffectVerified,
        Step::Ineffective,
        Step::Heal,
        Step::Healed,
        Step::HealVerified,
        Step::Unhealed,
    ];
    let faults = steps.map(|step| Entry::Fault(FaultStep { t_us: 1, fault: 0, target: node(), step, detail: String::new() }));
    let mut rare = vec![
        Entry::Unstarted { t_us: 1, intended_us: 1, node: node() },
        Entry::Feed { t_us: 1, node: node(), state: FeedState::Reset { to: 7 }, detail: String::new() },
        Entry::Confirm { t_us: 1, node: node(), order_id: "run-1".to_owned(), status: 200, applied: Some(1) },
        Entry::Counters { t_us: 1, node: node(), values: [("catga_apply_total".to_owned(), 1.0)].into() },
        Entry::Quiescence(Quiescence { t_us: 1, reached: true, healthy: true, waited_ms: 1, last_seen: String::new() }),
        Entry::Parked { node: node(), count: 0 },
        Entry::Log(ServiceLog {
            errors: [("x".to_owned(), 1)].into(),
            first_panics: vec!["p".to_owned()],
            ..ServiceLog::default()
        }),
        Entry::Container(ContainerLife {
            t_us: 1,
            service: node(),
            started_before: wall(1),
            started_after: wall(2),
            restarts: 0,
            oom_killed: false,
        }),
        Entry::Keys(Keys { family: "records".to_owned(), first_unending: vec!["run-1".to_owned()], ..Keys::default() }),
        Entry::Interrupted { t_us: 1 },
        Entry::Aborted { t_us: 1, guard: "all_nodes_down".to_owned(), seen: String::new() },
        Entry::Trouble { t_us: 1, what: String::new() },
        Entry::Phase { t_us: 1, phase: Phase::Heal },
    ];
    rare.extend([RowState::Pending, RowState::Unindexed, RowState::IndexOnly, RowState::Dead].map(row));
    rare.extend(faults);
    rare
}

fn samples() -> Vec<Sample> {
    let consumer = ConsumerState { pending: 1, ack_pending: 2, redelivered: 3 };
    vec![
        Sample::Outbox { t_us: LOAD_START_US, depth: 1, oldest_age_ms: 2 },
        Sample::Leases { t_us: 1, depth: 1, overdue_ms: 2, furthest_ms: 3 },
        Sample::Health {
            t_us: 1,
            node: "n".to_owned(),
            http: Some(200),
            status: None,
            nats: None,
            redis: None,
            asked_us: None,
            live: Some(200),
        },
        Sample::Stream { t_us: 1, messages: 1, last_sequence: 1, consumers: [("n".to_owned(), consumer)].into() },
        Sample::Container { t_us: 1, service: "n".to_owned(), cpu_percent: 1.5, memory_bytes: 1, cpu_us: Some(1) },
        Sample::Blind { t_us: 1, observer: "n".to_owned(), error: "e".to_owned() },
    ]
}

/// The titles of the variants that none of these lines is.
fn unused(schema: &Value, rule: &str, lines: &[Value]) -> BTreeSet<String> {
    let variants = schema["$defs"][rule]["oneOf"].as_array().expect("variants");
    let titles = variants.iter().map(|variant| variant["title"].as_str().expect("a title").to_owned());
    titles.filter(|title| !lines.iter().any(|line| line["type"] == title.as_str())).collect()
}

#[test]
fn every_line_that_is_written_fits_the_documented_schema() {
    let schema = schema();
    let mut story = Story::good(9);
    story.entries.extend(rare());
    story.give_up(3);
    story.read_back(100, 4, 1, (LOAD_START_US, LOAD_START_US + 9), 200);
    let lines: Vec<Value> = story.lines().iter().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    for line in &lines {
        assert_eq!(misfit(&schema, &schema["$defs"]["entry"], line, "entry"), None);
    }
    assert_eq!(unused(&schema, "entry", &lines), BTreeSet::new(), "in the schema, and never written");
    let samples: Vec<Value> = samples().iter().map(|sample| serde_json::to_value(sample).expect("JSON")).collect();
    for sample in &samples {
        assert_eq!(misfit(&schema, &schema["$defs"]["sample"], sample, "sample"), None);
    }
    assert_eq!(unused(&schema, "sample", &samples), BTreeSet::new());
}

#[test]
fn line_that_does_not_fit_is_told() {
    let schema = schema();
    for wrong in [
        json!({"type": "end"}),
        json!({"type": "end", "t_us": -1}),
        json!({"type": "end", "t_us": 1, "more": 1}),
        json!({"type": "phase", "t_us": 1, "phase": "lunch"}),
        json!({"type": "unheard", "t_us": 1}),
    ] {
        assert!(misfit(&schema, &schema["$defs"]["entry"], &wrong, "entry").is_some(), "{wrong}");
    }
}

#[test]
fn documents_name_the_format_that_is_written() {
    let page = include_str!("../../../../docs/history.md");
    assert!(page.contains(&format!("## Format {FORMAT}\n")) && page.contains(&format!("\n| {FORMAT} | ")));
    assert_eq!(schema()["title"], format!("Recording of a run, format {FORMAT}"));
}
