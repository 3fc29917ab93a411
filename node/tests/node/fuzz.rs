//! The parser of orders against an oracle, on bodies that nobody would send: it never panics, accepts exactly what the
//! contract allows, and what it accepted reads back as itself.
//!
//! The bodies come from a seed, so a failure repeats. `CATGA_FUZZ_CASES` and `CATGA_FUZZ_SEED` make it another, longer
//! search; one that is led by coverage is in `node/fuzz`.

use jiff::Timestamp;
use node::order::{MessageId, NodeId, PlacedOrder, RequestError, parse_order};

#[path = "../../fuzz/oracle.rs"]
mod oracle;

use oracle::{Said, judge};

const CASES: u64 = 200_000;

/// Where mutations begin: right, and wrong in each way that there is a rule for.
const SEEDS: [&str; 16] = [
    r#"{"orderId":"order-001","customerId":"customer-123","amount":99.99}"#,
    r#"{"orderId":"a","customerId":"b","amount":1e2}"#,
    r#" { "amount" : 0.01 , "customerId" : "c:1" , "orderId" : "x.y_z-0" } "#,
    r#"{"orderId":"a","customerId":"b","amount":1000000000}"#,
    r#"{"orderId":"a","customerId":"b","amount":0.0000000001e10}"#,
    r#"{"orderId":"\u0061\u002d","customerId":"b","amount":12345.60}"#,
    r#"{"orderId":"a","customerId":"b","amount":"1"}"#,
    r#"{"orderId":"a","customerId":"b","amount":1,"note":{"deep":[1,{"er":[[]]}]}}"#,
    r#"{"orderId":"a","orderId":"a","customerId":"b","amount":1}"#,
    r#"{"orderId":"\ud83d\ude00","customerId":"b","amount":-0.0}"#,
    r#"["a","b",1]"#,
    "null",
    "{}",
    "",
    "\u{feff}{}",
    r#"{"orderId":"..","customerId":"","amount":1.005}"#,
];

/// Pieces that mean something to the parser.
const PIECES: [&str; 40] = [
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"",
    "\\",
    " ",
    "\n",
    "\t",
    "\r",
    "\0",
    "0",
    "00",
    "9",
    ".",
    "-",
    "+",
    "e",
    "E",
    "e-2",
    "1e9",
    "1e99999999999999999999",
    "0.001",
    "0.10",
    "1000000000.00",
    "1000000000.01",
    "true",
    "null",
    "\\u0041",
    "\\ud800",
    "\\udc00",
    "\u{e9}",
    "\u{1f600}",
    "\"orderId\"",
    "\"customerId\":\"c\"",
    "\"amount\":1",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "[[[[[[[[[[[[[[[[",
];

/// A small generator of even numbers of chance (xorshift64*); it only has to repeat.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(high).expect("31 bits") % sides.max(1)
    }

    fn pick<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.roll(of.len())]
    }
}

fn number(dice: &mut Dice) -> String {
    let digits = |dice: &mut Dice, most: usize| {
        (0..dice.roll(most)).map(|_| char::from(b'0' + u8::try_from(dice.roll(10)).expect("a digit"))).collect::<String>()
    };
    let mut text = format!("{}{}", dice.pick(&["", "", "", "-"]), dice.pick(&["0", "1", "9", "10", "999999999", "1000000000"]));
    if dice.roll(2) == 0 {
        text += &[".", &digits(dice, 4), dice.pick(&["0", "1", "5", "00"])].concat();
    }
    if dice.roll(3) == 0 {
        text += &[dice.pick(&["e", "E"]), dice.pick(&["", "+", "-"]), &dice.roll(13).to_string()].concat();
    }
    text
}

fn id(dice: &mut Dice) -> String {
    let length = *dice.pick(&[&0_usize, &1, &5, &20, &127, &128, &129]);
    let alphabet = dice.pick(&["a", "aZ09", "._:-", "a.b:c-d_e", "a/", "ä1", "x "]);
    let letters: Vec<char> = alphabet.chars().collect();
    (0..length).map(|_| letters[dice.roll(letters.len())]).collect()
}

/// A body: an order with surprises in it, or a mutation of something known.
fn body(dice: &mut Dice) -> Vec<u8> {
    let mut body = if dice.roll(2) == 0 {
        let mut fields = [
            format!(r#""orderId":"{}""#, id(dice)),
            format!(r#""customerId":"{}""#, id(dice)),
            format!(r#""amount":{}"#, number(dice)),
        ];
        let (a, b) = (dice.roll(3), dice.roll(3));
        fields.swap(a, b);
        format!("{{{}}}", fields.join(dice.pick(&[",", ", ", ",\n"]))).into_bytes()
    } else {
        dice.pick(&SEEDS).as_bytes().to_vec()
    };
    for _ in 0..dice.roll(5) {
        let at = dice.roll(body.len() + 1);
        let to = (at + dice.roll(9)).min(body.len());
        match dice.roll(5) {
            0 => drop(body.drain(at..to)),
            1 => drop(body.splice(at..at, dice.pick(&PIECES).bytes())),
            2 => drop(body.splice(at..to, dice.pick(&PIECES).bytes())),
            3 => {
                let again = body[at..to].to_vec();
                body.splice(at..at, again);
            }
            _ => {
                if let Some(byte) = body.get_mut(at) {
                    *byte ^= 1 << dice.roll(8);
                }
            }
        }
    }
    body
}

/// What the parser makes of a body, in the oracle's words; what it accepts must read back as itself.
fn parsed(body: &[u8]) -> Said {
    match parse_order(body) {
        Err(RequestError::Malformed(_)) => Said::Malformed,
        Err(RequestError::Invalid { .. }) => Said::Invalid,
        Ok(order) => {
            let said = Said::Order {
                order_id: order.order_id.as_str().to_owned(),
                customer_id: order.customer_id.as_str().to_owned(),
                minor: order.amount.minor(),
            };
            let placed = PlacedOrder {
                order,
                message_id: MessageId::from_random(1, 2),
                accepted_by: NodeId::new("n1").expect("a node id"),
                accepted_at: Timestamp::UNIX_EPOCH,
            };
            let json = placed.to_json();
            let again = PlacedOrder::from_json(&json).expect("it reads back");
            assert_eq!((&again, again.to_json()), (&placed, json));
            said
        }
    }
}

#[test]
fn the_parser_of_orders_agrees_with_the_oracle() {
    let setting = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let seed = setting("CATGA_FUZZ_SEED").unwrap_or(0x00ca_76a0_0001);
    let mut dice = Dice(seed.max(1));
    let (mut orders, mut malformed, mut invalid) = (0_u64, 0_u64, 0_u64);
    let cases = setting("CATGA_FUZZ_CASES").unwrap_or(CASES);
    for case in 0..cases {
        let body = body(&mut dice);
        let (said, parsed) = (judge(&body), parsed(&body));
        assert!(
            said == parsed,
            "seed {seed}, case {case}: {said:?} by the contract, {parsed:?} by the parser: {:?}",
            String::from_utf8_lossy(&body)
        );
        match parsed {
            Said::Order { .. } => orders += 1,
            Said::Malformed => malformed += 1,
            Said::Invalid => invalid += 1,
        }
    }
    // A search that finds only one kind would prove nothing of the others.
    let least = cases / 50;
    assert!(orders > least && malformed > least && invalid > least, "{orders} orders, {malformed} malformed, {invalid} invalid");
}

#[test]
fn the_oracle_knows_the_contract() {
    let order = |minor| Said::Order { order_id: "a".to_owned(), customer_id: "b".to_owned(), minor };
    let of = |amount: &str| judge(format!(r#"{{"orderId":"a","customerId":"b","amount":{amount}}}"#).as_bytes());
    for (amount, minor) in [
        ("100", 10_000),
        ("100.0", 10_000),
        ("1e2", 10_000),
        ("0.01", 1),
        ("1E-2", 1),
        ("1e9", 100_000_000_000),
        ("1.2300e1", 1_230),
        ("0.00000000010e10", 100),
    ] {
        assert_eq!(of(amount), order(minor), "{amount}");
    }
    for wrong in [
        "0",
        "-1",
        "0.001",
        "1e-3",
        "1000000000.01",
        "1e10",
        "\"1\"",
        "null",
        "[1]",
        "1e99999999999999999999",
        "1e-99999999999999999999",
    ] {
        assert_eq!(of(wrong), Said::Invalid, "{wrong}");
    }
    for broken in ["01", "1.", ".5", "+1", "1e", "NaN", "tru", "\"", "{\"a\":1,}", "[1,]", "\"\u{1}\""] {
        assert_eq!(of(broken), Said::Malformed, "{broken}");
    }
    let deep = format!("{}{}", "[".repeat(8_000), "]".repeat(8_000));
    assert_eq!((of(&deep), judge(b"\"\\ud800\""), judge(b"[]")), (Said::Invalid, Said::Invalid, Said::Invalid));
    assert_eq!(parsed(format!(r#"{{"orderId":"a","customerId":"b","amount":{deep}}}"#).as_bytes()), Said::Invalid);
}
