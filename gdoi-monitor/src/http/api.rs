//! The API: the state as JSON. `docs/api.md` documents its schema; names in it never change.

mod query;

use hyper::StatusCode;
use hyper::header::HeaderValue;
use serde::Serialize;
use serde_json::Result;

use super::Server;
use super::answer::{self, Answer, JSON};
use super::route::{Long, long};
use crate::engine::{Detail, State};
use crate::state;
use query::Query;

/// A list of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum List {
    Events,
    Groups,
    Incidents,
    Members,
    Spis,
}

impl List {
    /// The list with this name in the path.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "events" => Self::Events,
            "groups" => Self::Groups,
            "incidents" => Self::Incidents,
            "members" => Self::Members,
            "spis" => Self::Spis,
            _ => return None,
        })
    }

    /// The query parameters that it accepts.
    const fn parameters(self) -> &'static [&'static str] {
        match self {
            Self::Events => &["group", "type", "severity", "limit", "offset"],
            Self::Groups => &["group", "limit", "offset"],
            Self::Incidents => &["group", "key_server", "severity", "limit", "offset"],
            Self::Members => &["group", "key_server", "limit", "offset"],
            Self::Spis => &["group", "spi", "limit", "offset"],
        }
    }

    /// How much of the state it needs.
    const fn detail(self) -> Detail {
        match self {
            Self::Events | Self::Groups | Self::Incidents => Detail::Summary,
            Self::Members | Self::Spis => Detail::Full,
        }
    }

    /// The requested part of the list, and its length without limit and offset.
    fn part(self, state: &State, query: &Query) -> Result<(Vec<u8>, usize)> {
        let snapshot = &state.snapshot;
        match self {
            Self::Events => {
                // The limit counts from the latest.
                let events = state.recent.iter().filter(|event| query.wants_event(event));
                let all: Vec<&str> = events.map(|event| &**event).collect();
                let end = all.len().saturating_sub(query.offset);
                let begin = end.saturating_sub(query.limit);
                let part = all.get(begin..end).unwrap_or_default().join(",");
                Ok((format!("[{part}]").into_bytes(), all.len()))
            }
            Self::Groups => {
                let groups = state::groups(snapshot, state.calendar);
                query.part(groups.filter(|group| query.wants_group(Some(&group.name))))
            }
            Self::Incidents => {
                let incidents = state.diagnosis.incidents.iter();
                query.part(incidents.filter(|incident| {
                    query.wants_group(incident.group.as_deref())
                        && query.wants_severity(&incident.severity)
                        && query.wants_key_server(incident.key_server)
                }))
            }
            Self::Members => {
                let members = state::members(snapshot, state.calendar);
                query.part(members.filter(|member| {
                    query.wants_group(member.group.as_deref()) && query.wants_key_server(member.key_server)
                }))
            }
            Self::Spis => {
                let spis = state::spis(snapshot, state.calendar);
                query.part(
                    spis.filter(|one| query.wants_group(one.group.as_deref()) && query.wants_spi(&one.spi)),
                )
            }
        }
    }
}

/// Answers a request for a list.
pub(super) async fn answer(server: &Server, list: List, query: &str, gzip: bool) -> Answer {
    let query = match Query::read(query, list.parameters()) {
        Ok(query) => query,
        Err(error) => {
            let error = error.to_string();
            return answer::json(StatusCode::BAD_REQUEST, &RefusedQuery { error });
        }
    };
    let mut length = 0;
    let make = |state: &State| {
        list.part(state, &query).map(|(body, all)| {
            length = all;
            body
        })
    };
    let wanted = Long {
        detail: list.detail(),
        kind: JSON,
        gzip,
    };
    let mut answer = long(server, &server.bodies.lists, wanted, make).await;
    if answer.status() == StatusCode::OK {
        answer
            .headers_mut()
            .insert("x-total-count", HeaderValue::from(length));
    }
    answer
}

/// The body of an error response.
#[derive(Serialize)]
struct RefusedQuery {
    error: String,
}
