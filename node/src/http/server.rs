//! The server: bounded in connections and in every wait for a client.

use std::convert::Infallible;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::App;
use super::body::{Answer, drain};
use super::io::Patient;
use super::problem::{Refused, problem};
use super::routes::{Route, route};
use crate::error::Error;
use crate::ports::Ports;
use crate::state::Phase;

/// Largest request head, in bytes; it is also all that a connection buffers.
const HEAD_LIMIT: usize = 16 * 1024;
/// Bytes that the kernel keeps for a client that does not read; it counts twice that, with its own needs.
const SEND_BUFFER: usize = 128 * 1024;
/// Connections that may wait to be accepted.
const BACKLOG: u32 = 4096;
/// Pause after a failed accept, e.g. without free file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);
/// Connections beyond the limit that still get an answer, each to one request: health, metrics, or 503.
const RESERVE: usize = 64;
/// How long such a connection may take to ask; places there must not be held by those who say nothing.
const RESERVE_TIMEOUT: Duration = Duration::from_secs(1);
/// What everybody beyond that gets, where it still reaches them.
const TURNED_AWAY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\nretry-after: 1\r\n\
    connection: close\r\ncontent-length: 128\r\n\r\n\
    {\"type\":\"about:blank\",\"title\":\"Not now; nothing was written\",\"status\":503,\"detail\":\"too many connections; try again in a while\"}";

/// Whether a connection has a place of its own, or one of the few beyond the limit.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seat {
    Own,
    Reserve,
}

struct Server<P: Ports> {
    app: Arc<App<P>>,
    graceful: GracefulShutdown,
    builder: http1::Builder,
    reserve_builder: http1::Builder,
    places: Arc<Semaphore>,
    reserve: Arc<Semaphore>,
}

/// A listener whose queue holds a crowd that comes all at once, as far as the kernel's own limit allows.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves until draining begins, then finishes the requests in flight.
pub async fn serve<P: Ports>(app: Arc<App<P>>, listener: TcpListener) {
    let settings = &app.core().settings;
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(settings.header_timeout)
        .keep_alive(settings.keep_alive)
        .max_buf_size(HEAD_LIMIT)
        .half_close(false);
    let mut reserve_builder = builder.clone();
    reserve_builder.keep_alive(false).header_read_timeout(settings.header_timeout.min(RESERVE_TIMEOUT));
    let places = Arc::new(Semaphore::new(settings.max_connections as usize));
    let reserve = Arc::new(Semaphore::new(RESERVE));
    let server = Server { app, graceful: GracefulShutdown::new(), builder, reserve_builder, places, reserve };
    let life = &server.app.core().life;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = life.reached(Phase::Draining) => break,
        };
        match accepted {
            Ok((stream, _)) => server.admit(stream),
            Err(error) => {
                tracing::debug!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    // From here on new connections are refused by the kernel.
    drop(listener);
    server.graceful.shutdown().await;
}

impl<P: Ports> Server<P> {
    fn admit(&self, stream: TcpStream) {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return self.connect(stream, place, Seat::Own);
        }
        self.app.core().metrics.connections_refused.increment();
        match Arc::clone(&self.reserve).try_acquire_owned() {
            Ok(place) => self.connect(stream, place, Seat::Reserve),
            Err(_) => turn_away(stream),
        }
    }

    fn connect(&self, stream: TcpStream, place: OwnedSemaphorePermit, seat: Seat) {
        let write_timeout = self.app.core().settings.write_timeout;
        // Small answers must not wait for the client's acknowledgement of the one before.
        let _ = stream.set_nodelay(true);
        let socket = SockRef::from(&stream);
        // A peer that vanished without a word, or whose window stays shut, is given up by the kernel as well: what it is
        // sent may fit into the socket's buffer for a quarter of an hour.
        let _ = socket.set_tcp_user_timeout(Some(write_timeout));
        // The kernel would let it grow to 4 MB for whoever does not read.
        let _ = socket.set_send_buffer_size(SEND_BUFFER);
        let shared = Arc::clone(&self.app);
        let service = service_fn(move |request| {
            let app = Arc::clone(&shared);
            // Boxed, because a connection keeps room for it also while it is idle, and most of them are.
            Box::pin(async move {
                Ok::<_, Infallible>(match seat {
                    Seat::Own => route(&app, request).await,
                    Seat::Reserve => beyond_the_limit(&app, request).await,
                })
            })
        });
        let io = TokioIo::new(Patient::new(stream, write_timeout));
        let builder = if seat == Seat::Own { &self.builder } else { &self.reserve_builder };
        let connection = self.graceful.watch(builder.serve_connection(io, service));
        let app = Arc::clone(&self.app);
        tokio::spawn(async move {
            app.core().metrics.connections.increment();
            // A client's broken connection is the client's matter.
            if let Err(error) = connection.await {
                if is_timeout(&error) {
                    app.core().metrics.connections_timed_out.increment();
                }
                tracing::debug!(%error, "a connection ended badly");
            }
            app.core().metrics.connections.decrement();
            drop(place);
        });
    }
}

/// Too slow in asking or in reading, or not there any more.
fn is_timeout(error: &hyper::Error) -> bool {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<io::Error>());
    error.is_timeout() || cause.is_some_and(|cause| cause.kind() == ErrorKind::TimedOut)
}

/// Answers what must be answered even now, and tells the others to come back.
async fn beyond_the_limit<P: Ports>(app: &App<P>, request: Request<Incoming>) -> Response<Answer> {
    if Route::of(request.uri().path()).is_some_and(|(route, _)| route.is_vital()) {
        return route(app, request).await;
    }
    drain(&mut request.into_body()).await;
    problem(&Refused::from(Error::Unavailable("too many connections; try again in a while".to_owned())))
}

/// Says why, without waiting for anything. What has arrived is read first: closing over it would be a reset, and
/// the answer lost with it.
fn turn_away(stream: TcpStream) {
    let Ok(mut stream) = stream.into_std() else { return };
    let _ = stream.read(&mut [0; HEAD_LIMIT]);
    let _ = stream.write(TURNED_AWAY);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_who_are_turned_away_get_a_whole_answer() {
        let text = std::str::from_utf8(TURNED_AWAY).expect("text");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
        assert!(head.contains(&format!("content-length: {}", body.len())), "{} bytes: {head}", body.len());
        let problem: serde_json::Value = serde_json::from_str(body).expect("JSON");
        assert_eq!(problem["status"], 503);
    }
}
