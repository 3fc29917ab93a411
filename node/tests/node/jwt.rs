//! A NATS operator with an account and a user, for a server that trusts JWTs.

use nkeys::KeyPair;
use serde_json::{Value, json};

pub(crate) struct Operator {
    root: KeyPair,
    system: KeyPair,
    account: KeyPair,
    user: KeyPair,
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().chain(&[0, 0]).take(3).fold(0_usize, |word, byte| word << 8 | usize::from(*byte));
        for place in 0..=chunk.len() {
            text.push(char::from(ALPHABET[word >> (18 - 6 * place) & 63]));
        }
    }
    text
}

/// A token that `issuer` gives to `subject`.
fn jwt(issuer: &KeyPair, subject: &KeyPair, nats: &Value) -> String {
    let claims = json!({"iat": 1, "iss": issuer.public_key(), "sub": subject.public_key(), "name": "shop", "nats": nats});
    let head = base64(br#"{"typ":"JWT","alg":"ed25519-nkey"}"#);
    let body = format!("{head}.{}", base64(claims.to_string().as_bytes()));
    let signature = issuer.sign(body.as_bytes()).expect("a signature");
    format!("{body}.{}", base64(&signature))
}

impl Operator {
    pub(crate) fn new() -> Self {
        let (system, account) = (KeyPair::new_account(), KeyPair::new_account());
        Self { root: KeyPair::new_operator(), system, account, user: KeyPair::new_user() }
    }

    /// The server's configuration.
    pub(crate) fn config(&self) -> String {
        let system = self.system.public_key();
        let operator = jwt(&self.root, &self.root, &json!({"type": "operator", "version": 2, "system_account": system}));
        let limits = json!({"subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1,
            "leaf": -1, "mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1});
        let account = jwt(&self.root, &self.account, &json!({"type": "account", "version": 2, "limits": limits}));
        let mut none = limits;
        for storage in ["mem_storage", "disk_storage", "streams", "consumer"] {
            none[storage] = 0.into();
        }
        let system_jwt = jwt(&self.root, &self.system, &json!({"type": "account", "version": 2, "limits": none}));
        format!(
            "operator: {operator}\nsystem_account: {system}\nresolver: MEMORY\nresolver_preload: {{\n  {}: {account}\n  {system}: {system_jwt}\n}}\n",
            self.account.public_key()
        )
    }

    fn user_jwt(&self) -> String {
        let nats = json!({"type": "user", "version": 2, "pub": {}, "sub": {}, "subs": -1, "data": -1, "payload": -1});
        jwt(&self.account, &self.user, &nats)
    }

    /// The user's seed and token.
    pub(crate) fn user_secrets(&self) -> (String, String) {
        (self.user.seed().expect("a seed"), self.user_jwt())
    }

    /// The user's .creds file.
    pub(crate) fn creds(&self) -> String {
        let (seed, jwt) = self.user_secrets();
        format!(
            "-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
        )
    }
}
