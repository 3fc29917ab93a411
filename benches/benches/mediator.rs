//! What a send through the mediator costs beside a direct call of the same handler.
//!
//! The futures never wait, so each is polled once by hand: a runtime's own cost would hide what is measured.

use std::future::Future;
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use criterion::{Criterion, criterion_group, criterion_main};
use node::mediator::{Behaviour, Handler, Mediator, Next, Outcome, Request};

/// A request small enough that its handling costs next to nothing.
struct Add(u64, u64);

impl Request for Add {
    type Response = u64;
    type Error = ();
}

struct Adder;

impl Handler<Add> for Adder {
    async fn handle(&self, Add(left, right): Add) -> Outcome<Add> {
        Ok(left.wrapping_add(right))
    }
}

/// Only passes the request on.
struct PassThrough;

impl<R: Request> Behaviour<R> for PassThrough {
    async fn around(&self, request: R, next: impl Next<R>) -> Outcome<R> {
        next.call(request).await
    }
}

/// Polls a future that is ready at once.
fn finish<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the benched futures never wait"),
    }
}

fn send(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("send");
    group.bench_function("direct", |bencher| {
        bencher.iter(|| finish(black_box(&Adder).handle(Add(black_box(1), black_box(2)))));
    });
    let none = Mediator::new(Adder, ());
    group.bench_function("behaviours-0", |bencher| {
        bencher.iter(|| finish(black_box(&none).send(Add(black_box(1), black_box(2)))));
    });
    let one = Mediator::new(Adder, (PassThrough, ()));
    group.bench_function("behaviours-1", |bencher| {
        bencher.iter(|| finish(black_box(&one).send(Add(black_box(1), black_box(2)))));
    });
    let five = Mediator::new(Adder, (PassThrough, (PassThrough, (PassThrough, (PassThrough, (PassThrough, ()))))));
    group.bench_function("behaviours-5", |bencher| {
        bencher.iter(|| finish(black_box(&five).send(Add(black_box(1), black_box(2)))));
    });
    group.finish();
}

criterion_group!(benches, send);
criterion_main!(benches);
