//! The program against a real server, named by `CATGA_TEST_NATS_URL`. It asks about a stream of its own.

use std::process::{Command, Output};
use std::time::Duration;

use async_nats::jetstream::consumer::pull;
use async_nats::jetstream::{self, Context, stream};
use futures_util::StreamExt as _;

const STREAM: &str = "NATS_CLI";

fn url() -> String {
    std::env::var("CATGA_TEST_NATS_URL").expect("CATGA_TEST_NATS_URL names a NATS server with its streams enabled")
}

fn nats(words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nats"));
    command.args(words).env_remove("NATS_CONTEXT").env("NATS_URL", url());
    command.output().expect("it runs")
}

/// The answer to a command that must succeed and be readable at 80 columns.
fn answer(words: &[&str]) -> String {
    let output = nats(words);
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    if !words.contains(&"--json") {
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }
    text
}

/// The value of a line `name: value`.
fn value<'a>(text: &'a str, name: &str) -> &'a str {
    let found = text.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(':'));
    found.unwrap_or_else(|| panic!("no line {name} in\n{text}")).trim()
}

fn refusal(words: &[&str]) -> (Option<i32>, String) {
    let output = nats(words);
    assert!(output.stdout.is_empty(), "{words:?} answered");
    (output.status.code(), String::from_utf8(output.stderr).expect("text"))
}

/// Three messages, of which one consumer has acknowledged one and holds another.
async fn a_stream() -> Context {
    let context = jetstream::new(async_nats::connect(url()).await.expect("a server"));
    let _ = context.delete_stream(STREAM).await;
    let config = stream::Config { name: STREAM.into(), subjects: vec!["nats.cli.>".into()], ..stream::Config::default() };
    let stream = context.create_stream(config).await.expect("made");
    for text in ["one", "two", "three"] {
        context.publish("nats.cli.word", text.into()).await.expect("sent").await.expect("stored");
    }
    let config =
        pull::Config { durable_name: Some("reader-1".into()), ack_wait: Duration::from_secs(60), ..pull::Config::default() };
    let consumer = stream.create_consumer(config).await.expect("made");
    let mut messages = consumer.fetch().max_messages(2).messages().await.expect("asked");
    let first = messages.next().await.expect("a message").expect("whole");
    first.double_ack().await.expect("acknowledged");
    messages.next().await.expect("a message").expect("whole");
    context
}

#[tokio::test]
async fn streams_and_consumers_are_told_as_they_are() {
    let context = a_stream().await;

    let list = answer(&["stream", "ls"]);
    let line = list.lines().find(|line| line.starts_with(STREAM)).expect("the stream is listed");
    assert_eq!(line.split_whitespace().nth(1), Some("3"), "{list}");
    assert!(answer(&["stream", "ls", "--names"]).lines().any(|line| line == STREAM));
    assert_eq!(answer(&["stream", "report"]).lines().next(), list.lines().next());

    let info = answer(&["stream", "info", STREAM]);
    assert_eq!(value(&info, "Subjects"), "nats.cli.>");
    assert_eq!(value(&info, "Messages"), "3");
    assert_eq!(value(&info, "Consumers"), "1");
    assert!(value(&info, "Last sequence").starts_with("3 at 20"), "{info}");

    let consumers = answer(&["consumer", "ls", STREAM]);
    let figures: Vec<&str> = consumers.lines().nth(1).expect("one consumer").split_whitespace().collect();
    assert_eq!(figures, ["reader-1", "1", "1", "0", "1"], "{consumers}");
    assert_eq!(answer(&["consumer", "ls", "-n", STREAM]), "reader-1\n");

    let consumer = answer(&["consumer", "info", STREAM, "reader-1"]);
    assert_eq!(value(&consumer, "Kind"), "durable pull");
    assert_eq!(value(&consumer, "Acknowledge"), "explicit, within 1m");
    assert_eq!(value(&consumer, "Waiting"), "1");
    assert_eq!(value(&consumer, "Unacked"), "1");

    let json: serde_json::Value = serde_json::from_str(&answer(&["stream", "info", STREAM, "--json"])).expect("JSON");
    assert_eq!(json["state"]["messages"], 3);
    let json: serde_json::Value = serde_json::from_str(&answer(&["consumer", "ls", STREAM, "--json"])).expect("JSON");
    assert_eq!(json[0]["name"], "reader-1");

    let missing = refusal(&["consumer", "info", STREAM, "nobody"]);
    let text = "nats: stream NATS_CLI has no consumer nobody; `nats consumer ls NATS_CLI` shows those there are\n";
    assert_eq!(missing, (Some(1), text.to_owned()));
    context.delete_stream(STREAM).await.expect("removed");
}

#[test]
fn a_missing_stream_is_named_and_the_exit_code_is_1() {
    let text = "nats: there is no stream NO_SUCH; `nats stream ls` shows those there are\n";
    assert_eq!(refusal(&["stream", "info", "NO_SUCH"]), (Some(1), text.to_owned()));
    assert_eq!(refusal(&["consumer", "ls", "NO_SUCH"]), (Some(1), text.to_owned()));
}

#[test]
fn the_account_says_who_asks_and_what_is_used() {
    let info = answer(&["account", "info"]);
    assert!(value(&info, "Version").starts_with('2'), "{info}");
    assert!(value(&info, "Streams").ends_with(" of unlimited"), "{info}");
    let json: serde_json::Value = serde_json::from_str(&answer(&["account", "info", "--json"])).expect("JSON");
    assert!(json["api"]["total"].is_number(), "{json}");
}

#[test]
fn a_server_that_is_not_there_is_told_and_words_that_are_unknown_are_usage() {
    let (code, text) = refusal(&["-s", "nats://127.0.0.1:1", "stream", "ls"]);
    assert_eq!(code, Some(1));
    assert!(text.starts_with("nats: cannot connect to nats://127.0.0.1:1: "), "{text}");
    assert_eq!(refusal(&["stream", "purge", "X"]).0, Some(2));
    assert_eq!(refusal(&["stream", "info", "a.b"]).0, Some(2));
}

#[test]
fn a_context_names_the_server() {
    let home = tempfile::tempdir().expect("a folder");
    let folder = home.path().join("nats/context");
    std::fs::create_dir_all(&folder).expect("made");
    std::fs::write(folder.join("here.json"), serde_json::json!({"url": url()}).to_string()).expect("written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_nats"));
    command.args(["--context", "here", "stream", "ls"]).env_remove("NATS_URL").env("XDG_CONFIG_HOME", home.path());
    let output = command.output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
