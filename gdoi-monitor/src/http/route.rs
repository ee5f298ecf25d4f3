//! Which page a request is for.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{ALLOW, HeaderValue};
use hyper::{Method, Request, StatusCode};
use tokio::sync::oneshot;
use tokio::task::block_in_place;
use tokio::time::{Instant, timeout};

use super::answer::{self, Answer, Bound, HTML, TEXT, page, text};
use super::{Refusal, Server, api, connection, landing, ready};
use crate::engine::{self, Detail, State};
use crate::sink::prometheus;

/// The engine answers in milliseconds; it is at its end when it does not.
const ANSWER_WAIT: Duration = Duration::from_secs(10);
const YOUNG: Duration = Duration::from_millis(200);

/// Answers one request.
pub(super) async fn answer(server: &Server, request: Request<Incoming>) -> Answer {
    if request.uri().path() == "/-/reload" {
        return reload(server, request.method()).await;
    }
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let mut refusal = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
        refusal
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refusal;
    }
    match request.uri().path() {
        "/" => landing(server).await,
        "/metrics" => metrics(server).await,
        "/ui/page.css" => super::page::style(),
        "/ui/page.js" => super::page::script(),
        "/-/healthy" => text(StatusCode::OK, "healthy\n"),
        "/-/ready" => ready(server).await,
        path => match path.strip_prefix("/api/v1/").and_then(api::List::named) {
            Some(list) => api::answer(server, list, request.uri().query().unwrap_or_default()).await,
            None => text(StatusCode::NOT_FOUND, "no such page; see /\n"),
        },
    }
}

async fn landing(server: &Server) -> Answer {
    let make = |state: &State| Ok::<_, serde_json::Error>(landing::page(state, &server.status()));
    let answer = long(server, &server.bodies.lists, Detail::Summary, HTML, make).await;
    super::page::guarded(answer)
}

/// Reads the configuration again; the answer says how that went.
async fn reload(server: &Server, method: &Method) -> Answer {
    if method != Method::POST {
        let mut refusal = text(StatusCode::METHOD_NOT_ALLOWED, "only POST\n");
        refusal
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("POST"));
        return refusal;
    }
    let Some(reloads) = &server.reloads else {
        return text(StatusCode::CONFLICT, "the agent was started without --config\n");
    };
    match reloads.ask().await {
        Ok(()) => text(StatusCode::OK, "reloaded the configuration\n"),
        Err(error) => page(TEXT, StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
    }
}

async fn metrics(server: &Server) -> Answer {
    let make = |state: &State| server.exposition.page(state, &server.status());
    let kind = prometheus::CONTENT_TYPE;
    long(server, &server.bodies.metrics, Detail::Summary, kind, make).await
}

async fn ready(server: &Server) -> Answer {
    match now(server, Detail::Summary).await {
        Some(state) => ready::answer(&state, &server.status()),
        None => stopping(),
    }
}

/// An answer that may be long, made from what the engine knows.
pub(super) async fn long<E: Display>(
    server: &Server,
    bound: &Bound,
    detail: Detail,
    kind: &'static str,
    make: impl FnOnce(&State) -> Result<Vec<u8>, E>,
) -> Answer {
    let Some(permit) = bound.permit().await else {
        return connection::refuse(server, Refusal::Busy);
    };
    let state = match detail {
        Detail::Full => everything(server).await,
        Detail::Summary => now(server, detail).await,
    };
    let Some(state) = state else {
        return stopping();
    };
    // Tens of milliseconds, in which this thread serves nobody else.
    match block_in_place(|| make(&state)) {
        Ok(body) => page(kind, StatusCode::OK, answer::held(body, permit)),
        Err(error) => {
            tracing::error!(%error, "cannot write a response");
            text(
                StatusCode::INTERNAL_SERVER_ERROR,
                "cannot write the answer; see the log\n",
            )
        }
    }
}

/// All that the engine knows, at most [`YOUNG`] old: to list it takes the engine's time, whoever asks and however often.
async fn everything(server: &Server) -> Option<Arc<State>> {
    let mut latest = server.everything.lock().await;
    if let Some((at, state)) = latest.as_ref()
        && at.elapsed() < YOUNG
    {
        return Some(Arc::clone(state));
    }
    // The old one is not kept while the new one is made.
    *latest = None;
    let state = now(server, Detail::Full).await?;
    *latest = Some((Instant::now(), Arc::clone(&state)));
    Some(state)
}

fn stopping() -> Answer {
    text(StatusCode::SERVICE_UNAVAILABLE, "the agent is shutting down\n")
}

/// What the engine knows now; `None` when it has stopped.
async fn now(server: &Server, detail: Detail) -> Option<Arc<State>> {
    let (reply, answer) = oneshot::channel();
    let ask = async {
        server.engine.send(engine::Request { detail, reply }).await.ok()?;
        answer.await.ok()
    };
    timeout(ANSWER_WAIT, ask).await.ok()?
}
