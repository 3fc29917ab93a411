//! TLS to Redis and NATS: the server's certificate and name are checked, the node shows its own where it is asked.

use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::services::Container;
use crate::space::{DEADLINE, Node, NodeBuilder, Space, eventually};

/// A certificate authority, and what it signed.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// Certificate and key for a name or an address.
    fn sign(&self, name: &str, usage: ExtendedKeyUsagePurpose) -> (String, String) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
        params.extended_key_usages = vec![usage];
        // One that is named like its issuer looks self-signed to OpenSSL.
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        let cert = params.signed_by(&key, &self.issuer).expect("a certificate");
        (cert.pem(), key.serialize_pem())
    }
}

/// Files of a node.
struct Files(tempfile::TempDir);

impl Files {
    fn put(&self, name: &str, text: &str) -> String {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.to_str().expect("a path").to_owned()
    }
}

async fn refused(node: &Node, service: &str, reasons: &[&str]) {
    eventually(&format!("{service} is down for one of {reasons:?}"), async || match node.get("/health").await.1 {
        body if body["checks"][service] == "down"
            && body["detail"].as_str().is_some_and(|text| reasons.iter().any(|reason| text.contains(reason))) =>
        {
            Ok(())
        }
        body => Err(body.to_string()),
    })
    .await;
}

async fn works(node: &Node, id: &str) {
    node.wait_status("up").await;
    node.place(id).await;
    node.wait_applied(id).await;
}

/// All that may be wrong between a node and a service that speaks TLS, and then right.
async fn is_strict(space: &Space, service: &str, port: &str, authority: &Authority, logins: &Files) {
    let (scheme, prefix) = if service == "redis" { ("rediss", "CATGA_REDIS") } else { ("tls", "CATGA_NATS") };
    let (cert, key) = authority.sign("the node", ExtendedKeyUsagePurpose::ClientAuth);
    let ca = logins.put("ca.pem", &authority.pem);
    let (cert, key) = (logins.put("node.pem", &cert), logins.put("node.key", &key));
    let node = |host: &str| space.node("n1").set(&format!("{prefix}_URL"), format!("{scheme}://{host}:{port}"));
    let trusting = |node: NodeBuilder, ca: &str| node.set(&format!("{prefix}_CA"), ca);
    let showing = |node: NodeBuilder| node.set(&format!("{prefix}_CERT"), &cert).set(&format!("{prefix}_KEY"), &key);

    let foreign = logins.put("foreign.pem", &Authority::new().pem);
    let stranger = showing(trusting(node("127.0.0.1"), &foreign)).start().await;
    refused(&stranger, service, &["UnknownIssuer", "BadSignature"]).await;
    stranger.kill().await;
    let misnamed = showing(trusting(node("localhost"), &ca)).start().await;
    refused(&misnamed, service, &["not valid for name", "NotValidForName"]).await;
    misnamed.kill().await;
    let anonymous = trusting(node("127.0.0.1"), &ca).start().await;
    // TLS 1.3 tells of a missing certificate only after the handshake, with an alert or a reset.
    refused(&anonymous, service, &["ertificate", "broken pipe", "reset", "closed", "expected INFO", "dropped"]).await;
    anonymous.kill().await;

    // A CA file that is wrong at first is read again when it is mended.
    let late = logins.put("late.pem", "no certificate");
    let patient = showing(trusting(node("127.0.0.1"), &late)).start().await;
    refused(&patient, service, &["ertificate", "UnknownIssuer"]).await;
    logins.put("late.pem", &authority.pem);
    works(&patient, &format!("{service}-over-tls")).await;
    patient.kill().await;
}

fn files() -> Files {
    Files(tempfile::tempdir().expect("a folder"))
}

#[tokio::test]
async fn redis_over_tls_must_prove_its_name_and_may_ask_for_the_nodes() {
    let space = Space::new().await;
    let authority = Authority::new();
    let (cert, key) = authority.sign("127.0.0.1", ExtendedKeyUsagePurpose::ServerAuth);
    let conf = [("ca.pem", authority.pem.as_str()), ("cert.pem", &cert), ("key.pem", &key)];
    let tls = ["--port", "0", "--tls-port", "6379", "--tls-auth-clients", "yes", "--tls-ca-cert-file", "/conf/ca.pem"];
    let own = ["--tls-cert-file", "/conf/cert.pem", "--tls-key-file", "/conf/key.pem"];
    let redis = Container::redis(&conf, &[&tls[..], &own].concat()).await;
    is_strict(&space, "redis", &redis.port(), &authority, &files()).await;
    space.clean().await;
}

#[tokio::test]
async fn nats_over_tls_must_prove_its_name_and_may_ask_for_the_nodes() {
    let space = Space::new().await;
    let authority = Authority::new();
    let (cert, key) = authority.sign("127.0.0.1", ExtendedKeyUsagePurpose::ServerAuth);
    let config = "tls { cert_file: /conf/cert.pem, key_file: /conf/key.pem, ca_file: /conf/ca.pem, verify: true }";
    let conf = [("ca.pem", authority.pem.as_str()), ("cert.pem", &cert), ("key.pem", &key), ("nats.conf", config)];
    let nats = Container::nats(&conf).await;
    is_strict(&space, "nats", &nats.port(), &authority, &files()).await;
}

#[tokio::test]
async fn a_nats_that_offers_no_tls_gets_no_credentials_of_a_node_that_asks_for_it() {
    let space = Space::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let (sender, mut received) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let info = b"INFO {\"server_id\":\"x\",\"version\":\"2.10.0\",\"auth_required\":true,\"max_payload\":1048576}\r\n";
            let _ = stream.write_all(info).await;
            let mut bytes = [0; 4096];
            let length = stream.read(&mut bytes).await.unwrap_or(0);
            let _ = sender.send(bytes[..length].to_vec());
        }
    });
    let _node = space.node("n1").set("CATGA_NATS_URL", format!("tls://shop:hush@{address}")).start().await;
    let bytes = tokio::time::timeout(DEADLINE, received.recv()).await.expect("the node connects in time").expect("a connection");
    assert_eq!(bytes.first(), Some(&0x16), "a TLS handshake comes first: {}", String::from_utf8_lossy(&bytes));
}
