//! Which page a request is for.

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{ALLOW, HeaderValue};
use hyper::{Method, Request, StatusCode};
use serde::Serialize;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::Server;
use super::answer::{self, Answer, Bound, JSON, page, text};
use crate::engine::{self, Extent, State};
use crate::sink::prometheus;
use crate::state;

/// Answers one request.
pub(super) async fn answer(server: &Server, request: Request<Incoming>) -> Answer {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let mut refusal = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
        refusal
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refusal;
    }
    match request.uri().path() {
        "/" => page(HTML, StatusCode::OK, LANDING),
        "/metrics" => metrics(server).await,
        "/-/healthy" => text(StatusCode::OK, "healthy\n"),
        "/-/ready" => ready(server).await,
        "/api/v1/groups" => {
            api(server, |state| {
                serde_json::to_vec(&state::groups(&state.snapshot, state.calendar).collect::<Vec<_>>())
            })
            .await
        }
        "/api/v1/members" => {
            api(server, |state| {
                serde_json::to_vec(&state::members(&state.snapshot, state.calendar).collect::<Vec<_>>())
            })
            .await
        }
        "/api/v1/spis" => {
            api(server, |state| {
                serde_json::to_vec(&state::spis(&state.snapshot, state.calendar).collect::<Vec<_>>())
            })
            .await
        }
        "/api/v1/events" => {
            api(server, |state| {
                Ok(format!("[{}]", state.recent.join(",")).into_bytes())
            })
            .await
        }
        _ => text(StatusCode::NOT_FOUND, "no such page; see /\n"),
    }
}

async fn metrics(server: &Server) -> Answer {
    let make = |state: &State| server.exposition.page(state, &server.status());
    long(
        server,
        &server.bodies.metrics,
        Extent::Summary,
        prometheus::CONTENT_TYPE,
        make,
    )
    .await
}

/// An answer that may be long, made from what the engine knows.
async fn long<E: std::fmt::Display>(
    server: &Server,
    bound: &Bound,
    extent: Extent,
    kind: &'static str,
    make: impl FnOnce(&State) -> Result<Vec<u8>, E>,
) -> Answer {
    let Some(permit) = bound.permit().await else {
        return super::connection::refuse(server, super::Refusal::Busy);
    };
    let Some(state) = now(server, extent).await else {
        return stopping();
    };
    match make(&state) {
        Ok(body) => page(kind, StatusCode::OK, answer::held(body, permit)),
        Err(error) => {
            tracing::error!(%error, "cannot write an answer");
            text(
                StatusCode::INTERNAL_SERVER_ERROR,
                "cannot write the answer; see the log\n",
            )
        }
    }
}

/// Whether the agent does its work, and what it is checked by.
#[derive(Serialize)]
struct Readiness<'a> {
    ready: bool,
    interfaces: Vec<Interface<'a>>,
}

#[derive(Serialize)]
struct Interface<'a> {
    name: &'a str,
    direction: &'static str,
    watched: bool,
    mode: Option<&'static str>,
}

async fn ready(server: &Server) -> Answer {
    let Some(state) = now(server, Extent::Summary).await else {
        return stopping();
    };
    let interfaces: Vec<_> = state
        .captures
        .iter()
        .map(|capture| Interface {
            name: &capture.interface,
            direction: capture.direction.name(),
            watched: capture.attached.is_some(),
            mode: capture
                .attached
                .as_ref()
                .map(|attached| attached.attachment.name()),
        })
        .collect();
    let readiness = Readiness {
        ready: !interfaces.is_empty() && interfaces.iter().all(|interface| interface.watched),
        interfaces,
    };
    let status = if readiness.ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    answer::json(status, &readiness)
}

async fn api(server: &Server, make: impl FnOnce(&State) -> serde_json::Result<Vec<u8>>) -> Answer {
    long(server, &server.bodies.lists, Extent::Everything, JSON, make).await
}

fn stopping() -> Answer {
    text(StatusCode::SERVICE_UNAVAILABLE, "the agent is stopping\n")
}

/// What the engine knows now; `None` when it has stopped.
async fn now(server: &Server, extent: Extent) -> Option<Arc<State>> {
    let (reply, answer) = oneshot::channel();
    let ask = async {
        server.engine.send(engine::Request { extent, reply }).await.ok()?;
        answer.await.ok()
    };
    timeout(ANSWER_WAIT, ask).await.ok()?
}

/// The engine answers in milliseconds; it is at its end when it does not.
const ANSWER_WAIT: Duration = Duration::from_secs(10);
const HTML: &str = "text/html; charset=utf-8";
const LANDING: &str = "<!doctype html><html lang=\"en\"><head><title>gdoi-monitor</title></head><body>\
    <h1>gdoi-monitor</h1><ul><li><a href=\"/metrics\">metrics</a></li>\
    <li><a href=\"/-/ready\">readiness</a></li>\
    <li>what is known: <a href=\"/api/v1/groups\">groups</a>, <a href=\"/api/v1/members\">members</a>,\
    <a href=\"/api/v1/spis\">SPIs</a>, <a href=\"/api/v1/events\">events</a></li></ul></body></html>\n";
