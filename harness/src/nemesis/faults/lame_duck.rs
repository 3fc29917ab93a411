//! Lame duck: NATS is told by SIGUSR2 that it will go, as before an upgrade. Healed by starting it, or by restarting it
//! where it has not gone yet.
//!
//! It takes no new connection and no more of `JetStream` from then on. Its clients are left alone for
//! `lame_duck_grace_period` (10 s), then ended one by one, at most a second apart; when the last is gone it ends with
//! success. The engine leaves it down, as it does with every process that it has sent a signal.

use std::io;
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::process::{self, GRACE, Started};
use crate::engine::{ContainerState, Status};
use crate::nemesis::fault::{Before, Fault, FaultError, Seen, Target};
use crate::nemesis::site::Site;

const SIGNAL: &str = "SIGUSR2";
/// What a server says first, to whoever connects.
const GREETING: &[u8] = b"INFO ";
/// One that takes connections greets within a few milliseconds, on a busy machine too.
const GREETS_WITHIN: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(super) struct LameDuck;

#[async_trait]
impl Fault for LameDuck {
    async fn before(&self, site: &Site, target: &Target) -> Result<Before, FaultError> {
        match knock(&site.cluster.nats).await {
            Door::Open => process::before(site, target).await,
            door => Err(FaultError::Other(format!("{} takes no connection before the fault: {}", target.service, door.words()))),
        }
    }

    async fn inject(&self, site: &Site, target: &Target, _: &Before) -> Result<(), FaultError> {
        Ok(site.engine.kill(&target.container, SIGNAL).await?)
    }

    async fn effect(&self, site: &Site, target: &Target, before: &Before) -> Result<Seen, FaultError> {
        let door = knock(&site.cluster.nats).await;
        let now = site.inspect(target).await?;
        let words = format!("{}; {}", door.words(), process::describe(&now));
        Ok(Seen::when(is_lame(&now, &before.read()?, &door), words))
    }

    /// One that does not know of the signal yet is left alone: it takes connections.
    async fn heal(&self, site: &Site, target: &Target, before: &Before) -> Result<(), FaultError> {
        let door = knock(&site.cluster.nats).await;
        let now = site.inspect(target).await?;
        if now.status == Status::Running && is_lame(&now, &before.read()?, &door) {
            return Ok(site.engine.restart(&target.container, GRACE).await?);
        }
        process::start(site, target).await
    }

    async fn healed(&self, site: &Site, target: &Target, _: &Before) -> Result<Seen, FaultError> {
        // The health check is asked from time to time only: its last answer may be older than the signal.
        let door = knock(&site.cluster.nats).await;
        let now = site.inspect(target).await?;
        let words = format!("{}; {}", door.words(), process::describe(&now));
        Ok(Seen::when(matches!(door, Door::Open) && now.is_healthy(), words))
    }

    fn works_on(&self) -> bool {
        false
    }

    fn by_hand(&self, target: &Target) -> String {
        format!("docker restart {}", target.container)
    }
}

/// Is it going, or gone by itself, in the life that it was told in?
fn is_lame(now: &ContainerState, before: &Started, door: &Door) -> bool {
    now.started_at == before.at && is_going(now.status, now.exit_code, door)
}

fn is_going(status: Status, exit_code: i64, door: &Door) -> bool {
    let by_itself = match status {
        Status::Running => true,
        Status::Exited => exit_code == 0,
        _ => false,
    };
    by_itself && matches!(door, Door::Closed(_))
}

/// What a new connection meets.
#[derive(Debug)]
enum Door {
    /// It is greeted.
    Open,
    /// Refused, or ended without a word: so it is where the engine forwards the port by a process of its own.
    Closed(io::Error),
    /// Neither: it took too long, or something else came.
    Untold(String),
}

impl Door {
    fn words(&self) -> String {
        match self {
            Self::Open => "a new connection is greeted".to_owned(),
            Self::Closed(error) => format!("a new connection is refused ({error})"),
            Self::Untold(what) => format!("of a new connection nothing can be told: {what}"),
        }
    }
}

/// Connects to `host:port`, and leaves once it is greeted.
async fn knock(address: &str) -> Door {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, UnexpectedEof};
    let greeting = async {
        let mut greeting = [0; GREETING.len()];
        TcpStream::connect(address).await?.read_exact(&mut greeting).await?;
        io::Result::Ok(greeting)
    };
    match timeout(GREETS_WITHIN, greeting).await {
        Ok(Ok(greeting)) if greeting == GREETING => Door::Open,
        Ok(Ok(other)) => Door::Untold(format!("{address} says {:?}", String::from_utf8_lossy(&other))),
        Ok(Err(error)) if matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | UnexpectedEof) => {
            Door::Closed(error)
        }
        Ok(Err(error)) => Door::Untold(format!("{address}: {error}")),
        Err(_) => Door::Untold(format!("{address} said nothing within {GREETS_WITHIN:?}")),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;

    use super::*;

    /// One that takes one connection, says this, and ends it.
    async fn saying(words: &'static [u8]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.expect("called");
            socket.write_all(words).await.expect("sent");
        });
        address
    }

    #[tokio::test]
    async fn a_door_is_open_only_to_who_is_greeted_and_closed_only_to_who_is_turned_away() {
        assert!(matches!(knock(&saying(b"INFO {}\r\n").await).await, Door::Open));
        assert!(matches!(knock(&saying(b"").await).await, Door::Closed(_)));
        let nobody = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = nobody.local_addr().expect("an address").to_string();
        assert!(matches!(knock(&address).await, Door::Untold(_)), "one that only listens");
        drop(nobody);
        assert!(matches!(knock(&address).await, Door::Closed(_)));
        assert!(matches!(knock(&saying(b"HTTP/1.1 200\r\n").await).await, Door::Untold(_)));
    }

    #[test]
    fn only_a_server_that_goes_by_itself_and_refuses_is_a_lame_duck() {
        let refused = Door::Closed(io::ErrorKind::ConnectionRefused.into());
        assert!(is_going(Status::Running, 0, &refused));
        assert!(is_going(Status::Exited, 0, &refused));
        assert!(!is_going(Status::Exited, process::KILLED, &refused), "killed");
        assert!(!is_going(Status::Paused, 0, &refused), "frozen");
        assert!(!is_going(Status::Running, 0, &Door::Open), "as if nothing were");
        assert!(!is_going(Status::Running, 0, &Door::Untold("slow".to_owned())), "busy");
    }
}
