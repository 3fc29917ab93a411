//! A TCP proxy in front of a service, to cut a node from it in the ways that networks cut.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Open,
    /// Connections stay, nothing passes: a cut network without a reset.
    BlackHole,
    /// What the node sends vanishes, what the service sends arrives.
    DropRequests,
    /// What the node sends arrives, what the service sends vanishes.
    DropAnswers,
    /// Connections are closed and new ones too.
    Refuse,
    /// All arrives, each piece that much later, both ways.
    Slow(Duration),
}

pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    mode: watch::Sender<Mode>,
}

impl Proxy {
    pub(crate) async fn to(target: &str, mode: Mode) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (sender, receiver) = watch::channel(mode);
        let target = target.to_owned();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, target.clone(), receiver.clone()));
            }
        });
        Self { address, mode: sender }
    }

    pub(crate) fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }
}

async fn carry(client: TcpStream, target: String, mut mode: watch::Receiver<Mode>) {
    if *mode.borrow() == Mode::Refuse {
        return;
    }
    let Ok(server) = TcpStream::connect(&target).await else { return };
    let (client_read, client_write) = client.into_split();
    let (server_read, server_write) = server.into_split();
    let requests = pump(client_read, server_write, mode.clone(), [Mode::BlackHole, Mode::DropRequests]);
    let answers = pump(server_read, client_write, mode.clone(), [Mode::BlackHole, Mode::DropAnswers]);
    tokio::select! {
        () = requests => {}
        () = answers => {}
        _ = mode.wait_for(|mode| *mode == Mode::Refuse) => {}
    }
}

/// Bytes that meet a closed way are lost, and the connection with them: TCP would not skip them either.
async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mode: watch::Receiver<Mode>, closed: [Mode; 2]) {
    let mut buffer = vec![0; 64 * 1024];
    let mut lost = false;
    loop {
        let length = match from.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(length) => length,
        };
        let now = *mode.borrow();
        lost = lost || closed.contains(&now);
        if let Mode::Slow(delay) = now {
            tokio::time::sleep(delay).await;
        }
        if !lost && to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
