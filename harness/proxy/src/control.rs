//! The control interface: HTTP with JSON bodies.
//!
//! `GET /` is the [`State`]; `PUT /rules/NODE/SERVICE` with an [`Order`] puts a rule in force or renews it, and answers with
//! the listener's [`LinkState`](crate::LinkState); `DELETE /rules/NODE/SERVICE` and `DELETE /rules` take rules away. What
//! is refused is answered with `{"error": "..."}`.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::State;
use crate::link::Link;
use crate::rule::Order;

const LARGEST_BODY: usize = 4 << 10;
const HEADER_WITHIN: Duration = Duration::from_secs(5);
const BODY_WITHIN: Duration = Duration::from_secs(5);
/// Without descriptors accepting fails at once, again and again.
const ACCEPT_AGAIN: Duration = Duration::from_millis(20);

type Links = Arc<[Arc<Link>]>;

pub(crate) fn state(links: &[Arc<Link>]) -> State {
    State { listeners: links.iter().map(|link| link.state()).collect() }
}

pub(crate) async fn serve(listener: TcpListener, links: Links) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((socket, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_AGAIN).await;
            continue;
        };
        let links = Arc::clone(&links);
        connections.spawn(async move {
            let service = service_fn(|request| {
                let links = Arc::clone(&links);
                async move { Ok::<_, Infallible>(answer(&links, request).await) }
            });
            let mut server = http1::Builder::new();
            server.timer(TokioTimer::new()).header_read_timeout(HEADER_WITHIN);
            // Whoever broke off does not want an answer.
            let _ = server.serve_connection(TokioIo::new(socket), service).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn answer(links: &[Arc<Link>], request: Request<Incoming>) -> Response<Full<Bytes>> {
    let path = request.uri().path().to_owned();
    match (request.method(), path.as_str()) {
        (&Method::GET, "/") => json(StatusCode::OK, &state(links)),
        (&Method::DELETE, "/rules") => {
            for link in links {
                link.remove_rule();
            }
            json(StatusCode::OK, &state(links))
        }
        (&Method::PUT | &Method::DELETE, _) => match on_link(links, &path, request).await {
            Ok(link) => json(StatusCode::OK, &link.state()),
            Err((status, why)) => json(status, &serde_json::json!({ "error": why })),
        },
        (method, path) => {
            let why = format!("{method} {path} is not served; GET /, PUT /rules/NODE/SERVICE, DELETE /rules[/NODE/SERVICE] are");
            json(StatusCode::NOT_FOUND, &serde_json::json!({ "error": why }))
        }
    }
}

async fn on_link<'a>(
    links: &'a [Arc<Link>],
    path: &str,
    request: Request<Incoming>,
) -> Result<&'a Arc<Link>, (StatusCode, String)> {
    let name = path.strip_prefix("/rules/").unwrap_or_default();
    let Some(link) = links.iter().find(|link| link.name() == name) else {
        let known: Vec<&str> = links.iter().map(|link| link.name()).collect();
        return Err((StatusCode::NOT_FOUND, format!("{path} is no rule of a listener; listeners are: {}", known.join(", "))));
    };
    if request.method() == Method::DELETE {
        link.remove_rule();
        return Ok(link);
    }
    let refused = |why: String| (StatusCode::UNPROCESSABLE_ENTITY, format!("{name}: {why}"));
    let body = tokio::time::timeout(BODY_WITHIN, Limited::new(request.into_body(), LARGEST_BODY).collect()).await;
    let body = body.map_err(|_| refused("the body did not arrive".into()))?.map_err(|error| refused(error.to_string()))?;
    let order: Order = serde_json::from_slice(&body.to_bytes()).map_err(|error| refused(format!("no order: {error}")))?;
    order.check().map_err(|error| refused(error.to_string()))?;
    link.put(&order);
    Ok(link)
}

fn json(status: StatusCode, body: &impl serde::Serialize) -> Response<Full<Bytes>> {
    let body = serde_json::to_vec(body).unwrap_or_default();
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(hyper::header::CONTENT_TYPE, hyper::header::HeaderValue::from_static("application/json"));
    response
}

/// Asks the proxy of this machine whether it serves.
///
/// # Errors
/// It does not, in words.
pub async fn probe(port: u16, within: Duration) -> Result<(), String> {
    let asked = async {
        let mut socket = TcpStream::connect(("127.0.0.1", port)).await?;
        socket.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    match tokio::time::timeout(within, asked).await {
        Ok(Ok(answer)) if answer.starts_with("HTTP/1.1 200 ") => Ok(()),
        Ok(Ok(answer)) => Err(format!("port {port} answered {}", answer.lines().next().unwrap_or("nothing"))),
        Ok(Err(error)) => Err(format!("cannot ask port {port}: {error}")),
        Err(_) => Err(format!("port {port} did not answer within {within:?}")),
    }
}
