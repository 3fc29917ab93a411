use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::task::{Context, Poll, Waker};

use tokio::sync::{Mutex as AsyncMutex, mpsc};

use super::*;
use crate::mediator::{Handler, Mediator};

#[derive(Debug, Clone, Copy)]
struct Put {
    key: u32,
    content: u32,
}

impl Request for Put {
    type Response = (bool, Put);
    type Error = &'static str;
}

impl Identify for Put {
    type Shared = Put;

    fn identity(&self) -> Option<impl Hash + '_> {
        // All contents of one key have one hash here, as if by chance.
        (self.key != 0).then_some(self.key)
    }

    fn share((_, stored): &(bool, Put)) -> Put {
        *stored
    }

    fn adopt(&self, shared: Put) -> Option<(bool, Put)> {
        (shared.key == self.key && shared.content == self.content).then_some((false, shared))
    }
}

/// Answers when it is told to, and counts how often it was called.
struct Store {
    calls: AtomicUsize,
    words: AsyncMutex<mpsc::UnboundedReceiver<Result<(), &'static str>>>,
}

impl Handler<Put> for Arc<Store> {
    async fn handle(&self, put: Put) -> Outcome<Put> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        self.words.lock().await.recv().await.expect("the test says how it ends")?;
        Ok((true, put))
    }
}

#[derive(Clone, Default)]
struct Count(Arc<AtomicUsize>);

impl Tally for Count {
    fn adopted(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

struct Bench {
    mediator: Mediator<Arc<Store>, (Idempotent<Put, Count>, ())>,
    store: Arc<Store>,
    adopted: Count,
    say: mpsc::UnboundedSender<Result<(), &'static str>>,
}

impl Bench {
    fn new() -> Self {
        let (say, words) = mpsc::unbounded_channel();
        let store = Arc::new(Store { calls: AtomicUsize::new(0), words: AsyncMutex::new(words) });
        let adopted = Count::default();
        let mediator = Mediator::new(Arc::clone(&store), (Idempotent::new(adopted.clone()), ()));
        Self { mediator, store, adopted, say }
    }

    fn calls(&self) -> usize {
        self.store.calls.load(Ordering::SeqCst)
    }

    fn adopted(&self) -> usize {
        self.adopted.0.load(Ordering::SeqCst)
    }
}

fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

const PUT: Put = Put { key: 1, content: 7 };

#[test]
fn identical_requests_in_flight_cost_one_call_and_share_its_success() {
    let bench = Bench::new();
    let mut leader = pin!(bench.mediator.send(PUT));
    let mut followers: Vec<_> = (0..5).map(|_| Box::pin(bench.mediator.send(PUT))).collect();
    assert!(poll(leader.as_mut()).is_pending());
    assert!(followers.iter_mut().all(|follower| poll(follower.as_mut()).is_pending()));
    assert_eq!(bench.calls(), 1);
    bench.say.send(Ok(())).expect("said");
    assert!(matches!(poll(leader), Poll::Ready(Ok((true, _)))), "the first one is new");
    for follower in &mut followers {
        assert!(matches!(poll(follower.as_mut()), Poll::Ready(Ok((false, Put { key: 1, content: 7 })))), "a replay");
    }
    assert_eq!((bench.calls(), bench.adopted()), (1, 5));
    bench.say.send(Ok(())).expect("said");
    assert!(matches!(poll(pin!(bench.mediator.send(PUT))), Poll::Ready(Ok((true, _)))), "nothing is kept: the store is asked");
    assert_eq!(bench.calls(), 2);
}

#[test]
fn a_failure_is_nobody_elses() {
    let bench = Bench::new();
    let mut leader = pin!(bench.mediator.send(PUT));
    let mut follower = pin!(bench.mediator.send(PUT));
    assert!(poll(leader.as_mut()).is_pending() && poll(follower.as_mut()).is_pending());
    bench.say.send(Err("no answer from the store")).expect("said");
    assert!(matches!(poll(leader), Poll::Ready(Err("no answer from the store"))));
    assert!(poll(follower.as_mut()).is_pending(), "it asks the store itself");
    assert_eq!(bench.calls(), 2);
    bench.say.send(Ok(())).expect("said");
    assert!(matches!(poll(follower), Poll::Ready(Ok((true, _)))));
    assert_eq!(bench.adopted(), 0);
}

#[test]
fn the_same_key_with_other_content_is_never_answered_by_another() {
    let bench = Bench::new();
    let mut leader = pin!(bench.mediator.send(PUT));
    let mut other = pin!(bench.mediator.send(Put { key: 1, content: 8 }));
    assert!(poll(leader.as_mut()).is_pending() && poll(other.as_mut()).is_pending());
    bench.say.send(Ok(())).expect("said");
    assert!(poll(leader).is_ready());
    assert!(poll(other.as_mut()).is_pending(), "it asks the store itself");
    bench.say.send(Err("conflict")).expect("said");
    assert!(matches!(poll(other), Poll::Ready(Err("conflict"))));
    assert_eq!((bench.calls(), bench.adopted()), (2, 0));
}

#[test]
fn a_leader_whose_client_leaves_lets_the_others_go() {
    let bench = Bench::new();
    let mut follower = pin!(bench.mediator.send(PUT));
    {
        let mut leader = pin!(bench.mediator.send(PUT));
        assert!(poll(leader.as_mut()).is_pending() && poll(follower.as_mut()).is_pending());
    }
    assert!(poll(follower.as_mut()).is_pending());
    assert_eq!(bench.calls(), 2, "the follower asks by itself");
    bench.say.send(Ok(())).expect("said");
    assert!(matches!(poll(follower), Poll::Ready(Ok((true, _)))));
}

#[test]
fn a_request_without_identity_passes_through() {
    let bench = Bench::new();
    let put = Put { key: 0, content: 0 };
    let (mut one, mut two) = (pin!(bench.mediator.send(put)), pin!(bench.mediator.send(put)));
    assert!(poll(one.as_mut()).is_pending() && poll(two.as_mut()).is_pending());
    assert_eq!(bench.calls(), 2);
}

#[test]
fn followers_of_many_threads_are_all_answered() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_time().build().expect("a runtime");
    runtime.block_on(async {
        let bench = Arc::new(Bench::new());
        for _ in 0..20_000 {
            bench.say.send(Ok(())).expect("said");
        }
        let sends = (0..8).map(|_| {
            let bench = Arc::clone(&bench);
            tokio::spawn(async move {
                for _ in 0..2000 {
                    assert_eq!(bench.mediator.send(PUT).await.expect("answered").1.content, 7);
                    tokio::task::yield_now().await;
                }
            })
        });
        let all = futures_util::future::join_all(sends.collect::<Vec<_>>());
        let all = tokio::time::timeout(std::time::Duration::from_secs(60), all).await.expect("nobody waits for ever");
        assert!(all.into_iter().all(|done| done.is_ok()));
        assert_eq!(bench.calls() + bench.adopted(), 16_000);
    });
}
