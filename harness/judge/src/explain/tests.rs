use super::explain;
use crate::history::{OpKind, Outcome};
use crate::testing::{Story, answer, id};
use crate::verdict::Verdict;

#[test]
fn lost_order_is_told_stage_by_stage_with_the_operation_that_was_promised() {
    let mut story = Story::good(20);
    story.never_published(4);
    story.again(100, 4, OpKind::Replay, Outcome::Ok, 200, Some(answer(4)));
    let told = explain(&story.plan, &story.history(), &[], &id(4)).expect("there is such an order");
    assert_eq!(told.smallest, [("lost".to_owned(), vec![100])]);
    let text = told.text();
    for wanted in [
        "run-customer-1 for 4.29: acknowledged; LOST: it is missing on cluster-node-1, cluster-node-2, cluster-node-3",
        "+0.040 s  operation 4: intended for cluster-node-2, run-customer-1 for 4.29",
        "operation 4: answered 201, message m-4",
        "at the end: idempotency record of run-customer-1 for 4.29, message m-4",
        "at the end: nothing in stream",
        "at the end: nothing in projection cluster-node-1",
    ] {
        assert!(text.contains(wanted), "{wanted}\n{text}");
    }
}

#[test]
fn good_order_is_explained_without_a_finding() {
    let story = Story::good(20);
    let told = explain(&story.plan, &story.history(), &[], &id(7)).expect("there is such an order");
    assert_eq!((told.findings.len(), told.smallest.len()), (0, 0), "{}", told.text());
    assert!(told.text().contains("it is on every node"));
    assert_eq!(explain(&story.plan, &story.history(), &[], "run-999"), None);
}

#[test]
fn smallest_set_of_a_hot_order_is_the_answer_that_differs_from_its_message() {
    let mut story = Story::good(20);
    for op in 100..160 {
        story.again(op, 4, OpKind::Replay, Outcome::Ok, 200, Some(answer(4)));
    }
    story.end_mut(130).answer.as_mut().expect("it was told").accepted_by = "cluster-node-9".to_owned();
    let told = explain(&story.plan, &story.history(), &[], &id(4)).expect("there is such an order");
    assert!(told.findings.iter().any(|finding| finding.name == "idempotency" && finding.verdict == Verdict::Invalid));
    let (_, ops) = told.smallest.iter().find(|(checker, _)| checker == "idempotency").expect("it is found");
    assert_eq!(*ops, [130], "the stream tells the first answer");
}
