//! A proxy with one listener in front of a service that a test plays itself.

use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use proxy::{Counts, Listen, Order, Proxy, Rule, Settings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub(crate) const LINK: &str = "node/service";
/// What the service says first.
pub(crate) const GREETING: &[u8] = b"hello";
/// Nothing on loopback takes longer, however busy the machine is.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// Long enough to see that nothing comes.
pub(crate) const SILENCE: Duration = Duration::from_millis(150);

pub(crate) struct Stage {
    pub(crate) proxy: Proxy,
    pub(crate) service: TcpListener,
}

/// Both ends of one connection.
pub(crate) struct Ends {
    pub(crate) node: TcpStream,
    pub(crate) service: TcpStream,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        let service = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let address = service.local_addr().expect("an address").to_string();
        let listen = Listen { address: (Ipv4Addr::LOCALHOST, 0).into(), service: address, name: LINK.into() };
        let settings = Settings { control: (Ipv4Addr::LOCALHOST, 0).into(), listens: vec![listen] };
        Self { proxy: Proxy::start(&settings).await.expect("a proxy"), service }
    }

    pub(crate) async fn call(&self) -> TcpStream {
        let address = self.proxy.address(LINK).expect("the listener");
        let node = soon(TcpStream::connect(address)).await.expect("accepted");
        node.set_nodelay(true).expect("set");
        node
    }

    /// Both ends, once the proxy has brought them together: a connection that a rule finds half made is another thing.
    pub(crate) async fn connect(&self) -> Ends {
        let (mut node, accepted) = tokio::join!(self.call(), soon(self.service.accept()));
        let mut service = accepted.expect("called").0;
        service.set_nodelay(true).expect("set");
        pass(&mut service, &mut node, GREETING).await;
        Ends { node, service }
    }

    pub(crate) fn put(&self, rule: Rule) {
        self.put_for(rule, Duration::from_secs(60));
    }

    pub(crate) fn put_for(&self, rule: Rule, ttl: Duration) {
        let ttl_ms = u64::try_from(ttl.as_millis()).expect("short");
        assert!(self.proxy.put(LINK, &Order { rule, ttl_ms }).expect("in bounds"), "the listener is there");
    }

    pub(crate) fn counts(&self) -> Counts {
        self.proxy.state().listeners[0].counts
    }

    pub(crate) fn rule(&self) -> Option<Rule> {
        self.proxy.state().listeners[0].rule.as_ref().map(|in_force| in_force.rule.clone())
    }

    /// A connection made now passes both ways, and ends as it should.
    pub(crate) async fn passes(&self) {
        let Ends { mut node, mut service } = self.connect().await;
        pass(&mut node, &mut service, b"ping").await;
        pass(&mut service, &mut node, b"pong").await;
        drop(node);
        assert_eq!(read(&mut service).await.expect("an end"), b"");
    }
}

pub(crate) async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.expect("in time")
}

pub(crate) async fn send(to: &mut TcpStream, bytes: &[u8]) {
    soon(to.write_all(bytes)).await.expect("sent");
}

pub(crate) async fn receives(at: &mut TcpStream, bytes: &[u8]) {
    let mut got = vec![0; bytes.len()];
    soon(at.read_exact(&mut got)).await.expect("received");
    assert_eq!(got, bytes);
}

pub(crate) async fn pass(from: &mut TcpStream, to: &mut TcpStream, bytes: &[u8]) {
    send(from, bytes).await;
    receives(to, bytes).await;
}

/// One read; nothing is the end of the stream.
pub(crate) async fn read(at: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut got = vec![0; 64 << 10];
    let count = soon(at.read(&mut got)).await?;
    got.truncate(count);
    Ok(got)
}

pub(crate) async fn is_silent(at: &mut TcpStream) {
    let mut byte = [0];
    let read = tokio::time::timeout(SILENCE, at.read(&mut byte)).await;
    assert!(read.is_err(), "something came: {read:?}");
}

pub(crate) async fn is_reset(at: &mut TcpStream) {
    let error = read(at).await.expect_err("a reset");
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{error}");
}

/// Asks until it is so.
pub(crate) async fn until(what: &str, is_so: impl Fn() -> bool) {
    let waited = tokio::time::timeout(PATIENCE, async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("not within {PATIENCE:?}: {what}"));
}
