//! One connection, from its first octet to its end.

use std::convert::Infallible;
use std::error::Error as _;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::answer::Answer;
use super::connection_limit::ConnectionSlot;
use super::web::{Access, ServerTls, WebSettings};
use super::{Refusal, Server, origin, route};

/// The content type of a TLS record that begins a handshake (RFC 8446 §5.1).
const HANDSHAKE: u8 = 22;
/// The path that scrapers request.
const METRICS: &str = "/metrics";
const MAX_HEADER_OCTETS: usize = 16 << 10;
const NOT_TLS: &[u8] = b"HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n\
    this is an HTTPS port: use https://\n";

/// A stream that fails if the peer does not read.
type Patient = Pin<Box<TimeoutStream<TcpStream>>>;

/// Serves one connection until its end, its age limit or `stop`, or until another needs its slot.
pub(super) async fn serve(
    server: Arc<Server>,
    stream: TcpStream,
    slot: ConnectionSlot,
    stop: watch::Receiver<bool>,
) {
    // After the age limit it has this long to read the current answer.
    let last = server.limits.age.saturating_add(server.limits.read_wait);
    tokio::select! {
        ended = timeout(last, connected(&server, &slot, stream, stop)) => {
            if ended.is_err() {
                server.refusals.add(Refusal::Unread);
            }
        }
        // Counted where the slot was taken away.
        () = slot.closed() => {}
    }
}

async fn connected(server: &Server, slot: &ConnectionSlot, stream: TcpStream, stop: watch::Receiver<bool>) {
    let changes = server.web.changes();
    let settings = Arc::clone(&changes.borrow());
    // Answers are written in one go.
    drop(stream.set_nodelay(true));
    match &settings.tls {
        None => http(server, slot, patient(server, stream), changes, stop).await,
        Some(tls) => match handshake(server, stream, tls).await {
            Some(stream) => http(server, slot, stream, changes, stop).await,
            None => server.refusals.add(Refusal::Handshake),
        },
    }
}

fn patient(server: &Server, stream: TcpStream) -> Patient {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(server.limits.read_wait));
    Box::pin(stream)
}

/// Negotiates TLS; `None` if that failed, or the client's certificate is not accepted.
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

/// Tells a client that does not use TLS why it gets no answer.
async fn say_not_tls(mut stream: TcpStream) -> io::Result<()> {
    // Unread octets would reset the connection, and the answer would be lost.
    let mut request = vec![0; MAX_HEADER_OCTETS];
    let _octets = stream.read(&mut request).await?;
    stream.write_all(NOT_TLS).await?;
    stream.shutdown().await
}

/// Answers requests. After a change of the web configuration, clients have to connect again.
async fn http<S: AsyncRead + AsyncWrite + Unpin>(
    server: &Server,
    slot: &ConnectionSlot,
    stream: S,
    mut changes: watch::Receiver<Arc<WebSettings>>,
    mut stop: watch::Receiver<bool>,
) {
    let unasked = Unasked::default();
    let stream = Watched {
        stream,
        unasked: &unasked,
    };
    let service = service_fn(|request| {
        unasked.clear();
        guard(server, slot, request)
    });
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
            server.refusals.add(Refusal::Unread);
        } else if error.is_parse() || (error.is_timeout() && unasked.is_any()) {
            server.refusals.add(Refusal::Request);
        }
        // Otherwise it was idle, or the peer closed it: that is no refusal.
    }
}

fn is_unread(error: &hyper::Error) -> bool {
    error
        .source()
        .and_then(|cause| cause.downcast_ref::<io::Error>())
        .is_some_and(|error| error.kind() == io::ErrorKind::TimedOut)
}

/// Answers admitted requests.
async fn guard(
    server: &Server,
    slot: &ConnectionSlot,
    request: Request<Incoming>,
) -> Result<Answer, Infallible> {
    let settings = server.web.settings();
    let is_scrape = request.uri().path() == METRICS;
    slot.serving();
    let mut answer = match admit(server, slot, &settings, &request).await {
        Ok(()) => {
            let answer = route::answer(server, request, slot.is_scraper(Instant::now())).await;
            slot.answered(Instant::now());
            answer
        }
        Err(refusal) => {
            slot.refused();
            server.refusals.refuse(refusal)
        }
    };
    if is_scrape && answer.status() == StatusCode::OK {
        slot.scraped(Instant::now());
    }
    for (name, value) in &settings.headers {
        answer.headers_mut().insert(name, value.clone());
    }
    Ok(answer)
}

/// Whether a request is admitted.
async fn admit(
    server: &Server,
    slot: &ConnectionSlot,
    settings: &WebSettings,
    request: &Request<Incoming>,
) -> Result<(), Refusal> {
    let authorization = request.headers().get(AUTHORIZATION).map(HeaderValue::as_bytes);
    origin::check(request, &server.names, settings.is_bound_to_name())?;
    match settings.access(authorization).await {
        Access::Granted => {}
        Access::Refused => return Err(Refusal::Credentials),
        Access::Busy => return Err(Refusal::Busy),
    }
    // A wrong password was refused before: guesses do not use up the rate of others.
    if settings.has_room(slot.is_scraper(Instant::now())) {
        Ok(())
    } else {
        Err(Refusal::Rate)
    }
}

/// A stream that notes whether anything arrived since the last request.
struct Watched<'a, S> {
    stream: S,
    unasked: &'a Unasked,
}

/// Whether an incomplete request has arrived.
#[derive(Default)]
struct Unasked(AtomicBool);

impl Unasked {
    fn clear(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    fn is_any(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<'_, S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.unasked.0.store(true, Ordering::Relaxed);
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<'_, S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, octets)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
