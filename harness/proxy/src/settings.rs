//! What the proxy is started with.

use std::net::{Ipv4Addr, SocketAddr};

/// Where the control interface listens unless told otherwise.
const CONTROL: u16 = 9000;

/// A listener: a node's way to a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    pub address: SocketAddr,
    /// `nats:4222`; the name is looked up anew for each connection.
    pub service: String,
    /// `cluster-node-1/nats`
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub control: SocketAddr,
    pub listens: Vec<Listen>,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    #[error("{0} is no argument; there are --control PORT and --listen PORT=HOST:PORT/NODE/SERVICE")]
    Unknown(String),
    #[error("{0} needs a value")]
    NoValue(String),
    #[error("{0} is neither a port nor ADDRESS:PORT")]
    Address(String),
    #[error("{0} is no listener; write PORT=HOST:PORT/NODE/SERVICE, e.g. 14221=nats:4222/cluster-node-1/nats")]
    Listen(String),
    #[error("the listener {0} is named twice")]
    Twice(String),
}

impl Settings {
    /// Reads the command line, without the program's name.
    ///
    /// # Errors
    /// Something on it is not understood.
    pub fn parse(words: &[String]) -> Result<Self, SettingsError> {
        let mut settings = Self { control: everywhere(CONTROL), listens: Vec::new() };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| SettingsError::NoValue(word.clone()));
            match word.as_str() {
                "--control" => settings.control = address(value()?)?,
                "--listen" => settings.listens.push(listen(value()?)?),
                _ => return Err(SettingsError::Unknown(word.clone())),
            }
        }
        for (index, listen) in settings.listens.iter().enumerate() {
            if settings.listens[..index].iter().any(|other| other.name == listen.name) {
                return Err(SettingsError::Twice(listen.name.clone()));
            }
        }
        Ok(settings)
    }
}

fn listen(text: &str) -> Result<Listen, SettingsError> {
    let wrong = || SettingsError::Listen(text.to_owned());
    let (ours, theirs) = text.split_once('=').ok_or_else(wrong)?;
    let (service, name) = theirs.split_once('/').ok_or_else(wrong)?;
    let named = name.split_once('/').is_some_and(|(node, service)| !node.is_empty() && !service.is_empty());
    let reachable = service.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
    if !named || !reachable {
        return Err(wrong());
    }
    Ok(Listen { address: address(ours)?, service: service.to_owned(), name: name.to_owned() })
}

fn address(text: &str) -> Result<SocketAddr, SettingsError> {
    let port = text.parse().map(everywhere);
    port.or_else(|_| text.parse()).map_err(|_| SettingsError::Address(text.to_owned()))
}

fn everywhere(port: u16) -> SocketAddr {
    (Ipv4Addr::UNSPECIFIED, port).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Settings, SettingsError> {
        Settings::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn listeners_name_port_service_and_link() {
        let settings = parse("--control 7 --listen 14221=nats:4222/cluster-node-1/nats --listen 127.0.0.1:0=[::1]:5/n/s");
        let listens = [
            Listen { address: everywhere(14221), service: "nats:4222".into(), name: "cluster-node-1/nats".into() },
            Listen { address: ([127, 0, 0, 1], 0).into(), service: "[::1]:5".into(), name: "n/s".into() },
        ];
        assert_eq!(settings, Ok(Settings { control: everywhere(7), listens: listens.into() }));
    }

    #[test]
    fn what_is_not_understood_is_quoted() {
        for (line, said) in [
            ("--liste 1", "--liste is no argument"),
            ("--listen", "--listen needs a value"),
            ("--listen 1=nats/a/b", "1=nats/a/b is no listener"),
            ("--listen 1=nats:4222/a", "1=nats:4222/a is no listener"),
            ("--listen x=nats:4222/a/b", "x is neither a port"),
            ("--listen 1=n:1/a/b --listen 2=n:1/a/b", "a/b is named twice"),
        ] {
            let error = parse(line).expect_err(line).to_string();
            assert!(error.contains(said), "{line}: {error}");
        }
    }
}
