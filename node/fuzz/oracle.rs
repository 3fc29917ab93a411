//! What a body of `POST /api/orders` is, by the contract and by the grammar of JSON (RFC 8259), in code of its own: the
//! parser that it judges shares nothing with it.

/// What the contract says of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    /// 400
    Malformed,
    /// 422
    Invalid,
    Order {
        order_id: String,
        customer_id: String,
        minor: u64,
    },
}

pub(crate) fn judge(body: &[u8]) -> Said {
    let Ok(text) = std::str::from_utf8(body) else { return Said::Malformed };
    let mut reader = Reader { text: text.as_bytes(), at: 0, half: false };
    let Some(document) = reader.document() else { return Said::Malformed };
    // Valid by the grammar, but a string in it is no text.
    if reader.half {
        return Said::Invalid;
    }
    let Document::Object(members) = document else { return Said::Invalid };
    let one = |name: &str| {
        let mut found = members.iter().filter(|(key, _)| key == name).map(|(_, value)| value);
        found.next().filter(|_| found.next().is_none())
    };
    match (members.len(), one("orderId"), one("customerId"), one("amount")) {
        (3, Some(Value::Text(order)), Some(Value::Text(customer)), Some(Value::Number(amount)))
            if is_id(order) && is_id(customer) =>
        {
            let order = |minor| Said::Order { order_id: order.clone(), customer_id: customer.clone(), minor };
            minor_units(amount).map_or(Said::Invalid, order)
        }
        _ => Said::Invalid,
    }
}

fn is_id(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || ".-_:".contains(c);
    (1..=128).contains(&text.len()) && text.chars().all(allowed) && text.chars().any(|c| c.is_ascii_alphanumeric())
}

/// Hundredths of a JSON number, where it is above 0, at most 1e9, and has no smaller part.
fn minor_units(number: &str) -> Option<u64> {
    if number.starts_with('-') {
        return None;
    }
    let lower = number.to_ascii_lowercase();
    let (mantissa, exponent) = lower.split_once('e').unwrap_or((&lower, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    // Beyond what a body can hold in digits, one exponent is as far as another.
    let far = if exponent.starts_with('-') { -1_000_000 } else { 1_000_000 };
    let exponent: i64 = exponent.parse().map_or(far, |exponent: i64| exponent.clamp(-1_000_000, 1_000_000));
    let digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).map(|byte| byte - b'0').collect();
    // Where the hundredths' digit stands, counted from the first.
    let end = i64::try_from(whole.len()).ok()? + exponent + 2;
    let digit = |place: i64| usize::try_from(place).ok().and_then(|place| digits.get(place).copied()).unwrap_or(0);
    let last = i64::try_from(digits.len()).ok()?;
    if (end.max(0)..last).any(|place| digit(place) != 0) {
        return None;
    }
    let mut minor: u64 = 0;
    let first = (0..last).find(|place| digit(*place) != 0)?;
    for place in first..end {
        minor = minor.checked_mul(10)?.checked_add(u64::from(digit(place)))?;
    }
    (1..=100_000_000_000).contains(&minor).then_some(minor)
}

enum Value {
    Text(String),
    Number(String),
    Other,
}

enum Document {
    Object(Members),
    Other,
}

type Members = Vec<(String, Value)>;

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    /// A string had half of a surrogate pair.
    half: bool,
}

impl Reader<'_> {
    /// All of the text, where it is JSON.
    fn document(&mut self) -> Option<Document> {
        self.space();
        let is_object = self.peek() == Some(b'{');
        let mut members = Members::new();
        self.value(is_object.then_some(&mut members))?;
        self.space();
        let document = if is_object { Document::Object(members) } else { Document::Other };
        (self.at == self.text.len()).then_some(document)
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn take(&mut self, expected: u8) -> Option<()> {
        (self.peek() == Some(expected)).then(|| self.at += 1)
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Reads a value without recursion, because depth is the sender's choice; the outermost object's members are kept.
    fn value(&mut self, mut members: Option<&mut Members>) -> Option<Value> {
        let mut open: Vec<u8> = Vec::new();
        let mut key = None;
        loop {
            self.space();
            let start = self.at;
            let value = match self.peek()? {
                bracket @ (b'{' | b'[') => {
                    self.at += 1;
                    self.space();
                    let close = if bracket == b'{' { b'}' } else { b']' };
                    if self.take(close).is_none() {
                        open.push(bracket);
                        if bracket == b'{' {
                            let name = self.key()?;
                            key = if open.len() == 1 { Some(name) } else { key };
                        }
                        continue;
                    }
                    Value::Other
                }
                b'"' => Value::Text(self.string()?),
                b't' => self.word(b"true")?,
                b'f' => self.word(b"false")?,
                b'n' => self.word(b"null")?,
                _ => {
                    self.number()?;
                    Value::Number(String::from_utf8_lossy(&self.text[start..self.at]).into_owned())
                }
            };
            let mut done = value;
            loop {
                let Some(bracket) = open.last().copied() else { return Some(done) };
                if open.len() == 1
                    && bracket == b'{'
                    && let (Some(members), Some(key)) = (members.as_deref_mut(), key.take())
                {
                    members.push((key, done));
                }
                self.space();
                if self.take(b',').is_some() {
                    self.space();
                    if bracket == b'{' {
                        let name = self.key()?;
                        key = if open.len() == 1 { Some(name) } else { key };
                    }
                    break;
                }
                self.take(if bracket == b'{' { b'}' } else { b']' })?;
                open.pop();
                done = Value::Other;
            }
        }
    }

    fn key(&mut self) -> Option<String> {
        let key = self.string()?;
        self.space();
        self.take(b':')?;
        Some(key)
    }

    fn word(&mut self, word: &[u8]) -> Option<Value> {
        word.iter().try_for_each(|byte| self.take(*byte))?;
        Some(Value::Other)
    }

    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }

    fn number(&mut self) -> Option<()> {
        let _ = self.take(b'-');
        if self.take(b'0').is_none() {
            self.digits()?;
        }
        if self.take(b'.').is_some() {
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Some(())
    }

    fn string(&mut self) -> Option<String> {
        self.take(b'"')?;
        let mut units: Vec<u16> = Vec::new();
        loop {
            let rest = std::str::from_utf8(&self.text[self.at..]).ok()?;
            let next = rest.chars().next()?;
            self.at += next.len_utf8();
            match next {
                '"' => break,
                '\\' => units.push(self.escape()?),
                '\0'..='\x1f' => return None,
                other => units.extend(other.encode_utf16(&mut [0; 2]).iter()),
            }
        }
        let text = String::from_utf16(&units);
        self.half = self.half || text.is_err();
        Some(text.unwrap_or_default())
    }

    fn escape(&mut self) -> Option<u16> {
        let kind = self.peek()?;
        self.at += 1;
        Some(match kind {
            b'"' | b'\\' | b'/' => u16::from(kind),
            b'b' => 8,
            b'f' => 12,
            b'n' => 10,
            b'r' => 13,
            b't' => 9,
            b'u' => {
                let digits = self.text.get(self.at..self.at + 4)?;
                self.at += 4;
                digits.iter().try_fold(0, |sum, digit| Some(sum * 16 + u16::try_from(char::from(*digit).to_digit(16)?).ok()?))?
            }
            _ => return None,
        })
    }
}
