//! Export of spans to a collector: OTLP over HTTP, protobuf, by a thread of its own behind a bounded queue. What the
//! collector does not take is dropped, so that no order ever waits for it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState, TracerProvider as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter as Export};
use tracing::{Metadata, Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::registry::LookupSpan;

use crate::trace::TraceParent;

/// Where the collector is; without it nothing is exported.
const ENDPOINT: [&str; 2] = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];
/// How long spans of the last moment may take at an exit.
const GOODBYE: Duration = Duration::from_secs(1);

/// Exports until it is shut down.
#[derive(Debug)]
pub(crate) struct Exporter(SdkTracerProvider);

impl Exporter {
    /// Hands over what is queued, as far as time allows.
    pub(crate) fn shut_down(&self) {
        // A collector that is away has said so before.
        let _ = self.0.shutdown_with_timeout(GOODBYE);
    }
}

type Boxed<S> = Box<dyn Layer<S> + Send + Sync>;

/// The exporter and the layer that feeds it; nothing where no collector is named. It starts a thread, and must not be
/// called inside a runtime.
pub(crate) fn exporter<S>() -> Result<Option<(Exporter, Boxed<S>)>, ExporterBuildError>
where
    S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
{
    let named = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if !ENDPOINT.iter().any(|name| named(name)) {
        return Ok(None);
    }
    let exporter = Told { inner: SpanExporter::builder().with_http().build()?, away: AtomicBool::new(false) };
    let mut resource = Resource::builder();
    if !named("OTEL_SERVICE_NAME") {
        resource = resource.with_service_name("catga-node");
    }
    if let Ok(node) = std::env::var("CATGA_NODE_ID") {
        resource = resource.with_attribute(KeyValue::new("service.instance.id", node));
    }
    let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource.build()).build();
    let layer = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("catga"))
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false);
    let ours = |metadata: &Metadata<'_>| metadata.is_span() && metadata.target().starts_with("node::");
    let filter = filter_fn(ours).with_max_level_hint(LevelFilter::DEBUG);
    Ok(Some((Exporter(provider), layer.with_filter(filter).boxed())))
}

/// An exporter that says once that its collector is away, and once that it is back.
#[derive(Debug)]
struct Told {
    inner: SpanExporter,
    away: AtomicBool,
}

impl Export for Told {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len();
        let exported = self.inner.export(batch).await;
        match &exported {
            Err(error) if !self.away.swap(true, Ordering::Relaxed) => {
                tracing::warn!(%error, spans = count, "spans cannot be exported and are dropped");
            }
            Ok(()) if self.away.swap(false, Ordering::Relaxed) => tracing::info!("spans are exported again"),
            _ => {}
        }
        exported
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

/// Makes a span the child of one that may be on another node.
pub(crate) fn join(span: &Span, parent: TraceParent) {
    let (trace, parent_span) = (TraceId::from(parent.trace_id), SpanId::from(parent.span_id));
    let parent = SpanContext::new(trace, parent_span, TraceFlags::new(parent.flags), true, TraceState::default());
    // It fails only where no exporter listens.
    let _ = span.set_parent(Context::new().with_remote_span_context(parent));
}

/// The ids of a span, where an exporter gave it some.
pub(crate) fn place(span: &Span) -> Option<TraceParent> {
    if span.is_disabled() {
        return None;
    }
    let context = span.context();
    let (span, bytes) = (context.span(), |id: SpanId| u64::from_be_bytes(id.to_bytes()));
    let place = span.span_context();
    let trace_id = u128::from_be_bytes(place.trace_id().to_bytes());
    place.is_valid().then(|| TraceParent { trace_id, span_id: bytes(place.span_id()), flags: place.trace_flags().to_u8() })
}
