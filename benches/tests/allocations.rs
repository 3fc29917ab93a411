//! The send path allocates nothing: not with no behaviour, not with five, not with the real ones.

use std::hint::black_box;
use std::time::Duration;

use allocation_counter::measure;
use benches::boxed::BoxedMediator;
use benches::requests::{Add, Added, Adder, FIVE};
use benches::{finish, listeners};
use node::mediator::behaviours::{Idempotent, Measured, TimeLimit, Traced, Validated};
use node::mediator::{Mediator, Pipeline};
use node::metrics::{Decision, Ended, Histogram, Method, Metrics, RequestName, Route, Short, Status};

fn allocations(behaviours: impl Pipeline<Add>) -> u64 {
    let mediator = Mediator::new(Adder, behaviours);
    let send = || {
        for number in 0..100 {
            assert_eq!(black_box(finish(mediator.send(Add(black_box(number), 2)))), Ok(number + 2));
        }
    };
    measure(send).count_total
}

#[test]
fn a_send_allocates_nothing_whatever_its_behaviours() {
    let measured = || Measured(Histogram::<Short>::default());
    let limit = TimeLimit(Duration::from_secs(5));
    assert_eq!(allocations(()), 0, "without behaviours");
    assert_eq!(allocations(FIVE), 0, "five that pass on");
    assert_eq!(allocations((Traced, ())), 0, "tracing, where nobody wants spans");
    assert_eq!(allocations((measured(), ())), 0, "metrics");
    assert_eq!(allocations((Validated, ())), 0, "validation");
    assert_eq!(allocations((limit, ())), 0, "time limit");
    assert_eq!(allocations((Idempotent::<u64>::new(()), ())), 0, "idempotency");
    let limit = TimeLimit(Duration::from_secs(5));
    let all = (Traced, (measured(), (Validated, (limit, (Idempotent::<u64>::new(()), ())))));
    assert_eq!(allocations(all), 0, "all five");
}

#[test]
fn the_counter_counts() {
    let mut boxed = BoxedMediator::default();
    boxed.handle(|Add(left, right): Add| async move { left.wrapping_add(right) });
    boxed.pass_through();
    let counted = measure(|| assert_eq!(finish(boxed.send::<Add, u64>(Add(1, 2))), Some(3))).count_total;
    assert!(counted >= 4, "request, response and each future are boxed: {counted}");
}

#[test]
fn a_publish_allocates_nothing() {
    let mediator = Mediator::new(Adder, ()).with_listeners(listeners!(1 2 3 4 5 6 7 8 9 10));
    assert_eq!(measure(|| finish(mediator.publish(&Added(black_box(3))))).count_total, 0);
}

#[test]
fn counting_a_request_allocates_nothing_once_its_series_was_met() {
    let metrics = Metrics::default();
    let count = || {
        let time = Duration::from_micros(black_box(700));
        let labels = (black_box(Route::Orders), (Method::Post, Status(201)));
        metrics.http_requests.of(labels).observe(time);
        metrics.sends.of((RequestName::PlaceOrder, Ended::Ok)).observe(time);
        metrics.orders.of(Decision::New).increment();
        metrics.apply_lag.observe(time);
    };
    assert_eq!(measure(count).count_total, 2, "one for each series that is kept only when it is met");
    assert_eq!(measure(count).count_total, 0);
}
