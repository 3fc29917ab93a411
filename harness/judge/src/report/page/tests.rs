//! The page as a reader of its source sees it; that its charts are drawn, a browser tells (`.ci/page`).

use super::{About, page};
use crate::testing::Story;

fn of(story: &Story, about: &About) -> String {
    let judgement = story.judgement();
    page(&judgement.report, judgement.series.as_ref(), about)
}

#[test]
fn page_opens_with_the_verdict_and_needs_nothing_from_outside() {
    let page = of(&Story::good(1_200), &About::default());
    let (head, rest) = page.split_once("</header>").expect("it has a head");
    assert!(head.contains(">VALID</span>") && head.contains("<b>Hypothesis</b>"), "{head}");
    for outside in ["http://", "https://", "src=", "<link", "@import", "url("] {
        // The one name that is no address: of the element that charts are made of.
        let rest = rest.replace("http://www.w3.org/2000/svg", "");
        assert!(!rest.contains(outside), "the page refers to {outside}");
    }
    for heading in ["Over time", "Faults", "Latencies", "Checkers", "The run"] {
        assert!(rest.contains(&format!("<h2>{heading}</h2>")), "{heading}");
    }
}

#[test]
fn what_the_cluster_said_never_becomes_markup() {
    let mut story = Story::good(1_200);
    story.plan.hypothesis = "</script><script>alert(1)</script>".to_owned();
    let about = About {
        repeat: Some("cargo run -- chaos '<b>'".to_owned()),
        versions: vec![("</td>".to_owned(), "\"quoted\" & 'so'".to_owned())],
    };
    let page = of(&story, &about);
    assert_eq!(page.matches("<script").count(), 2, "the data and the charts");
    assert!(page.contains("&lt;/script&gt;&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert!(page.contains("chaos &#39;&lt;b&gt;&#39;") && page.contains("&quot;quoted&quot; &amp; &#39;so&#39;"));
}

#[test]
fn finding_shows_the_life_of_each_order_that_it_names() {
    let mut story = Story::good(1_200);
    story.forget_on(&[0, 1, 2], 7);
    let page = of(&story, &About::default());
    assert!(page.contains(">INVALID</span>"), "{}", &page[..page.len().min(400)]);
    let id = crate::testing::id(7);
    assert!(page.contains(&format!("<summary><code>{id}</code> reached: ")), "the life of {id} is told");
}

#[test]
fn page_of_an_hour_is_no_larger_than_one_of_ten_minutes() {
    let length = |orders: u64| of(&Story::good(orders), &About::default()).len();
    // 100 orders a second; the number of stretches is bounded at 600.
    let (short, long) = (length(15_000), length(60_000));
    assert!(long < 3 * short && long < 1 << 20, "{short} and {long} bytes");
}

#[test]
fn a_percentile_of_too_few_says_how_many_it_needs() {
    let page = of(&Story::good(120), &About::default());
    assert!(page.contains("too few: 120 of 1,000 needed") && page.contains("too few: 120 of 100,000 needed"), "{page}");
    assert!(page.contains("cluster-node-1 → cluster-node-3"));
}
