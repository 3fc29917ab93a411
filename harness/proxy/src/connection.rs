//! A connection's life: the service is called, then both lanes are worked at under whatever rule is in force.

use std::time::Duration;

use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use crate::lane::{Course, Cut, Lane};
use crate::link::Link;
use crate::pace::Pace;
use crate::rule::{Direction, Rule};
use crate::switch::{Active, Current};

/// A service in the same network answers at once or not at all.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// A node's connection, from its acceptance on.
pub(crate) struct Connection<'a> {
    link: &'a Link,
    /// Of this listener, from 0: it chooses the stream of chance.
    number: u64,
    opened: Instant,
    rules: watch::Receiver<Current>,
}

impl<'a> Connection<'a> {
    pub(crate) fn new(link: &'a Link, number: u64) -> Self {
        Self { link, number, opened: Instant::now(), rules: link.subscribe() }
    }

    /// Until both sides have ended it, or it is cut; then both sides get a reset.
    pub(crate) async fn serve(mut self, mut node: TcpStream) {
        let mut service = match self.call().await {
            Ok(service) => service,
            Err(cut) => return self.cut(&cut, &[&node]),
        };
        // Small messages must not wait for one another.
        let undelayed = node.set_nodelay(true).and_then(|()| service.set_nodelay(true));
        let relayed = match undelayed {
            Ok(()) => self.relay(&mut node, &mut service).await,
            Err(error) => Err(error.into()),
        };
        if let Err(cut) = relayed {
            self.cut(&cut, &[&node, &service]);
        }
    }

    fn cut(&self, cut: &Cut, sockets: &[&TcpStream]) {
        if matches!(cut, Cut::Reset) {
            self.link.counters.resets.add(1);
        }
        for socket in sockets {
            // A socket that closes without lingering sends a reset. One that is broken already cannot be told.
            let _ = SockRef::from(*socket).set_linger(Some(Duration::ZERO));
        }
    }

    async fn call(&mut self) -> Result<TcpStream, Cut> {
        let link = self.link;
        let mut calling = std::pin::pin!(timeout(CONNECT_WITHIN, TcpStream::connect(link.service())));
        loop {
            let active = self.rules.borrow_and_update().clone();
            if matches!(active.as_deref(), Some(Active { rule: Rule::BlackHole { .. }, .. })) {
                link.counters.black_holed.add(1);
                // It has reached nobody; only its own side could tell.
                let _ = self.rules.changed().await;
                return Err(Cut::Reset);
            }
            let reset_at = self.reset_at(active.as_deref());
            tokio::select! {
                called = &mut calling => {
                    return called.map_err(|_| Cut::Broken).and_then(|called| called.map_err(Cut::from)).inspect_err(|_| {
                        link.counters.unreachable.add(1);
                    });
                }
                () = sleep_until(reset_at.unwrap_or_else(Instant::now)), if reset_at.is_some() => return Err(Cut::Reset),
                _ = self.rules.changed() => {}
            }
        }
    }

    async fn relay(&self, node: &mut TcpStream, service: &mut TcpStream) -> Result<(), Cut> {
        let link = self.link;
        let (mut from_node, mut to_node) = node.split();
        let (mut from_service, mut to_service) = service.split();
        let (mut out, mut back) = (Lane::new(), Lane::new());
        let mut rules = self.rules.clone();
        loop {
            if back.is_tainted() {
                return Err(Cut::Reset);
            }
            let active = rules.borrow_and_update().clone();
            let counters = &link.counters;
            let courses = [
                Course { lane: &mut out, from: &mut from_node, to: &mut to_service, passed: &counters.bytes_out, counters },
                Course { lane: &mut back, from: &mut from_service, to: &mut to_node, passed: &counters.bytes_in, counters },
            ];
            tokio::select! {
                biased;
                ended = self.work(active.as_deref(), courses) => return ended,
                _ = rules.changed() => {}
            }
        }
    }

    /// The work of one rule on both lanes; it may be dropped at any await.
    async fn work(&self, active: Option<&Active>, courses: [Course<'_, '_>; 2]) -> Result<(), Cut> {
        let [out, back] = courses;
        let Some(active) = active else {
            return both(out.copy(), back.copy()).await;
        };
        match active.rule {
            Rule::BlackHole { direction } => {
                self.link.counters.black_holed.add(1);
                match direction {
                    Direction::Both => std::future::pending().await,
                    Direction::In => both(out.copy(), std::future::pending()).await,
                    Direction::Out => both(std::future::pending(), back.copy()).await,
                }
            }
            Rule::Reset { .. } => {
                let reset_at = self.reset_at(Some(active)).unwrap_or_else(Instant::now);
                tokio::select! {
                    ended = both(out.copy(), back.copy()) => ended,
                    () = sleep_until(reset_at) => Err(Cut::Reset),
                }
            }
            Rule::HalfClose => both(out.copy(), back.close_half()).await,
            Rule::DropReplies { after_ms } => both(out.copy(), back.swallow(Duration::from_millis(after_ms))).await,
            Rule::Delay { .. } | Rule::Bandwidth { .. } | Rule::Slice { .. } => {
                let pace = |lane| Pace::of(active, self.number, lane);
                match (pace(0), pace(1)) {
                    (Some(towards), Some(from)) => both(out.copy_late(towards), back.copy_late(from)).await,
                    _ => both(out.copy(), back.copy()).await,
                }
            }
        }
    }

    /// When a rule resets this connection: at once if it was open before the rule was.
    fn reset_at(&self, active: Option<&Active>) -> Option<Instant> {
        match active?.rule {
            Rule::Reset { .. } if self.opened < active?.since => Some(active?.since),
            Rule::Reset { after_ms } => Some(self.opened + Duration::from_millis(after_ms)),
            _ => None,
        }
    }
}

/// Until both lanes have ended, or one is cut.
async fn both(out: impl Future<Output = Result<(), Cut>>, back: impl Future<Output = Result<(), Cut>>) -> Result<(), Cut> {
    tokio::try_join!(out, back).map(drop)
}
