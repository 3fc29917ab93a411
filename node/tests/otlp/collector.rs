//! A collector on loopback: takes spans over HTTP and reads the protobuf by hand.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A span as it was exported. Ids are in hexadecimal digits, times in nanoseconds since 1970.
#[derive(Debug, Clone, Default)]
pub(crate) struct Span {
    pub(crate) service: String,
    pub(crate) trace: String,
    pub(crate) id: String,
    pub(crate) parent: Option<String>,
    pub(crate) name: String,
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) attributes: BTreeMap<String, String>,
}

pub(crate) struct Collector {
    pub(crate) url: String,
    spans: Arc<Mutex<Vec<Span>>>,
}

impl Collector {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let spans = Arc::<Mutex<Vec<Span>>>::default();
        let taken = Arc::clone(&spans);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&taken)));
            }
        });
        Self { url, spans }
    }

    /// Waits until the spans so far are enough.
    pub(crate) async fn wait(&self, deadline: Duration, enough: impl Fn(&[Span]) -> bool) -> Vec<Span> {
        let begun = Instant::now();
        loop {
            let spans = self.spans.lock().expect("no panic while locked").clone();
            if enough(&spans) {
                return spans;
            }
            assert!(begun.elapsed() < deadline, "not enough spans in {deadline:?}: {spans:#?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn serve(mut stream: TcpStream, spans: Arc<Mutex<Vec<Span>>>) {
    let mut buffer = Vec::new();
    while let Some((head, body)) = request(&mut stream, &mut buffer).await {
        assert!(head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{head}");
        assert!(head.to_ascii_lowercase().contains("content-type: application/x-protobuf"), "{head}");
        spans.lock().expect("no panic while locked").extend(read(&body));
        let answer = "HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
        stream.write_all(answer.as_bytes()).await.expect("answered");
    }
}

/// The next request's head and body.
async fn request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<(String, Vec<u8>)> {
    loop {
        if let Some(end) = buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let head = String::from_utf8(buffer[..end + 2].to_vec()).expect("a head is text");
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().expect("a length"))
            });
            let whole = end + 4 + length.expect("a body has a length");
            if buffer.len() >= whole {
                let body = buffer[end + 4..whole].to_vec();
                buffer.drain(..whole);
                return Some((head, body));
            }
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}

/// One field of a message.
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first().expect("a number does not break off");
        *bytes = rest;
        number |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return number;
        }
    }
    panic!("a number longer than 64 bits")
}

fn fields(mut bytes: &[u8]) -> Vec<(u64, Field<'_>)> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let mut take = |length: usize| {
            let (field, rest) = bytes.split_at_checked(length).expect("a field does not break off");
            bytes = rest;
            field
        };
        let field = match key & 7 {
            1 => Field::Number(u64::from_le_bytes(take(8).try_into().expect("eight bytes"))),
            5 => Field::Number(u32::from_le_bytes(take(4).try_into().expect("four bytes")).into()),
            0 => Field::Number(varint(&mut bytes)),
            2 => {
                let length = usize::try_from(varint(&mut bytes)).expect("a length");
                let (field, rest) = bytes.split_at_checked(length).expect("a field does not break off");
                bytes = rest;
                Field::Bytes(field)
            }
            wire => panic!("no such type on the wire: {wire}"),
        };
        fields.push((key >> 3, field));
    }
    fields
}

/// The messages or texts in one field.
fn all(bytes: &[u8], number: u64) -> Vec<&[u8]> {
    let of = |(found, field)| match field {
        Field::Bytes(bytes) if found == number => Some(bytes),
        _ => None,
    };
    fields(bytes).into_iter().filter_map(of).collect()
}

fn text(bytes: &[u8], number: u64) -> String {
    all(bytes, number).first().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).unwrap_or_default()
}

fn number(bytes: &[u8], number: u64) -> u64 {
    let of = |(found, field)| match field {
        Field::Number(value) if found == number => Some(value),
        _ => None,
    };
    fields(bytes).into_iter().find_map(of).unwrap_or_default()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |digits, byte| digits + &format!("{byte:02x}"))
}

/// `KeyValue`s whose values are texts.
fn attributes(pairs: &[&[u8]]) -> BTreeMap<String, String> {
    let value = |pair: &[u8]| all(pair, 2).first().map(|value| text(value, 1)).unwrap_or_default();
    pairs.iter().map(|pair| (text(pair, 1), value(pair))).collect()
}

/// The spans of an `ExportTraceServiceRequest`.
fn read(body: &[u8]) -> Vec<Span> {
    let mut spans = Vec::new();
    for of_resource in all(body, 1) {
        let resource = all(of_resource, 1).first().map(|resource| attributes(&all(resource, 1))).unwrap_or_default();
        for of_scope in all(of_resource, 2) {
            for span in all(of_scope, 2) {
                let id = |number| all(span, number).first().filter(|id| !id.is_empty()).map(|id| hex(id));
                spans.push(Span {
                    service: resource.get("service.name").cloned().unwrap_or_default(),
                    trace: id(1).expect("a trace id"),
                    id: id(2).expect("a span id"),
                    parent: id(4),
                    name: text(span, 5),
                    start: number(span, 7),
                    end: number(span, 8),
                    attributes: attributes(&all(span, 9)),
                });
            }
        }
    }
    spans
}
