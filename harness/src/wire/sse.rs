//! Server-sent events, read as the bytes arrive (the event stream format of the HTML standard).

use super::WireError;

/// An event longer than this is no event of ours: reading on would only fill the memory.
const LIMIT: usize = 1024 * 1024;

/// One dispatched event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The last id that the stream gave, also where this event has none of its own.
    pub id: Option<String>,
    /// The event's name; `None` is the standard's `message`.
    pub name: Option<String>,
    /// Its data lines, joined by line feeds.
    pub data: String,
}

/// Takes a stream apart; bytes may be cut anywhere, also inside a line ending or a character.
#[derive(Debug, Default)]
pub struct Parser {
    line: Vec<u8>,
    /// A carriage return was the last byte: a line feed right behind it belongs to it.
    after_return: bool,
    started: bool,
    id: Option<String>,
    name: Option<String>,
    data: Option<String>,
    comments: u64,
}

impl Parser {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in more bytes and returns the events that they completed, in order.
    ///
    /// # Errors
    /// A line or an event exceeds a mebibyte; the stream cannot be read on.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<Event>, WireError> {
        let mut events = Vec::new();
        let mut rest = bytes;
        while let Some((&first, tail)) = rest.split_first() {
            if std::mem::take(&mut self.after_return) && first == b'\n' {
                rest = tail;
                continue;
            }
            let Some(end) = rest.iter().position(|&byte| byte == b'\n' || byte == b'\r') else {
                self.line.extend_from_slice(rest);
                break;
            };
            self.line.extend_from_slice(&rest[..end]);
            self.after_return = rest[end] == b'\r';
            rest = &rest[end + 1..];
            let line = std::mem::take(&mut self.line);
            events.extend(self.end_line(&line));
            self.check_size()?;
        }
        self.check_size()?;
        Ok(events)
    }

    /// Comment lines seen so far.
    #[must_use]
    pub fn comments(&self) -> u64 {
        self.comments
    }

    fn check_size(&self) -> Result<(), WireError> {
        let held = self.line.len() + self.data.as_ref().map_or(0, String::len);
        if held > LIMIT { Err(WireError::TooLong { what: "an event stream", limit: LIMIT }) } else { Ok(()) }
    }

    fn end_line(&mut self, line: &[u8]) -> Option<Event> {
        let line = if self.started { line } else { line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line) };
        self.started = true;
        if line.is_empty() {
            let name = self.name.take();
            let data = self.data.take()?;
            return Some(Event { id: self.id.clone(), name, data });
        }
        let line = String::from_utf8_lossy(line);
        let (field, value) = match line.split_once(':') {
            Some((field, value)) => (field, value.strip_prefix(' ').unwrap_or(value)),
            None => (line.as_ref(), ""),
        };
        match field {
            "" => self.comments += 1,
            "data" => match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_owned()),
            },
            "event" => self.name = Some(value.to_owned()),
            // The standard ignores an id with a NUL in it.
            "id" if !value.contains('\0') => self.id = Some(value.to_owned()),
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: Option<&str>, name: Option<&str>, data: &str) -> Event {
        Event { id: id.map(str::to_owned), name: name.map(str::to_owned), data: data.to_owned() }
    }

    fn table() -> Vec<(&'static str, Vec<Event>)> {
        vec![
            ("data: a\n\n", vec![event(None, None, "a")]),
            ("id: 1\ndata: a\n\n", vec![event(Some("1"), None, "a")]),
            ("id:1\ndata:a\n\n", vec![event(Some("1"), None, "a")]),
            ("data:  two spaces\n\n", vec![event(None, None, " two spaces")]),
            ("event: order\nid: 1\ndata: a\n\n", vec![event(Some("1"), Some("order"), "a")]),
            ("data: a\ndata: b\ndata\n\n", vec![event(None, None, "a\nb\n")]),
            ("id: 1\ndata: a\n\ndata: b\n\n", vec![event(Some("1"), None, "a"), event(Some("1"), None, "b")]),
            ("event: x\n\ndata: b\n\n", vec![event(None, None, "b")]),
            ("id: 7\n\ndata: b\n\n", vec![event(Some("7"), None, "b")]),
            ("id: 7\n:\ndata: b\n\n", vec![event(Some("7"), None, "b")]),
            ("id: a\0b\ndata: b\n\n", vec![event(None, None, "b")]),
            ("id: 1\ndata: a\n\nid\ndata: b\n\n", vec![event(Some("1"), None, "a"), event(Some(""), None, "b")]),
            (": keep-alive\n\n", vec![]),
            ("\n\n\n", vec![]),
            ("data: cut", vec![]),
            ("data: cut\n", vec![]),
            ("retry: 10\nfoo: bar\ndata: a\n\n", vec![event(None, None, "a")]),
            ("\u{FEFF}data: a\n\n", vec![event(None, None, "a")]),
            ("data: a:b\n\n", vec![event(None, None, "a:b")]),
            ("data: grüße ☃\n\n", vec![event(None, None, "grüße ☃")]),
            ("id: 1\r\ndata: a\r\n\r\n: c\r\n\r\n", vec![event(Some("1"), None, "a")]),
            ("id: 1\rdata: a\r\r", vec![event(Some("1"), None, "a")]),
            ("data: a\r\n\rdata: b\n\n", vec![event(None, None, "a"), event(None, None, "b")]),
        ]
    }

    #[test]
    fn events_are_read_as_the_standard_says() {
        for (text, expected) in table() {
            let mut parser = Parser::new();
            assert_eq!(parser.push(text.as_bytes()).expect(text), expected, "{text:?}");
        }
    }

    #[test]
    fn no_cut_between_two_chunks_changes_what_is_read() {
        for (text, expected) in table() {
            for cut in 0..=text.len() {
                let mut parser = Parser::new();
                let mut events = parser.push(&text.as_bytes()[..cut]).expect(text);
                events.extend(parser.push(&text.as_bytes()[cut..]).expect(text));
                assert_eq!(events, expected, "{text:?} cut at {cut}");
            }
            let mut parser = Parser::new();
            let one_by_one: Vec<Event> = text.as_bytes().iter().flat_map(|byte| parser.push(&[*byte]).expect(text)).collect();
            assert_eq!(one_by_one, expected, "{text:?} byte by byte");
        }
    }

    #[test]
    fn comments_are_counted_and_are_no_events() {
        let mut parser = Parser::new();
        assert!(parser.push(b": a\n\n:\n\n: b").expect("comments").is_empty());
        assert_eq!(parser.comments(), 2);
    }

    #[test]
    fn a_line_without_end_is_refused_before_it_fills_the_memory() {
        let mut parser = Parser::new();
        let chunk = vec![b'x'; 64 * 1024];
        let refused = (0..64).map(|_| parser.push(&chunk)).find_map(Result::err);
        assert_eq!(refused, Some(WireError::TooLong { what: "an event stream", limit: LIMIT }));
        let mut parser = Parser::new();
        let line = format!("data: {}\n", "x".repeat(1_000));
        let refused = (0..2_000).map(|_| parser.push(line.as_bytes())).find_map(Result::err);
        assert!(refused.is_some(), "an event without end must be refused too");
    }
}
