//! Logging in to Redis and NATS: right, wrong, and mended while the node runs. What is secret stays so.

use tokio::io::AsyncReadExt as _;

use crate::jwt::Operator;
use crate::services::Container;
use crate::space::{Node, NodeBuilder, Space, eventually};

/// Everything that the node wrote, when it is over.
async fn output(mut node: Node) -> String {
    node.signal("-TERM");
    assert!(node.exit().await.success());
    let mut errors = String::new();
    let mut stderr = node.child.stderr.take().expect("stderr is piped");
    stderr.read_to_string(&mut errors).await.expect("read");
    format!("{}\n{errors}", node.lines().join("\n"))
}

async fn keeps_secrets(node: Node, secrets: &[&str]) {
    let metrics = node.metrics().await;
    let health = node.get("/health").await.1.to_string();
    let output = output(node).await;
    for secret in secrets {
        for (place, text) in [("the output", &output), ("health", &health), ("metrics", &metrics)] {
            let line = text.lines().find(|line| line.contains(secret));
            assert!(line.is_none(), "{place} has a secret: {line:?}");
        }
    }
    assert!(output.lines().count() > 3, "the node says something: {output}");
}

/// Waits for a reason in health; returns how often the node's log tells of an outage of `service`.
async fn refused(node: &Node, service: &str, reason: &str) -> usize {
    eventually(&format!("health says {reason:?}"), async || match node.get("/health").await.1 {
        body if body["checks"][service] == "down" && body["detail"].as_str().is_some_and(|text| text.contains(reason)) => Ok(()),
        body => Err(body.to_string()),
    })
    .await;
    let told = [format!("{service} does not answer"), format!("{service} is down")];
    eventually("it is logged", async || {
        match node.lines().iter().filter(|line| told.iter().any(|told| line.contains(told))).count() {
            0 => Err("nothing".to_owned()),
            lines => Ok(lines),
        }
    })
    .await
}

/// Sets a node up to log in to the NATS at an address.
type Login = Box<dyn Fn(NodeBuilder, &str) -> NodeBuilder>;

async fn works(node: &Node, id: &str) {
    node.wait_status("up").await;
    node.place(id).await;
    node.wait_applied(id).await;
}

#[tokio::test]
async fn a_wrong_password_for_redis_is_told_of_once_and_mended_without_a_restart() {
    let space = Space::new().await;
    let redis = Container::redis(&[], &[]).await;
    redis.redis_cli(&["ACL", "SETUSER", "shop", "on", ">right-hush", "~*", "&*", "+@all"]);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("password");
    std::fs::write(&file, "wrong-hush\n").expect("written");
    let node = space.node("n1").set("CATGA_REDIS_URL", format!("redis://{}", redis.address())).set("CATGA_LOG", "trace");
    let node = node.set("CATGA_REDIS_USER", "shop").set("CATGA_REDIS_PASSWORD_FILE", file.to_str().expect("a path"));
    let node = node.start().await;
    assert!(refused(&node, "redis", "credentials of user shop are refused").await <= 1);
    eventually("the node tries on", async || {
        let log = redis.redis_cli(&["ACL", "LOG"]);
        if log.contains("auth") && log.contains("shop") { Ok(()) } else { Err(log) }
    })
    .await;
    let tried = redis.exec(&["redis-cli", "INFO", "stats"]);
    assert!(tried.contains("acl_access_denied_auth"), "{tried}");
    std::fs::write(&file, "right-hush\n").expect("written");
    works(&node, "first").await;

    // Changed at Redis first, as an operator rotates it.
    redis.redis_cli(&["ACL", "SETUSER", "shop", "resetpass", ">newer-hush"]);
    redis.redis_cli(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    refused(&node, "redis", "credentials of user shop are refused").await;
    std::fs::remove_file(&file).expect("removed");
    refused(&node, "redis", "secret file").await;
    let told = refused(&node, "redis", "secret file").await;
    assert_eq!(told, 2, "each of the two outages is told of once");
    std::fs::write(&file, "newer-hush").expect("written");
    works(&node, "second").await;
    keeps_secrets(node, &["wrong-hush", "right-hush", "newer-hush"]).await;
    space.clean().await;
}

#[tokio::test]
async fn redis_takes_credentials_from_the_url_and_from_variables() {
    let space = Space::new().await;
    let redis = Container::redis(&[], &["--requirepass", "p@ss/hush"]).await;
    let url = |login: &str| format!("redis://{login}{}", redis.address());
    let node = space.node("n1").set("CATGA_REDIS_URL", url("")).set("CATGA_LOG", "trace").start().await;
    refused(&node, "redis", "NOAUTH").await;
    keeps_secrets(node, &["hush"]).await;
    let by_url = space.node("n1").set("CATGA_REDIS_URL", url(":p%40ss%2Fhush@")).set("CATGA_LOG", "trace").start().await;
    works(&by_url, "by-url").await;
    keeps_secrets(by_url, &["hush"]).await;
    let by_variable = space.node("n1").set("CATGA_REDIS_URL", url("")).set("CATGA_REDIS_PASSWORD", "p@ss/hush");
    let by_variable = by_variable.set("CATGA_LOG", "trace").start().await;
    works(&by_variable, "by-variable").await;
    keeps_secrets(by_variable, &["hush"]).await;
    space.clean().await;
}

fn users(password: &str) -> String {
    format!("authorization {{ user: shop, password: \"{password}\" }}")
}

#[tokio::test]
async fn a_wrong_password_for_nats_is_told_of_once_and_mended_without_a_restart() {
    let space = Space::new().await;
    let nats = Container::nats(&[("nats.conf", &users("right-hush"))]).await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("password");
    std::fs::write(&file, "wrong-hush\n").expect("written");
    let node = space.node("n1").set("CATGA_NATS_URL", format!("nats://{}", nats.address())).set("CATGA_LOG", "trace");
    let node = node.set("CATGA_NATS_USER", "shop").set("CATGA_NATS_PASSWORD_FILE", file.to_str().expect("a path"));
    let node = node.start().await;
    refused(&node, "nats", "user shop and its password is refused").await;
    node.wait_status("degraded").await;
    node.place("waits").await;
    eventually("the node tries on", async || match nats.logs().matches("authentication error").count() {
        count if count > 2 => Ok(()),
        count => Err(format!("{count} attempts: {}", nats.logs())),
    })
    .await;
    assert_eq!(refused(&node, "nats", "is refused").await, 1, "it is told of once");
    std::fs::write(&file, "right-hush").expect("written");
    node.wait_applied("waits").await;
    works(&node, "first").await;

    nats.write("nats.conf", &users("newer-hush"));
    nats.signal("HUP");
    refused(&node, "nats", "user shop and its password is refused").await;
    std::fs::write(&file, "newer-hush").expect("written");
    works(&node, "second").await;
    keeps_secrets(node, &["wrong-hush", "right-hush", "newer-hush"]).await;
}

#[tokio::test]
async fn nats_takes_users_tokens_nkeys_and_creds_files() {
    let space = Space::new().await;
    let operator = Operator::new();
    let user = nkeys::KeyPair::new_user();
    let seed = user.seed().expect("a seed");
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.to_str().expect("a path").to_owned()
    };
    let (nkey_file, creds_file) = (file("nkey", &seed), file("shop.creds", &operator.creds()));
    let nkey_config = format!("authorization {{ users = [ {{ nkey: {} }} ] }}", user.public_key());
    let token = || "authorization { token: t-hush }".to_owned();
    let nats = |address: &str, login: &str| format!("nats://{login}{address}");
    let ways: Vec<(String, Login)> = vec![
        (users("p-hush"), Box::new(move |node, at| node.set("CATGA_NATS_URL", nats(at, "shop:p-hush@")))),
        (token(), Box::new(move |node, at| node.set("CATGA_NATS_URL", nats(at, "t-hush@")))),
        (token(), Box::new(move |node, at| node.set("CATGA_NATS_URL", nats(at, "")).set("CATGA_NATS_TOKEN", "t-hush"))),
        (nkey_config, Box::new(move |node, at| node.set("CATGA_NATS_URL", nats(at, "")).set("CATGA_NATS_NKEY_FILE", &nkey_file))),
        (
            operator.config(),
            Box::new(move |node, at| node.set("CATGA_NATS_URL", nats(at, "")).set("CATGA_NATS_CREDS", &creds_file)),
        ),
    ];
    for (index, (config, login)) in ways.into_iter().enumerate() {
        let server = Container::nats(&[("nats.conf", &config)]).await;
        let node = login(space.node("n1"), &server.address()).set("CATGA_LOG", "trace").start().await;
        works(&node, &format!("order-{index}")).await;
        let (jwt_seed, jwt) = operator.user_secrets();
        keeps_secrets(node, &["hush", &seed, &jwt_seed, &jwt]).await;
    }
}

#[tokio::test]
async fn contradictions_end_a_node_at_once_and_name_no_secret() {
    let space = Space::new().await;
    let wrong: [(&[(&str, &str)], &str); 6] = [
        (&[("CATGA_REDIS_PASSWORD", "a-hush"), ("CATGA_REDIS_PASSWORD_FILE", "/f")], "both set"),
        (&[("CATGA_NATS_TOKEN", "a-hush"), ("CATGA_NATS_CREDS", "/f")], "both set"),
        (&[("CATGA_REDIS_URL", "redis://shop:a-hush@"), ("CATGA_REDIS_USER", "x")], "redis url"),
        (&[("CATGA_NATS_URL", "ftp://shop:a-hush@nowhere")], "nats url"),
        (&[("CATGA_REDIS_CA", "/ca.pem")], "rediss://"),
        (&[("CATGA_REDIS_URL", "rediss://shop:a-hush@127.0.0.1:1#insecure")], "without its checks"),
    ];
    for (variables, reason) in wrong {
        let node = variables.iter().fold(space.node("n1"), |node, (name, value)| node.set(name, value));
        let output = node.end().await;
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(!output.status.success() && text.contains(reason), "{reason}: {text}");
        assert!(!text.contains("hush"), "{text}");
    }
}

#[tokio::test]
async fn the_help_shows_no_secret_of_the_environment() {
    let mut help = tokio::process::Command::new(env!("CARGO_BIN_EXE_node"));
    for name in ["REDIS_PASSWORD", "NATS_PASSWORD", "NATS_TOKEN", "REDIS_URL", "NATS_URL"] {
        help.env(format!("CATGA_{name}"), "redis://shop:a-hush@x");
    }
    let output = help.arg("--help").output().await.expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("CATGA_REDIS_PASSWORD_FILE") && !text.contains("hush"), "{text}");
}

#[tokio::test]
async fn an_empty_variable_is_as_good_as_none() {
    let space = Space::new().await;
    let mut node = space.node("n1").set("CATGA_API_KEY", "").set("CATGA_API_KEY_FILE", "").set("CATGA_NATS_INBOX_PREFIX", "");
    for name in ["USER", "PASSWORD", "PASSWORD_FILE", "CA", "CERT", "KEY"] {
        node = node.set(&format!("CATGA_REDIS_{name}"), "").set(&format!("CATGA_NATS_{name}"), "");
    }
    for name in ["TOKEN", "TOKEN_FILE", "CREDS", "NKEY_FILE"] {
        node = node.set(&format!("CATGA_NATS_{name}"), "");
    }
    works(&node.start().await, "first").await;
    space.clean().await;
}

#[tokio::test]
async fn what_stands_alone_where_a_url_has_its_user_is_shown_to_nobody() {
    let space = Space::new().await;
    let redis = Container::redis(&[], &["--requirepass", "right"]).await;
    let nats = Container::nats(&[("nats.conf", &users("right"))]).await;
    for password in [None, Some("wrong")] {
        let node =
            space.node("n1").set("CATGA_REDIS_URL", format!("redis://a-hush@{}", redis.address())).set("CATGA_LOG", "trace");
        let node = password.into_iter().fold(node, |node, password| node.set("CATGA_REDIS_PASSWORD", password)).start().await;
        refused(&node, "redis", "the credentials of the url's user are refused").await;
        let answer = node.post(&crate::space::order("refused")).await;
        assert_eq!(answer.status(), reqwest::StatusCode::SERVICE_UNAVAILABLE);
        let body = answer.text().await.expect("a body");
        assert!(!body.contains("hush"), "{body}");
        keeps_secrets(node, &["hush"]).await;
    }
    for (login, password, shown) in [
        ("a-hush@", None, "the token is refused"),
        ("a-hush@", Some("wrong"), "the url's user and its password is refused"),
        (":a-hush@", None, "a connection without credentials is refused"),
    ] {
        let node = space.node("n1").set("CATGA_NATS_URL", format!("nats://{login}{}", nats.address())).set("CATGA_LOG", "trace");
        let node = password.into_iter().fold(node, |node, password| node.set("CATGA_NATS_PASSWORD", password)).start().await;
        refused(&node, "nats", shown).await;
        keeps_secrets(node, &["hush"]).await;
    }
}
