//! Traces: which one an order belongs to, from the request that placed it through its publish to its application on
//! every node, and the spans of those three steps.
//!
//! The identity of a trace travels as W3C `traceparent`: in from the HTTP request, on as a header of the NATS message.
//! Spans are of level debug, so that a node at level info pays one comparison a span.

use std::fmt;

use tracing::Span;

use crate::order::{NodeId, OrderId};
use crate::ports::RowKey;

/// The name of the header, on HTTP and on NATS.
pub const TRACEPARENT: &str = "traceparent";

/// A place in a trace: what `traceparent` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    pub trace_id: u128,
    pub span_id: u64,
    pub flags: u8,
}

impl TraceParent {
    /// Reads `00-<32 hex digits>-<16>-<2>`; later versions may have more behind that. `None` for anything else: a trace
    /// is a help, never a reason to refuse an order.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (known, more) = text.split_at_checked(55)?;
        let mut parts = known.split('-');
        let mut part = |digits: usize| {
            let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
            parts.next().filter(|part| part.len() == digits && part.bytes().all(hex))
        };
        let version = part(2)?;
        let trace_id = u128::from_str_radix(part(32)?, 16).ok().filter(|id| *id != 0)?;
        let span_id = u64::from_str_radix(part(16)?, 16).ok().filter(|id| *id != 0)?;
        let flags = u8::from_str_radix(part(2)?, 16).ok()?;
        let ends = more.is_empty() || (version != "00" && more.starts_with('-'));
        (version != "ff" && ends).then_some(Self { trace_id, span_id, flags })
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace_id, self.span_id, self.flags)
    }
}

/// Says which order the current span is about, where anybody wants to know.
pub(crate) fn accepted(node: &NodeId, message_id: &crate::order::MessageId) {
    if tracing::span_enabled!(tracing::Level::DEBUG) {
        let span = Span::current();
        span.record("node", tracing::field::display(node));
        span.record("messageId", tracing::field::display(message_id));
    }
}

/// The span of placing an order; message id and node are recorded once they are known.
pub(crate) fn accept_span(order_id: &OrderId, parent: Option<TraceParent>) -> Span {
    let empty = tracing::field::Empty;
    let span = tracing::debug_span!("accept", orderId = %order_id, messageId = empty, node = empty, traceId = empty);
    join(&span, parent);
    span
}

/// The span of one publish of a row.
pub(crate) fn publish_span(node: &NodeId, row: &RowKey, parent: Option<TraceParent>) -> Span {
    let empty = tracing::field::Empty;
    let span = tracing::debug_span!("publish", orderId = empty, messageId = %row.message_id, node = %node, traceId = empty);
    if !span.is_disabled()
        && let Some(order_id) = &row.order_id
    {
        span.record("orderId", tracing::field::display(order_id));
    }
    join(&span, parent);
    span
}

/// The span of applying one order.
pub(crate) fn apply_span(node: &NodeId, placed: &crate::order::PlacedOrder, parent: Option<TraceParent>) -> Span {
    let (order_id, empty) = (&placed.order.order_id, tracing::field::Empty);
    let span = tracing::debug_span!("apply", orderId = %order_id, messageId = %placed.message_id, node = %node, traceId = empty);
    join(&span, parent);
    span
}

/// Makes a span part of the trace that its cause belongs to.
fn join(span: &Span, parent: Option<TraceParent>) {
    let Some(parent) = parent.filter(|_| !span.is_disabled()) else { return };
    span.record("traceId", tracing::field::display(format_args!("{:032x}", parent.trace_id)));
    #[cfg(feature = "otlp")]
    crate::otlp::join(span, parent);
}

/// The place of the current span in its trace, as [`place`] knows it.
pub(crate) fn here() -> Option<TraceParent> {
    #[cfg(feature = "otlp")]
    return place(&Span::current());
    #[cfg(not(feature = "otlp"))]
    None
}

/// The place of a span in its trace, where spans have one: without an exporter they have no ids, and what came in is
/// handed on as it is.
pub(crate) fn place(span: &Span) -> Option<TraceParent> {
    #[cfg(feature = "otlp")]
    return crate::otlp::place(span);
    #[cfg(not(feature = "otlp"))]
    {
        let _ = span;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_place_in_a_trace_reads_back() {
        let read = TraceParent::parse(EXAMPLE).expect("valid");
        let expected =
            TraceParent { trace_id: 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736, span_id: 0x00f0_67aa_0ba9_02b7, flags: 1 };
        assert_eq!((read, read.to_string().as_str()), (expected, EXAMPLE));
        assert_eq!(TraceParent::parse(&format!("01{}-more", &EXAMPLE[2..])), Some(expected), "a later version");
    }

    #[test]
    fn what_is_no_place_in_a_trace_is_none() {
        let zero_trace = format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32));
        let zero_span = format!("{}-{}-01", &EXAMPLE[..35], "0".repeat(16));
        let (upper, version, longer) = (EXAMPLE.to_uppercase(), format!("ff{}", &EXAMPLE[2..]), format!("{EXAMPLE}-x"));
        let wide = format!("{}é", &EXAMPLE[..54]);
        for wrong in [
            "",
            "00",
            &EXAMPLE[..54],
            &zero_trace,
            &zero_span,
            &upper,
            &version,
            &longer,
            &wide,
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(TraceParent::parse(wrong), None, "{wrong}");
        }
    }
}
