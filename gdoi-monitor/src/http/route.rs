//! Which page a request is for.

use std::convert::Infallible;
use std::sync::Arc;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use serde::Serialize;
use tokio::sync::oneshot;

use super::Pages;
use crate::engine::{self, Extent, State};
use crate::sink::prometheus;
use crate::state;

type Answer = Response<Full<Bytes>>;

/// Answers one request.
pub(super) async fn answer(pages: Arc<Pages>, request: Request<Incoming>) -> Result<Answer, Infallible> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let mut refusal = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
        refusal
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return Ok(refusal);
    }
    Ok(match request.uri().path() {
        "/" => page(HTML, StatusCode::OK, LANDING),
        "/metrics" => metrics(&pages).await,
        "/-/healthy" => text(StatusCode::OK, "healthy\n"),
        "/-/ready" => ready(&pages).await,
        "/api/v1/groups" => {
            api(&pages, |state| {
                json(&state::groups(&state.snapshot, state.calendar).collect::<Vec<_>>())
            })
            .await
        }
        "/api/v1/members" => {
            api(&pages, |state| {
                json(&state::members(&state.snapshot, state.calendar).collect::<Vec<_>>())
            })
            .await
        }
        "/api/v1/spis" => {
            api(&pages, |state| {
                json(&state::spis(&state.snapshot, state.calendar).collect::<Vec<_>>())
            })
            .await
        }
        "/api/v1/events" => {
            api(&pages, |state| {
                page(JSON, StatusCode::OK, format!("[{}]", state.recent.join(",")))
            })
            .await
        }
        _ => text(StatusCode::NOT_FOUND, "no such page; see /\n"),
    })
}

async fn metrics(pages: &Pages) -> Answer {
    let Some(state) = now(pages, Extent::Summary).await else {
        return stopping();
    };
    match pages.exposition.page(&state) {
        Ok(body) => page(prometheus::CONTENT_TYPE, StatusCode::OK, body),
        Err(error) => {
            tracing::error!(%error, "cannot write the metrics page");
            text(
                StatusCode::INTERNAL_SERVER_ERROR,
                "cannot write the metrics page; see the log\n",
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

async fn ready(pages: &Pages) -> Answer {
    let Some(state) = now(pages, Extent::Summary).await else {
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
    let mut answer = json(&readiness);
    *answer.status_mut() = status;
    answer
}

async fn api(pages: &Pages, answer: impl FnOnce(&State) -> Answer) -> Answer {
    now(pages, Extent::Everything)
        .await
        .map_or_else(stopping, |state| answer(&state))
}

fn json(object: &impl Serialize) -> Answer {
    match serde_json::to_vec(object) {
        Ok(body) => page(JSON, StatusCode::OK, body),
        Err(error) => {
            tracing::error!(%error, "cannot write an answer as JSON");
            text(
                StatusCode::INTERNAL_SERVER_ERROR,
                "cannot write the answer; see the log\n",
            )
        }
    }
}

fn stopping() -> Answer {
    text(StatusCode::SERVICE_UNAVAILABLE, "the agent is stopping\n")
}

/// What the engine knows now; `None` when it has stopped.
async fn now(pages: &Pages, extent: Extent) -> Option<Arc<State>> {
    let (reply, answer) = oneshot::channel();
    pages.engine.send(engine::Request { extent, reply }).await.ok()?;
    answer.await.ok()
}

fn text(status: StatusCode, body: &'static str) -> Answer {
    page(TEXT, status, body)
}

fn page(kind: &'static str, status: StatusCode, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const HTML: &str = "text/html; charset=utf-8";
const LANDING: &str = "<!doctype html><html lang=\"en\"><head><title>gdoi-monitor</title></head><body>\
    <h1>gdoi-monitor</h1><ul><li><a href=\"/metrics\">metrics</a></li>\
    <li><a href=\"/-/ready\">readiness</a></li>\
    <li>what is known: <a href=\"/api/v1/groups\">groups</a>, <a href=\"/api/v1/members\">members</a>,\
    <a href=\"/api/v1/spis\">SPIs</a>, <a href=\"/api/v1/events\">events</a></li></ul></body></html>\n";
