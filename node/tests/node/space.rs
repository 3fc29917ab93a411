//! What a test needs: names of its own, nodes as processes, and waits with a deadline.

use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::oneshot;

/// How long anything may take that is not told to take longer.
pub(crate) const DEADLINE: Duration = Duration::from_secs(15);

fn service(variable: &str, example: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| {
        panic!(
            "{variable} is not set: these tests need a Redis and a NATS with JetStream of their own; \
             start both and set e.g. {variable}={example}"
        )
    })
}

pub(crate) fn redis_url() -> String {
    service("CATGA_TEST_REDIS_URL", "redis://127.0.0.1:6379")
}

pub(crate) fn nats_url() -> String {
    service("CATGA_TEST_NATS_URL", "nats://127.0.0.1:4222")
}

/// `host:port` of a service's url.
pub(crate) fn authority(url: &str) -> String {
    url.split("://").nth(1).unwrap_or(url).split('/').next().unwrap_or_default().to_owned()
}

/// Waits until `probe` gives something; on expiry says what was waited for and what the probe last saw.
pub(crate) async fn eventually<T>(what: &str, mut probe: impl AsyncFnMut() -> Result<T, String>) -> T {
    let begun = Instant::now();
    loop {
        match probe().await {
            Ok(found) => return found,
            Err(seen) if begun.elapsed() > DEADLINE => panic!("{what}: not in {DEADLINE:?}; last seen: {seen}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

/// One command to a Redis, on a connection of its own: the service may have been restarted since the last one.
pub(crate) async fn query<T: redis::FromRedisValue>(url: &str, command: &[&str]) -> redis::RedisResult<T> {
    // A busy machine is no reason to fail.
    let patient = redis::AsyncConnectionConfig::new().set_connection_timeout(Some(DEADLINE)).set_response_timeout(Some(DEADLINE));
    let mut connection = redis::Client::open(url)?.get_multiplexed_async_connection_with_config(&patient).await?;
    let mut query = redis::cmd(command[0]);
    for argument in &command[1..] {
        query.arg(argument);
    }
    query.query_async(&mut connection).await
}

/// Names of one test.
pub(crate) struct Space {
    pub(crate) name: String,
    pub(crate) client: Client,
    redis_url: String,
    nats_url: String,
    pub(crate) jetstream: async_nats::jetstream::Context,
}

impl Space {
    pub(crate) async fn new() -> Self {
        Self::on(&redis_url(), &nats_url()).await
    }

    /// On services of the test's own.
    pub(crate) async fn on(redis_url: &str, nats_url: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let nanos = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("a clock after 1970").as_nanos();
        let name = format!("t{:x}x{}", nanos & 0xffff_ffff_ffff, COUNT.fetch_add(1, Ordering::Relaxed));
        let nats = async_nats::connect(nats_url).await.expect("nats answers");
        let client = Client::builder().no_proxy().timeout(DEADLINE).build().expect("a client");
        let (redis_url, nats_url) = (redis_url.to_owned(), nats_url.to_owned());
        Self { name, client, redis_url, nats_url, jetstream: async_nats::jetstream::new(nats) }
    }

    pub(crate) fn key(&self, rest: &str) -> String {
        format!("{}:{rest}", self.name)
    }

    pub(crate) fn subject(&self) -> String {
        format!("{}.order.placed", self.name)
    }

    pub(crate) async fn query<T: redis::FromRedisValue>(&self, command: &[&str]) -> T {
        query(&self.redis_url, command).await.expect("redis answers")
    }

    /// Ids in the outbox' index.
    pub(crate) async fn pending(&self) -> Vec<String> {
        self.query(&["ZRANGE", &self.key("outbox:pending"), "0", "-1"]).await
    }

    pub(crate) fn node(&self, id: &str) -> NodeBuilder {
        let mut command = Command::new(env!("CARGO_BIN_EXE_node"));
        command.env_clear().env("CATGA_LISTEN", "127.0.0.1:0").env("CATGA_NODE_ID", id);
        command.env("CATGA_REDIS_URL", &self.redis_url).env("CATGA_NATS_URL", &self.nats_url);
        command.env("CATGA_KEY_PREFIX", &self.name).env("CATGA_STREAM", &self.name).env("CATGA_SUBJECT_PREFIX", &self.name);
        command.env("CATGA_LEASE", "1s").env("CATGA_ACK_WAIT", "1s").env("CATGA_IDENTITY_LEASE", "1s");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        NodeBuilder { command, client: self.client.clone() }
    }

    pub(crate) async fn stream(&self) -> async_nats::jetstream::stream::Stream {
        self.jetstream.get_stream(&self.name).await.expect("the stream exists")
    }

    /// Removes the stream; keys are few and stay.
    pub(crate) async fn clean(self) {
        let _ = self.jetstream.delete_stream(&self.name).await;
    }
}

/// A node that needs nothing: store and stream are in its own process.
pub(crate) fn embedded(id: &str) -> NodeBuilder {
    let mut command = Command::new(env!("CARGO_BIN_EXE_node"));
    command.env_clear().env("CATGA_LISTEN", "127.0.0.1:0").env("CATGA_NODE_ID", id).env("CATGA_EMBEDDED", "1");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let client = Client::builder().no_proxy().timeout(DEADLINE).build().expect("a client");
    NodeBuilder { command, client }
}

pub(crate) struct NodeBuilder {
    command: Command,
    client: Client,
}

impl NodeBuilder {
    pub(crate) fn set(mut self, variable: &str, value: impl AsRef<str>) -> Self {
        self.command.env(variable, value.as_ref());
        self
    }

    pub(crate) async fn start(mut self) -> Node {
        let mut child = self.command.spawn().expect("the node starts");
        let stdout = child.stdout.take().expect("stdout is piped");
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (sender, receiver) = oneshot::channel();
        tokio::spawn(read_lines(stdout, Arc::clone(&lines), sender));
        let address = tokio::time::timeout(DEADLINE, receiver).await.expect("the node says where it serves in time");
        let url = format!("http://{}", address.expect("the node says where it serves"));
        Node { child, url, client: self.client, lines }
    }

    /// Starts it and waits until it is ready.
    pub(crate) async fn ready(self) -> Node {
        let node = self.start().await;
        node.wait_status("up").await;
        node
    }

    /// Runs it to its end.
    pub(crate) async fn end(mut self) -> std::process::Output {
        let child = self.command.spawn().expect("the node starts");
        tokio::time::timeout(DEADLINE, child.wait_with_output()).await.expect("the node ends in time").expect("an exit status")
    }
}

async fn read_lines(stdout: tokio::process::ChildStdout, lines: Arc<Mutex<Vec<String>>>, address: oneshot::Sender<String>) {
    let mut address = Some(address);
    let mut reader = BufReader::new(stdout).lines();
    while let Ok(Some(line)) = reader.next_line().await {
        if let Ok(event) = serde_json::from_str::<Value>(&line)
            && event["message"] == "serving"
            && let Some(sender) = address.take()
        {
            let _ = sender.send(event["address"].as_str().unwrap_or_default().to_owned());
        }
        lines.lock().expect("no panic while locked").push(line);
    }
}

/// A node as a process; killed when dropped.
pub(crate) struct Node {
    pub(crate) child: Child,
    pub(crate) url: String,
    pub(crate) client: Client,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Node {
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().expect("no panic while locked").clone()
    }

    /// How often something was logged, by the line's message.
    pub(crate) fn told(&self, message: &str) -> usize {
        let lines = self.lines();
        lines.iter().filter(|line| serde_json::from_str::<Value>(line).is_ok_and(|line| line["message"] == message)).count()
    }

    /// Waits until each message was logged exactly so often. A line may come a moment after what it tells of.
    pub(crate) async fn wait_told_times(&self, wanted: &[(&str, usize)]) {
        eventually(&format!("{wanted:?} are logged"), async || {
            let told: Vec<_> = wanted.iter().map(|(message, _)| (*message, self.told(message))).collect();
            if told == wanted { Ok(()) } else { Err(format!("{told:?}")) }
        })
        .await;
    }

    /// Waits for a line that has all of these in it, as JSON; a line may come a moment after what it tells of.
    pub(crate) async fn wait_line(&self, parts: &[&str]) -> Value {
        let line = eventually(&format!("{parts:?} are logged"), async || {
            let lines = self.lines();
            let found = lines.iter().find(|line| parts.iter().all(|part| line.contains(part))).cloned();
            found.ok_or_else(|| lines.last().cloned().unwrap_or_default())
        })
        .await;
        serde_json::from_str(&line).expect("a JSON line")
    }

    /// Waits until something was logged; returns the line.
    pub(crate) async fn wait_told(&self, message: &str) -> Value {
        eventually(&format!("{message:?} is logged"), async || {
            let lines = self.lines();
            let found =
                lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok()).find(|line| line["message"] == message);
            found.ok_or_else(|| lines.last().cloned().unwrap_or_default())
        })
        .await
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, Value) {
        let response = self.client.get(format!("{}{path}", self.url)).send().await.expect("the node answers");
        (response.status(), response.json().await.expect("the answer is JSON"))
    }

    pub(crate) async fn post(&self, order: &Value) -> Response {
        let request = self.client.post(format!("{}/api/orders", self.url)).header("content-type", "application/json");
        request.body(order.to_string()).send().await.expect("the node answers")
    }

    /// Places an order that must be new; returns its answer.
    pub(crate) async fn place(&self, id: &str) -> Value {
        let response = self.post(&order(id)).await;
        let (status, body) = (response.status(), response.text().await.expect("a body"));
        assert_eq!(status, StatusCode::CREATED, "{body}");
        serde_json::from_str(&body).expect("the answer is JSON")
    }

    /// All metrics, as they are scraped.
    pub(crate) async fn metrics(&self) -> String {
        let response = self.client.get(format!("{}/metrics", self.url)).send().await.expect("the node answers");
        response.text().await.expect("a body")
    }

    pub(crate) async fn metric(&self, name: &str) -> u64 {
        let text = self.metrics().await;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("there is no metric {name} in {text}")).parse().expect("a number")
    }

    pub(crate) async fn wait_metric(&self, name: &str, least: u64) {
        eventually(&format!("{name} >= {least}"), async || match self.metric(name).await {
            value if value >= least => Ok(()),
            value => Err(value.to_string()),
        })
        .await;
    }

    pub(crate) async fn wait_gauge(&self, name: &str, wanted: u64) {
        eventually(&format!("{name} is {wanted}"), async || match self.metric(name).await {
            value if value == wanted => Ok(()),
            value => Err(value.to_string()),
        })
        .await;
    }

    pub(crate) async fn wait_status(&self, wanted: &str) -> Value {
        eventually(&format!("{} is {wanted}", self.url), async || match self.get("/health").await {
            (_, body) if body["status"] == wanted => Ok(body),
            (_, body) => Err(body.to_string()),
        })
        .await
    }

    /// Waits until health says why it is not up, with these words among others, in whatever case; returns the health.
    pub(crate) async fn wait_detail(&self, words: &str) -> Value {
        eventually(&format!("{} tells of {words:?}", self.url), async || {
            let health = self.get("/health").await.1;
            if tells(&health, words) { Ok(health) } else { Err(health.to_string()) }
        })
        .await
    }

    pub(crate) async fn wait_applied(&self, id: &str) -> Value {
        eventually(&format!("{id} is applied on {}", self.url), async || match self.get(&format!("/api/orders/{id}")).await {
            (StatusCode::OK, body) => Ok(body),
            (status, body) => Err(format!("{status} {body}")),
        })
        .await
    }

    pub(crate) fn signal(&self, signal: &str) {
        let id = self.child.id().expect("the node runs").to_string();
        let status = std::process::Command::new("kill").args([signal, &id]).status();
        assert!(status.expect("kill runs").success());
    }

    pub(crate) async fn kill(mut self) {
        self.child.kill().await.expect("the node is killed");
    }

    pub(crate) async fn exit(&mut self) -> std::process::ExitStatus {
        tokio::time::timeout(DEADLINE, self.child.wait()).await.expect("the node ends in time").expect("an exit status")
    }
}

/// Does health say why it is not up, with these words among others, in whatever case?
pub(crate) fn tells(health: &Value, words: &str) -> bool {
    health["detail"].as_str().is_some_and(|detail| detail.to_lowercase().contains(&words.to_lowercase()))
}

pub(crate) fn order(id: &str) -> Value {
    json!({"orderId": id, "customerId": "customer-123", "amount": 12.5})
}
