//! What a send through the mediator costs beside a direct call of the same handler, a boxed mediator, and the mediators
//! that others publish; and what the real behaviours add, one by one.

use std::hint::black_box;
use std::time::Duration;

use benches::boxed::BoxedMediator;
use benches::requests::{Add, Added, Adder, FIVE, PassThrough};
use benches::{finish, listeners};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use node::mediator::behaviours::{Idempotent, Measured, TimeLimit, Traced, Validated};
use node::mediator::{Handler as _, Mediator, Pipeline, Publish};
use node::metrics::{Histogram, Short};

#[path = "mediator/others.rs"]
mod others;

fn add() -> Add {
    Add(black_box(1), black_box(2))
}

fn bench<B: Pipeline<Add>>(criterion: &mut Criterion, name: &str, behaviours: B) {
    let mediator = Mediator::new(Adder, behaviours);
    criterion.bench_function(&format!("send/{name}"), |bencher| {
        bencher.iter(|| finish(black_box(&mediator).send(add())));
    });
}

fn send(criterion: &mut Criterion) {
    criterion.bench_function("send/direct", |bencher| {
        bencher.iter(|| finish(black_box(&Adder).handle(add())));
    });
    bench(criterion, "behaviours-0", ());
    bench(criterion, "behaviours-1", (PassThrough, ()));
    bench(criterion, "behaviours-5", FIVE);
    bench(criterion, "traced-off", (Traced, ()));
    bench(criterion, "measured", (Measured(Histogram::<Short>::default()), ()));
    bench(criterion, "validated", (Validated, ()));
    bench(criterion, "time-limit", (TimeLimit(Duration::from_secs(5)), ()));
    bench(criterion, "idempotent", (Idempotent::<u64>::new(()), ()));
    let measured = Measured(Histogram::<Short>::default());
    let limit = TimeLimit(Duration::from_secs(5));
    bench(criterion, "all-five", (Traced, (measured, (Validated, (limit, (Idempotent::<u64>::new(()), ()))))));
}

fn others(criterion: &mut Criterion) {
    for behaviours in [0, 1, 5] {
        let mut boxed = BoxedMediator::default();
        boxed.handle(|Add(left, right): Add| async move { left.wrapping_add(right) });
        (0..behaviours).for_each(|_| boxed.pass_through());
        criterion.bench_function(&format!("send/boxed-{behaviours}"), |bencher| {
            bencher.iter(|| finish(black_box(&boxed).send::<Add, u64>(add())));
        });
    }
    others::send(criterion);
}

fn publish(criterion: &mut Criterion) {
    fn bench(criterion: &mut Criterion, count: u32, listeners: impl Publish<Added>) {
        let mediator = Mediator::new(Adder, ()).with_listeners(listeners);
        criterion.bench_with_input(BenchmarkId::new("publish", count), &count, |bencher, _| {
            bencher.iter(|| finish(black_box(&mediator).publish(&Added(black_box(3)))));
        });
    }
    bench(criterion, 1, listeners!(1));
    bench(criterion, 3, listeners!(1 2 3));
    bench(criterion, 10, listeners!(1 2 3 4 5 6 7 8 9 10));
}

criterion_group!(benches, send, others, publish);
criterion_main!(benches);
