//! What the ports in memory can be made to suffer, and the time that they go by.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser as _;
use jiff::Timestamp;
use node::cli::Cli;
use node::core::{Core, PlaceOrder, Placement, Status};
use node::error::Error;
use node::identity::{Instance, hold_identity};
use node::mediator::Handler as _;
use node::memory::{Loss, MemoryPorts, MemoryServices, Operation, Refusal, SeededRng, VirtualClock, Wires};
use node::order::{Amount, CustomerId, NewOrder, NodeId, OrderId};
use node::ports::{Clock as _, Store as _};
use node::settings::Settings;
use node::system::{OsRng, SystemClock};
use tokio::task::JoinSet;

use crate::space::eventually;

type Ports = MemoryPorts<VirtualClock, SeededRng>;

/// Services in memory under virtual time.
struct Sim {
    clock: VirtualClock,
    services: MemoryServices<VirtualClock>,
    seed: u64,
}

/// A node that runs; dropped, it is killed.
struct Running {
    core: Arc<Core<Ports>>,
    wires: Wires,
    _tasks: JoinSet<()>,
}

/// What has a day to live has ten minutes, which pass sooner.
fn settings() -> Settings {
    Cli::parse_from(["node", "--record-ttl=10m", "--inbox-ttl=10m"]).settings
}

fn order(id: &str) -> NewOrder {
    NewOrder {
        order_id: OrderId::new(id).expect("an id"),
        customer_id: CustomerId::new("c").expect("an id"),
        amount: Amount::from_minor(5).expect("an amount"),
    }
}

fn name(id: &str) -> NodeId {
    NodeId::new(id).expect("a node id")
}

/// Runs a test on one thread that has no timer: whoever asked for another clock than the port's would panic.
fn simulate(seed: u64, store_bytes: Option<u64>, test: impl AsyncFnOnce(Sim)) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let clock = VirtualClock::starting_at(Timestamp::from_second(1_800_000_000).expect("a time"));
    let services = MemoryServices::new(clock.clone(), store_bytes);
    runtime.block_on(test(Sim { clock, services, seed }));
}

impl Sim {
    async fn start(&self, id: &str) -> Running {
        let seed = id.bytes().fold(self.seed, |seed, byte| seed.wrapping_mul(31).wrapping_add(byte.into()));
        let (core, inbox, wires) = self.services.core(name(id), settings(), SeededRng::new(seed));
        let core = Arc::new(core);
        let mut tasks = JoinSet::new();
        let (held, instance) = (Arc::clone(&core), Instance::of_this_process(&core.rng));
        tasks.spawn(async move { hold_identity(held, instance).await.expect("the name is this node's") });
        tasks.spawn(Arc::clone(&core).run_relay(inbox));
        tasks.spawn(Arc::clone(&core).run_apply());
        tasks.spawn(Arc::clone(&core).run_gauges());
        self.clock.run_for(Duration::from_secs(1)).await;
        Running { core, wires, _tasks: tasks }
    }

    async fn run(&self, seconds: u64) {
        self.clock.run_for(Duration::from_secs(seconds)).await;
    }
}

impl Running {
    async fn place(&self, id: &str) -> Result<Placement, Error> {
        self.core.handle(PlaceOrder::from(order(id))).await
    }

    async fn place_new(&self, id: &str) {
        let answer = self.place(id).await;
        assert!(matches!(answer, Ok(Placement::New(_))), "{answer:?}");
    }

    /// Order ids in the order of application.
    async fn applied(&self) -> Vec<String> {
        let page = self.core.store.page(0, 10_000).await.expect("a page");
        page.entries.iter().map(|entry| entry.placed.order.order_id.to_string()).collect()
    }
}

#[test]
fn what_has_a_time_to_live_ends_by_virtual_time() {
    simulate(1, None, async |sim| {
        let (one, two) = (sim.start("n1").await, sim.start("n2").await);
        for index in 0..100 {
            one.place_new(&format!("order-{index}")).await;
        }
        sim.run(1).await;
        assert_eq!((one.applied().await.len(), two.applied().await.len(), sim.services.store.depth()), (100, 100, 0));
        let record = || sim.services.store.record(&OrderId::new("order-7").expect("an id"));
        let (marks, kept) = (sim.services.store.marks(&name("n2")), sim.services.store.bytes());
        assert_eq!((marks, record().is_some()), (100, true));
        sim.run(660).await;
        assert_eq!((sim.services.store.marks(&name("n2")), record()), (0, None), "their time has passed");
        assert!(sim.services.store.bytes() < kept, "{} of {kept} bytes", sim.services.store.bytes());
        let again = one.place("order-7").await;
        assert!(matches!(again, Ok(Placement::Replayed(_))), "the projection remembers: {again:?}");
        assert_eq!(sim.clock.elapsed().as_secs(), 663);
    });
}

#[test]
fn a_burst_is_published_once_it_is_over_or_has_gone_on_for_a_second() {
    simulate(9, None, async |sim| {
        let one = sim.start("n1").await;
        // Accepting takes 40 ms, so that who comes together waits together.
        one.wires.store.slow(Duration::from_millis(20));
        let clients = |count: u64| {
            let (core, clock) = (Arc::clone(&one.core), sim.clock.clone());
            let mut clients = JoinSet::new();
            for client in 0..count {
                let (core, clock) = (Arc::clone(&core), clock.clone());
                clients.spawn(async move {
                    let until = clock.elapsed() + Duration::from_secs(2);
                    for turn in 0.. {
                        if clock.elapsed() >= until {
                            return;
                        }
                        let id = format!("{}-{client}-{turn}", until.as_micros());
                        let answer = core.handle(PlaceOrder::from(order(&id))).await;
                        assert!(matches!(answer, Ok(Placement::New(_))), "{answer:?}");
                    }
                });
            }
            clients
        };
        let pass = async |ms: u64| sim.clock.run_for(Duration::from_millis(ms)).await;
        let published = || sim.services.stream.count();

        let mut few = clients(8);
        pass(500).await;
        assert!(published() > 50, "eight at a time are no burst: {}", published());
        pass(2_000).await;
        while few.join_next().await.is_some() {}

        let before = published();
        let mut many = clients(64);
        pass(900).await;
        assert!(published() <= before + 64, "{} of a burst are published at once", published() - before);
        assert!(sim.services.store.depth() > 1_000, "{} are in the outbox", sim.services.store.depth());
        pass(300).await;
        assert!(published() > before + 1_000, "after a second it has waited long enough: {}", published() - before);
        pass(1_500).await;
        while many.join_next().await.is_some() {}
        pass(2_000).await;
        assert_eq!((sim.services.store.marks(&name("n1")), sim.services.store.depth()), (published(), 0));

        // The load was here a moment ago.
        let (before, mut again) = (published(), clients(64));
        pass(500).await;
        assert!(published() > before + 300, "it is no burst after a calm: {}", published() - before);
        pass(3_000).await;
        while again.join_next().await.is_some() {}
    });
}

#[test]
fn what_waits_for_the_relay_for_longer_than_its_lease_is_left_to_recovery() {
    simulate(10, None, async |sim| {
        let one = sim.start("n1").await;
        // Nothing is answered: a window of publishes is on its way, and the others wait.
        one.wires.bus.hold();
        for index in 0..3_000 {
            one.place_new(&format!("order-{index}")).await;
        }
        sim.run(8).await;
        one.wires.bus.release();
        sim.run(30).await;
        assert_eq!(one.core.metrics.relay_overflow.get(), 3_000 - u64::from(settings().publish_window));
        assert_eq!((one.applied().await.len(), sim.services.store.depth()), (3_000, 0));
    });
}

#[test]
fn a_killed_nodes_orders_are_taken_over_and_it_comes_back() {
    simulate(2, None, async |sim| {
        let (one, two) = (sim.start("n1").await, sim.start("n2").await);
        one.wires.bus.cut("planned");
        for index in 0..10 {
            one.place_new(&format!("order-{index}")).await;
        }
        drop(one);
        sim.run(2).await;
        assert_eq!((two.applied().await.len(), sim.services.store.depth()), (0, 10), "the lease is on");
        sim.run(10).await;
        assert_eq!((two.applied().await.len(), sim.services.store.depth()), (10, 0));
        let one = sim.start("n1").await;
        sim.run(10).await;
        assert_eq!(one.applied().await, two.applied().await);
    });
}

#[test]
fn what_a_wire_loses_is_made_good() {
    simulate(3, None, async |sim| {
        let (one, two) = (sim.start("n1").await, sim.start("n2").await);
        for (operation, loss) in [
            (Operation::Publish, Loss::Request),
            (Operation::Publish, Loss::Answer),
            (Operation::Remove, Loss::Request),
            (Operation::Remove, Loss::Answer),
            (Operation::Apply, Loss::Request),
            (Operation::Apply, Loss::Answer),
            (Operation::Ack, Loss::Request),
            (Operation::Subscribe, Loss::Answer),
            (Operation::Look, Loss::Answer),
            (Operation::Follow, Loss::Answer),
            (Operation::Claim, Loss::Answer),
        ] {
            let wire = if matches!(operation, Operation::Publish | Operation::Ack | Operation::Subscribe | Operation::Look) {
                &one.wires.bus
            } else {
                &one.wires.store
            };
            wire.lose(operation, loss, 1);
            one.place_new(&format!("{operation:?}-{loss:?}")).await;
            sim.run(20).await;
        }
        let applied = one.applied().await;
        assert_eq!((applied.len(), sim.services.store.depth()), (11, 0), "{applied:?}");
        assert_eq!(two.applied().await.len(), 11);
        for id in &applied {
            let entry = one.core.store.order(&OrderId::new(id).expect("an id")).await.expect("a read").expect("projected");
            assert_eq!(entry.applied, 1, "{id}");
        }
        assert_eq!(one.core.metrics.applied.get(), 11, "each is told of");
        assert_eq!(sim.services.stream.messages(0, 100).len(), 11);
        one.wires.store.lose(Operation::Accept, Loss::Request, 1);
        assert!(matches!(one.place("never").await, Err(Error::Indeterminate(_))));
        one.wires.store.lose(Operation::Accept, Loss::Answer, 1);
        assert!(matches!(one.place("there").await, Err(Error::Indeterminate(_))));
        sim.run(20).await;
        let there = one.applied().await.split_off(11);
        assert_eq!(there, ["there"], "what was accepted without an answer is published when its lease ends");
    });
}

#[test]
fn a_slow_wire_that_is_cut_loses_what_is_on_its_way() {
    simulate(4, None, async |sim| {
        let one = sim.start("n1").await;
        one.wires.store.slow(Duration::from_millis(50));
        let (core, clock) = (Arc::clone(&one.core), sim.clock.clone());
        let placing = tokio::spawn(async move { core.handle(PlaceOrder::from(order("late"))).await });
        clock.run_for(Duration::from_millis(70)).await;
        assert!(sim.services.store.record(&OrderId::new("late").expect("an id")).is_some(), "it has arrived");
        assert!(!placing.is_finished(), "its answer is on its way");
        one.wires.store.cut("planned");
        sim.run(1).await;
        let answer = placing.await.expect("no panic");
        assert!(matches!(answer, Err(Error::Indeterminate(_))), "{answer:?}");
        assert!(matches!(one.place("cut").await, Err(Error::Unavailable(_))));
        one.wires.store.mend();
        one.wires.store.slow(Duration::ZERO);
        sim.run(20).await;
        assert_eq!(one.applied().await, ["late"]);
    });
}

#[test]
fn a_store_that_refuses_is_told_of_and_drains_while_it_is_full() {
    simulate(5, None, async |sim| {
        let one = sim.start("n1").await;
        one.wires.bus.cut("planned");
        one.place_new("waits").await;
        sim.services.store.refuse(Some(Refusal::Full));
        sim.run(3).await;
        assert_eq!(one.core.health().status, Status::Down);
        assert!(matches!(one.place("refused").await, Err(Error::Unavailable(_))));
        assert!(matches!(one.place("waits").await, Ok(Placement::Replayed(_))), "what is there is answered");
        one.wires.bus.mend();
        sim.run(10).await;
        assert_eq!((sim.services.store.depth(), one.applied().await.len()), (0, 0), "it drains, and applies nothing");
        sim.services.store.refuse(Some(Refusal::Loading));
        assert!(one.core.store.progress().await.is_err());
        sim.services.store.refuse(None);
        sim.run(10).await;
        assert_eq!((one.core.health().status, one.applied().await), (Status::Up, vec!["waits".to_owned()]));
        sim.services.store.refuse(Some(Refusal::ReadOnly));
        assert!(matches!(one.place("refused").await, Err(Error::Unavailable(_))));
        one.core.store.progress().await.expect("reads go on");
        sim.services.store.refuse(None);
        one.wires.store.unfit(Some("planned"));
        assert_eq!(one.core.health().status, Status::Down);
        one.wires.store.unfit(None);
        assert_eq!(one.core.health().status, Status::Up);
    });
}

#[test]
fn a_store_at_its_size_refuses_until_records_have_ended() {
    simulate(6, Some(20_000), async |sim| {
        let one = sim.start("n1").await;
        let mut accepted = 0;
        let refused = loop {
            match one.place(&format!("order-{accepted}")).await {
                Ok(_) => accepted += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(&refused, Error::Unavailable(why) if why.contains("OOM")), "{refused:?}");
        assert!(accepted > 10, "{accepted}");
        sim.run(2).await;
        assert_eq!(sim.services.store.depth(), 0, "the rows are gone");
        let most = sim.services.store.bytes();
        assert!(most < 25_000, "{most} bytes");
        sim.run(660).await;
        assert!(sim.services.store.bytes() < most);
        one.place_new("later").await;
    });
}

#[test]
fn stopped_services_come_back_with_what_they_had() {
    simulate(7, None, async |sim| {
        let one = sim.start("n1").await;
        one.place_new("before").await;
        sim.run(1).await;
        sim.services.stream.stop("planned");
        sim.run(1).await;
        assert_eq!(one.core.health().status, Status::Degraded);
        one.place_new("meanwhile").await;
        sim.services.store.stop("planned");
        sim.run(1).await;
        assert_eq!(one.core.health().status, Status::Down);
        // A node that starts meanwhile waits for both.
        let two = sim.start("n2").await;
        assert_eq!(two.core.health().status, Status::Down);
        sim.services.store.start();
        sim.services.stream.start();
        sim.run(10).await;
        for node in [&one, &two] {
            assert_eq!((node.core.health().status, node.applied().await.len()), (Status::Up, 2));
        }
    });
}

#[test]
fn a_store_that_is_rolled_back_is_caught_up_from_the_stream() {
    simulate(8, None, async |sim| {
        let one = sim.start("n1").await;
        one.place_new("kept").await;
        sim.run(1).await;
        let snapshot = sim.services.store.snapshot();
        for index in 0..20 {
            one.place_new(&format!("lost-{index}")).await;
        }
        sim.run(1).await;
        sim.services.store.roll_back(&snapshot);
        assert_eq!(one.applied().await.len(), 1);
        sim.run(10).await;
        assert_eq!((one.applied().await.len(), one.core.metrics.rewinds.get()), (21, 1));
        sim.services.store.flush();
        sim.run(10).await;
        assert_eq!(one.applied().await.len(), 21, "an empty store is caught up from the beginning");
    });
}

#[test]
fn one_seed_gives_one_history() {
    let history = |seed| {
        let mut seen = BTreeMap::new();
        simulate(seed, None, async |sim| {
            let nodes = [sim.start("n1").await, sim.start("n2").await, sim.start("n3").await];
            for (index, node) in nodes.iter().cycle().take(60).enumerate() {
                node.wires.store.slow(Duration::from_millis(index as u64 % 7));
                node.wires.bus.slow(Duration::from_millis(index as u64 % 5));
                if index == 20 {
                    nodes[1].wires.bus.cut("planned");
                    nodes[2].wires.store.lose(Operation::Apply, Loss::Answer, 2);
                }
                let core = Arc::clone(&node.core);
                tokio::spawn(async move { core.handle(PlaceOrder::from(order(&format!("order-{index}")))).await });
                sim.clock.run_for(Duration::from_millis(3)).await;
            }
            nodes[1].wires.bus.mend();
            sim.run(60).await;
            for node in &nodes {
                node.wires.store.slow(Duration::ZERO);
                let page = node.core.store.page(0, 1000).await.expect("a page");
                let entries = page.entries.iter();
                let told: Vec<_> = entries.map(|entry| (entry.placed.clone(), entry.sequence, entry.applied_at_us)).collect();
                assert_eq!(told.len(), 60);
                seen.insert(node.core.node.to_string(), format!("{told:?}"));
            }
        });
        seen
    };
    assert_eq!(history(7), history(7));
    assert_ne!(history(7), history(8));
}

/// A node with HTTP on a runtime of its own: with the runtime all of it is gone, connections too, as with a process.
struct Hosted {
    url: String,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Hosted {
    fn start(services: &MemoryServices<SystemClock>, id: &str, address: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let settings = Cli::parse_from(["node", "--identity-lease=1s", "--lease=1s", "--ack-wait=1s"]).settings;
        let listener = std::net::TcpListener::bind(address).expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        listener.set_nonblocking(true).expect("not blocking");
        let (services, id) = (services.clone(), name(id));
        runtime.spawn(async move {
            let (core, inbox, _) = services.core(id, settings, OsRng);
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            node::serve::run(core, inbox, listener, std::future::pending()).await
        });
        Self { url, runtime: Some(runtime) }
    }
}

impl Drop for Hosted {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

#[tokio::test]
async fn nodes_that_share_services_in_one_process_survive_the_death_of_one() {
    let services = MemoryServices::new(SystemClock::default(), None);
    let client = reqwest::Client::builder().no_proxy().timeout(crate::space::DEADLINE).build().expect("a client");
    let post = async |node: &Hosted, id: &str| {
        let body = crate::space::order(id).to_string();
        let request = client.post(format!("{}/api/orders", node.url)).header("content-type", "application/json");
        request.body(body).send().await.map(|answer| answer.status().as_u16()).map_err(|error| error.to_string())
    };
    let get = async |node: &Hosted, path: &str| {
        let answer = client.get(format!("{}{path}", node.url)).send().await;
        answer.map(|answer| answer.status().as_u16()).map_err(|error| error.to_string())
    };
    let wait = async |node: &Hosted, path: &str| {
        eventually(&format!("{}{path} answers 200", node.url), async || match get(node, path).await {
            Ok(200) => Ok(()),
            other => Err(format!("{other:?}")),
        })
        .await;
    };
    let mut nodes: Vec<Hosted> = ["n1", "n2", "n3"].iter().map(|id| Hosted::start(&services, id, "127.0.0.1:0")).collect();
    for node in &nodes {
        wait(node, "/health/ready").await;
    }
    assert_eq!(post(&nodes[0], "before").await, Ok(201));
    for node in &nodes {
        wait(node, "/api/orders/before").await;
    }
    let dead = nodes.remove(0);
    let address = dead.url.trim_start_matches("http://").to_owned();
    let url = dead.url.clone();
    drop(dead);
    eventually("the dead node answers nobody", async || match client.get(format!("{url}/health/live")).send().await {
        Err(error) => Ok(error),
        Ok(answer) => Err(answer.status().to_string()),
    })
    .await;
    assert_eq!(post(&nodes[0], "meanwhile").await, Ok(201));
    assert_eq!(post(&nodes[1], "before").await, Ok(200), "the store remembers what the dead one accepted");
    nodes.push(Hosted::start(&services, "n1", &address));
    wait(&nodes[2], "/health/ready").await;
    for node in &nodes {
        for id in ["before", "meanwhile"] {
            wait(node, &format!("/api/orders/{id}")).await;
        }
    }
    eventually("the outbox is empty", async || match services.store.depth() {
        0 => Ok(()),
        depth => Err(depth.to_string()),
    })
    .await;
    assert_eq!(services.stream.messages(0, 10).len(), 2);
}
