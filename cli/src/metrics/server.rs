//! A web server with one page.

use super::text;
use crate::failure::Failure;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use peerwork_tokio::{Node, Stopped, transport_error};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Where the page is.
const PATH: &str = "/metrics";

/// How many clients are served at a time; the next ones wait. Stops whoever connects again and again from taking the node's
/// descriptors and memory.
const MAX_CLIENTS: usize = 16;

/// How long a client may take from its first byte to the last one of the answer; then it is cut off. Stops those that are silent or
/// do not read from keeping their places. Each client asks once.
const TIME_LIMIT: Duration = Duration::from_secs(5);

/// The most bytes in front of a request's body, which is not read. Larger requests are refused.
const MAX_HEAD_BYTES: usize = 8 * 1024;

/// How many fields they may be.
const MAX_HEADERS: usize = 64;

/// How long the server waits after the system refused to accept a client, for instance for lack of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The server, once its address is taken.
pub(crate) struct Server {
    listener: TcpListener,
    address: SocketAddr,
    started: SystemTime,
}

impl Server {
    /// Takes the address; port 0 lets the system choose.
    ///
    /// # Errors
    /// [`Failure::Metrics`]: it is in use, not this machine's, or not allowed.
    pub(crate) async fn bind(address: SocketAddr) -> Result<Self, Failure> {
        let failed = |error| Failure::Metrics { address, error: transport_error(&error) };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address, started: SystemTime::now() })
    }

    /// Where the page is, with the real port.
    pub(crate) fn url(&self) -> String {
        format!("http://{}{PATH}", self.address)
    }
}

/// Tells whoever asks what the node does, until this is dropped; nobody if there is no server.
pub(crate) async fn serve(server: Option<Server>, node: &Node) -> Infallible {
    let Some(Server { listener, started, .. }) = server else { return std::future::pending().await };
    let mut clients = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if clients.len() < MAX_CLIENTS => match accepted {
                Ok((socket, _)) => drop(clients.spawn(answer_client(socket, node.clone(), started))),
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a client of the metrics");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = clients.join_next() => {}
        }
    }
}

async fn answer_client(socket: TcpStream, node: Node, started: SystemTime) {
    let service = service_fn(|request| answer(&node, request, started));
    let connection = http1::Builder::new()
        .half_close(true)
        .keep_alive(false)
        .max_buf_size(MAX_HEAD_BYTES)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(socket), service);
    // Whoever does not speak HTTP has been told, and whoever is too slow is cut off.
    drop(tokio::time::timeout(TIME_LIMIT, connection).await);
}

async fn answer(
    node: &Node,
    request: Request<Incoming>,
    started: SystemTime,
) -> Result<Response<String>, Infallible> {
    let is_here = request.uri().path() == PATH;
    let (status, name, value, body) = if !is_here {
        (StatusCode::NOT_FOUND, CONTENT_TYPE, PLAIN, format!("The metrics are at {PATH}.\n"))
    } else if request.method() != Method::GET {
        (StatusCode::METHOD_NOT_ALLOWED, ALLOW, "GET", "Use GET.\n".to_owned())
    } else {
        match node.metrics().await {
            Ok(metrics) => (StatusCode::OK, CONTENT_TYPE, text::MIME_TYPE, text::encode(metrics, started)),
            Err(error @ Stopped) => {
                (StatusCode::SERVICE_UNAVAILABLE, CONTENT_TYPE, PLAIN, format!("{error}\n"))
            }
        }
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(name, HeaderValue::from_static(value));
    Ok(response)
}

const PLAIN: &str = "text/plain; charset=utf-8";
