//! A node's consumer changed by an operator: it is made anew where the projection ends.

use std::time::Duration;

use async_nats::jetstream::consumer::{FromConsumer as _, pull};

use crate::books::Books;
use crate::space::Space;

#[tokio::test]
async fn a_consumer_that_an_operator_changed_is_made_anew_where_the_projection_ends() {
    const REMADE: &str = "the consumer is not set up as this node needs it; it is made anew";
    let space = Space::new().await;
    let node = space.node("n1").ready().await;
    let mut books = Books::default();
    books.place(&node, 3).await;
    books.agree(&space, &[&node]).await;
    // It would see no order, wait for an hour before it is shown one again, or be shown it only once.
    let changes: [fn(&mut pull::Config, &str); 3] = [
        |config, space| config.filter_subject = format!("{space}.elsewhere"),
        |config, _| config.ack_wait = Duration::from_secs(3600),
        |config, _| config.max_deliver = 1,
    ];
    for (count, change) in changes.into_iter().enumerate() {
        let stream = space.stream().await;
        let info = stream.consumer_info("n1").await.expect("the consumer exists");
        let mut config = pull::Config::try_from_consumer_config(info.config).expect("a pull consumer");
        change(&mut config, &space.name);
        stream.update_consumer(config).await.expect("the consumer is changed");
        books.place(&node, 2).await;
        crate::space::eventually("it is made anew", async || match node.told(REMADE) {
            told if told == count + 1 => Ok(()),
            told => Err(format!("{told}: {:?}", node.lines().last())),
        })
        .await;
        books.agree(&space, &[&node]).await;
        let info = space.stream().await.consumer_info("n1").await.expect("the consumer exists");
        assert_eq!((info.config.ack_wait, info.config.max_deliver), (Duration::from_secs(1), -1));
        assert_eq!(info.config.filter_subject, format!("{}.>", space.name));
    }
    assert_eq!((node.metric("catga_parked_total").await, node.metric("catga_apply_rewinds_total").await), (0, 0));
    space.clean().await;
}
