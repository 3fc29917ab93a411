//! The node's core on services in memory: accepting and applying, and JSON in and out.

use std::hint::black_box;
use std::time::{Duration, Instant};

use benches::finish;
use benches::orders::{BODY, Bench, items, payloads, place, placed, projected, store};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use node::order::{PlacedOrder, parse_order};
use node::ports::Store as _;

/// Orders after which the services begin anew: what they hold must not grow with the time that is measured.
const ROUND: u64 = 10_000;
/// Deliveries in one step.
const BATCH: u64 = 128;

/// Times `each` for numbers from 0 on, on fresh things in every round.
fn rounds<T>(times: u64, fresh: impl Fn() -> T, each: impl Fn(&T, u64)) -> Duration {
    let (mut took, mut done) = (Duration::ZERO, 0);
    while done < times {
        let (things, count) = (fresh(), ROUND.min(times - done));
        let begun = Instant::now();
        (0..count).for_each(|number| each(&things, number));
        took += begun.elapsed();
        done += count;
    }
    took
}

fn accept(criterion: &mut Criterion) {
    criterion.bench_function("accept/new", |bencher| {
        bencher.iter_custom(|times| {
            rounds(times, Bench::new, |bench, number| {
                finish(bench.mediator.send(place(number))).expect("accepted");
            })
        });
    });
    let bench = Bench::new();
    finish(bench.mediator.send(place(1))).expect("accepted");
    criterion.bench_function("accept/replay", |bencher| bencher.iter(|| finish(bench.mediator.send(place(black_box(1))))));
}

fn apply(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("apply");
    group.throughput(Throughput::Elements(BATCH));
    group.bench_function("batch-128", |bencher| {
        bencher.iter_custom(|batches| {
            let (mut took, mut done) = (Duration::ZERO, 0);
            while done < batches {
                let store = store();
                finish(store.follow("bench", 0)).expect("followed");
                for round in 0..(ROUND / BATCH).min(batches - done) {
                    let payloads = payloads(1 + round * BATCH, BATCH);
                    let begun = Instant::now();
                    let applied = finish(store.apply("bench", &items(&payloads))).expect("applied");
                    took += begun.elapsed();
                    assert_eq!(applied.position, (round + 1) * BATCH);
                    done += 1;
                }
            }
            took
        });
    });
    group.finish();
}

fn json(criterion: &mut Criterion) {
    criterion.bench_function("json/request-in", |bencher| bencher.iter(|| parse_order(black_box(BODY))));
    let placed = placed(7);
    criterion.bench_function("json/placed-out", |bencher| bencher.iter(|| black_box(&placed).to_json()));
    let payload = placed.to_json();
    criterion.bench_function("json/placed-in", |bencher| bencher.iter(|| PlacedOrder::from_json(black_box(&payload))));
    let projected = projected(7);
    criterion.bench_function("json/projected-out", |bencher| {
        bencher.iter(|| {
            let mut text = String::with_capacity(320);
            black_box(&projected).write_json(&mut text);
            text
        });
    });
}

criterion_group!(benches, accept, apply, json);
criterion_main!(benches);
