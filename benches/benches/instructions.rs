//! Runs one scene a number of times, for counting its instructions: `benches/instructions` does that under callgrind.
//! Called by itself it lists the scenes.

use std::hint::black_box;
use std::io::Write as _;
use std::time::Duration;

use benches::finish;
use benches::listeners;
use benches::orders::{BODY, Bench, items, payloads, place, placed, projected, store};
use benches::requests::{Add, Added, Adder, FIVE, PassThrough};
use node::mediator::behaviours::{Idempotent, Measured, TimeLimit, Traced, Validated};
use node::mediator::{Handler as _, Mediator, Pipeline};
use node::metrics::{Histogram, Short};
use node::order::{PlacedOrder, parse_order};
use node::ports::Store as _;

fn add() -> Add {
    Add(black_box(1), black_box(2))
}

fn send(times: u64, behaviours: impl Pipeline<Add>) {
    let mediator = Mediator::new(Adder, behaviours);
    for _ in 0..times {
        let _ = black_box(finish(black_box(&mediator).send(add())));
    }
}

fn direct(times: u64) {
    for _ in 0..times {
        let _ = black_box(finish(black_box(&Adder).handle(add())));
    }
}

fn publish(times: u64) {
    let mediator = Mediator::new(Adder, ()).with_listeners(listeners!(1 2 3));
    for _ in 0..times {
        finish(black_box(&mediator).publish(&Added(black_box(3))));
    }
}

fn accept(times: u64) {
    let bench = Bench::new();
    for number in 0..times {
        finish(bench.mediator.send(place(number))).expect("accepted");
    }
}

/// Batches of ten.
fn apply(times: u64) {
    let store = store();
    finish(store.follow("bench", 0)).expect("followed");
    for batch in 0..times / 10 {
        finish(store.apply("bench", &items(&payloads(1 + 10 * batch, 10)))).expect("applied");
    }
}

fn each<T>(times: u64, what: impl Fn() -> T) {
    for _ in 0..times {
        black_box(what());
    }
}

fn measured() -> Measured<Histogram<Short>> {
    Measured(Histogram::default())
}

const LIMIT: TimeLimit = TimeLimit(Duration::from_secs(5));

type Scene = (&'static str, fn(u64));

const SCENES: &[Scene] = &[
    ("send/direct", direct),
    ("send/behaviours-0", |times| send(times, ())),
    ("send/behaviours-1", |times| send(times, (PassThrough, ()))),
    ("send/behaviours-5", |times| send(times, FIVE)),
    ("send/traced-off", |times| send(times, (Traced, ()))),
    ("send/validated", |times| send(times, (Validated, ()))),
    ("send/time-limit", |times| send(times, (LIMIT, ()))),
    ("send/idempotent", |times| send(times, (Idempotent::<u64>::new(()), ()))),
    ("send/measured", |times| send(times, (measured(), ()))),
    ("publish/3", publish),
    ("accept/new", accept),
    ("apply/one", apply),
    ("json/request-in", |times| each(times, || parse_order(black_box(BODY)))),
    ("json/placed-out", |times| {
        let placed = placed(7);
        each(times, || black_box(&placed).to_json());
    }),
    ("json/placed-in", |times| {
        let payload = placed(7).to_json();
        each(times, || PlacedOrder::from_json(black_box(&payload)));
    }),
    ("json/projected-out", |times| {
        let projected = projected(7);
        each(times, || {
            let mut text = String::with_capacity(320);
            black_box(&projected).write_json(&mut text);
            text
        });
    }),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.as_slice() {
        [name, times] => {
            let times = times.parse().expect("a number of times");
            let (_, scene) = SCENES.iter().find(|(known, _)| known == name).expect("a scene that there is");
            scene(times);
        }
        _ => {
            for (name, _) in SCENES {
                let _ = writeln!(std::io::stdout(), "{name}");
            }
        }
    }
}
