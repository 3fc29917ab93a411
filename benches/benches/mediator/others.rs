//! The same addition through the mediators that others publish, as their own pages show them.

use std::convert::Infallible;
use std::hint::black_box;

use benches::finish;
use criterion::Criterion;

#[derive(medi_rs::MediCommand)]
#[medi_command(return_type = u64, error_type = Infallible)]
struct Add(u64, u64);

#[expect(clippy::unused_async, reason = "handlers are asynchronous; this one has nothing to wait for")]
#[medi_rs::medi_handler]
async fn add(Add(left, right): Add) -> Result<u64, Infallible> {
    Ok(left.wrapping_add(right))
}

medi_rs::medi_module! {
    manifest adding;
    commands { Add => add; }
}

medi_rs::mediator! {
    struct Static {
        event_queue_capacity: 1;
        event_workers: 1;
        modules: [adding];
    }
}

impl mediator::Request<u64> for Add {}

struct Adder;

#[async_trait::async_trait]
impl mediator::AsyncRequestHandler<Add, u64> for Adder {
    async fn handle(&mut self, Add(left, right): Add) -> u64 {
        left.wrapping_add(right)
    }
}

impl brazier::Request<u64> for Add {}

#[async_trait::async_trait]
impl brazier::RequestHandler<Add, u64> for Adder {
    async fn handle(&mut self, Add(left, right): Add) -> brazier::Result<u64> {
        Ok(left.wrapping_add(right))
    }
}

impl mediator_rs::Request for Add {
    type Output = u64;
}

#[async_trait::async_trait]
impl mediator_rs::Handler<Add, Infallible, ()> for Adder {
    async fn handle(&self, Add(left, right): Add, (): &()) -> Result<u64, Infallible> {
        Ok(left.wrapping_add(right))
    }
}

fn request() -> Add {
    Add(black_box(1), black_box(2))
}

pub(super) fn send(criterion: &mut Criterion) {
    let medi_rs = Static::builder().build();
    criterion.bench_function("send/crate-medi-rs", |bencher| {
        bencher.iter(|| finish(black_box(&medi_rs).send(request())));
    });
    let mut mediator_rs = mediator_rs::Mediator::<(), Infallible>::new();
    mediator_rs.register::<Add, _>(Adder);
    criterion.bench_function("send/crate-mediator-rs", |bencher| {
        bencher.iter(|| finish(black_box(&mediator_rs).dispatch(request(), &())));
    });
    let mut brazier = brazier::Mediator::new();
    brazier.register_handler(Adder);
    criterion.bench_function("send/crate-brazier", |bencher| {
        bencher.iter(|| finish(black_box(&mut brazier).send::<Add, u64>(request())));
    });
    // It can only be built inside a runtime of several threads.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().expect("a runtime");
    let building = async { mediator::DefaultAsyncMediator::builder().add_handler(Adder).build() };
    let mut mediator = runtime.block_on(building);
    criterion.bench_function("send/crate-mediator", |bencher| {
        use mediator::AsyncMediator as _;
        bencher.iter(|| finish(black_box(&mut mediator).send::<Add, u64>(request())));
    });
}
