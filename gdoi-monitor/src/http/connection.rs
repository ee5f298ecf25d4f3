//! One connection: from its first octet to its end.

use std::convert::Infallible;
use std::error::Error as _;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::answer::{self, Answer};
use super::connection_limit::ConnectionSlot;
use super::web::{Access, ServerTls, WebSettings};
use super::{Refusal, Server, route};

/// The content type of a TLS record that begins a handshake (RFC 8446 §5.1).
const HANDSHAKE: u8 = 22;
const MAX_HEADER_OCTETS: usize = 16 << 10;
const NOT_TLS: &[u8] = b"HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n\
    this is an HTTPS port: use https://\n";

/// A stream whose peer has to read what is sent to it.
type Patient = Pin<Box<TimeoutStream<TcpStream>>>;

/// Serves one connection until its end, its age or `stop`.
pub(super) async fn serve(
    server: Arc<Server>,
    stream: TcpStream,
    place: ConnectionSlot,
    stop: watch::Receiver<bool>,
) {
    // Asked to end at its age, it has this long to read what is on the way.
    let last = server.limits.age.saturating_add(server.limits.read_wait);
    if timeout(last, connected(&server, stream, stop)).await.is_err() {
        server.counts.add(Refusal::Unread);
    }
    drop(place);
}

async fn connected(server: &Arc<Server>, stream: TcpStream, stop: watch::Receiver<bool>) {
    let changes = server.web.changes();
    let settings = Arc::clone(&changes.borrow());
    // Answers are written in one go.
    drop(stream.set_nodelay(true));
    match &settings.tls {
        None => http(server, patient(server, stream), changes, stop).await,
        Some(tls) => match handshake(server, stream, tls).await {
            Some(stream) => http(server, stream, changes, stop).await,
            None => server.counts.add(Refusal::Handshake),
        },
    }
}

fn patient(server: &Server, stream: TcpStream) -> Patient {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(server.limits.read_wait));
    Box::pin(stream)
}

/// Agrees on TLS; `None` when that failed, or the client is none of those that are wanted.
async fn handshake(server: &Server, stream: TcpStream, tls: &ServerTls) -> Option<TlsStream<Patient>> {
    let wait = server.limits.request_wait;
    let mut first = [0];
    timeout(wait, stream.peek(&mut first)).await.ok()?.ok()?;
    if first != [HANDSHAKE] {
        drop(timeout(wait, say_not_tls(stream)).await);
        return None;
    }
    let acceptor = TlsAcceptor::from(Arc::clone(&tls.server));
    let accepted = timeout(wait, acceptor.accept(patient(server, stream)))
        .await
        .ok()?;
    match accepted {
        Ok(stream) if tls.is_allowed(stream.get_ref().1.peer_certificates()) => Some(stream),
        Ok(_) => None,
        Err(error) => {
            tracing::debug!(%error, "TLS handshake failed");
            None
        }
    }
}

/// Tells somebody who does not speak TLS why it is not answered.
async fn say_not_tls(mut stream: TcpStream) -> io::Result<()> {
    // What is left unread would reset the connection, and the answer be lost.
    let mut request = vec![0; MAX_HEADER_OCTETS];
    let _octets = stream.read(&mut request).await?;
    stream.write_all(NOT_TLS).await?;
    stream.shutdown().await
}

/// Answers requests. With a new web configuration, clients have to connect again.
async fn http<S: AsyncRead + AsyncWrite + Unpin>(
    server: &Arc<Server>,
    stream: S,
    mut changes: watch::Receiver<Arc<WebSettings>>,
    mut stop: watch::Receiver<bool>,
) {
    let service = service_fn(|request| guard(server, request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(server.limits.request_wait)
        .max_buf_size(MAX_HEADER_OCTETS)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let mut age = pin!(sleep(server.limits.age));
    let mut is_last = false;
    let ended = loop {
        tokio::select! {
            ended = connection.as_mut() => break ended,
            _ = changes.changed(), if !is_last => {}
            _ = stop.changed(), if !is_last => {}
            () = age.as_mut(), if !is_last => {}
        }
        is_last = true;
        connection.as_mut().graceful_shutdown();
    };
    if let Err(error) = ended {
        if is_unread(&error) {
            server.counts.add(Refusal::Unread);
        } else if error.is_parse() || error.is_timeout() {
            server.counts.add(Refusal::Request);
        }
        // Else the peer broke off, which is its own affair.
    }
}

fn is_unread(error: &hyper::Error) -> bool {
    error
        .source()
        .and_then(|cause| cause.downcast_ref::<io::Error>())
        .is_some_and(|error| error.kind() == io::ErrorKind::TimedOut)
}

/// Answers those who may ask.
async fn guard(server: &Server, request: Request<Incoming>) -> Result<Answer, Infallible> {
    let settings = server.web.settings();
    let mut answer = if settings.has_room() {
        let authorization = request.headers().get(AUTHORIZATION);
        match settings.access(authorization.map(HeaderValue::as_bytes)).await {
            Access::Granted => route::answer(server, request).await,
            Access::Refused => refuse(server, Refusal::Credentials),
            Access::Busy => refuse(server, Refusal::Busy),
        }
    } else {
        refuse(server, Refusal::Rate)
    };
    for (name, value) in &settings.headers {
        answer.headers_mut().insert(name, value.clone());
    }
    Ok(answer)
}

/// Says that it will not answer, and counts it.
pub(super) fn refuse(server: &Server, why: Refusal) -> Answer {
    server.counts.add(why);
    match why {
        Refusal::Credentials => {
            let mut answer = answer::text(StatusCode::UNAUTHORIZED, "authentication required\n");
            let scheme = HeaderValue::from_static("Basic realm=\"gdoi-monitor\", charset=\"UTF-8\"");
            answer.headers_mut().insert(WWW_AUTHENTICATE, scheme);
            answer
        }
        Refusal::Rate => later(StatusCode::TOO_MANY_REQUESTS),
        _ => later(StatusCode::SERVICE_UNAVAILABLE),
    }
}

fn later(status: StatusCode) -> Answer {
    let mut answer = answer::text(status, "too many requests; retry later\n");
    answer
        .headers_mut()
        .insert(RETRY_AFTER, HeaderValue::from_static("1"));
    answer
}
