//! The server: bounded in connections and in every wait for a client.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::App;
use super::io::Patient;
use super::routes::route;
use crate::ports::Ports;
use crate::state::Phase;

/// Largest request head, in bytes; it is also all that a connection buffers.
const HEAD_LIMIT: usize = 16 * 1024;
/// Pause after a failed accept, e.g. without free file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// Serves until draining begins, then finishes the requests in flight.
pub async fn serve<P: Ports>(app: Arc<App<P>>, listener: TcpListener) {
    let limit = app.core().settings.max_connections as usize;
    let places = Arc::new(Semaphore::new(limit));
    let graceful = GracefulShutdown::new();
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(app.core().settings.header_timeout)
        .max_buf_size(HEAD_LIMIT)
        .half_close(false);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = app.core().life.reached(Phase::Draining) => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::debug!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        match Arc::clone(&places).try_acquire_owned() {
            Ok(place) => connect(&app, &builder, &graceful, stream, place),
            Err(_) => app.core().metrics.connections_refused.increment(),
        }
    }
    // From here on new connections are refused by the kernel.
    drop(listener);
    graceful.shutdown().await;
}

fn connect<P: Ports>(
    app: &Arc<App<P>>,
    builder: &http1::Builder,
    graceful: &GracefulShutdown,
    stream: TcpStream,
    place: OwnedSemaphorePermit,
) {
    // Small answers must not wait for the client's acknowledgement of the one before.
    let _ = stream.set_nodelay(true);
    let shared = Arc::clone(app);
    let service = service_fn(move |request| {
        let app = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(route(&app, request).await) }
    });
    let io = TokioIo::new(Patient::new(stream, app.core().settings.write_timeout));
    let connection = graceful.watch(builder.serve_connection(io, service));
    let app = Arc::clone(app);
    tokio::spawn(async move {
        app.core().metrics.connections.increment();
        // A client's broken connection is the client's matter.
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection ended badly");
        }
        app.core().metrics.connections.decrement();
        drop(place);
    });
}
