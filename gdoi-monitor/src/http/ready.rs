//! Readiness: whether the agent does its work, and the checks of it.

use hyper::StatusCode;

use super::Status;
use super::answer::{self, Answer};
use crate::engine::{CaptureState, State};
use crate::state::{InterfaceStatus, Readiness, ReadinessCheck};
use crate::text::Text;

/// Ready once every configured interface is monitored.
pub(super) fn answer(state: &State, server: &Status) -> Answer {
    let interfaces: Vec<_> = state.captures.iter().map(interface).collect();
    let ready = !interfaces.is_empty() && interfaces.iter().all(|interface| interface.watched);
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let readiness = Readiness {
        ready,
        interfaces,
        checks: checks(state, server),
    };
    answer::json(status, &readiness)
}

fn interface(capture: &CaptureState) -> InterfaceStatus {
    let attached = capture.attached.as_ref();
    InterfaceStatus {
        name: Text::own(capture.interface.clone()),
        direction: Text::own(capture.direction.name()),
        watched: attached.is_some(),
        mode: attached.map(|attached| Text::own(attached.attachment.name())),
        reason: reason(capture).map(Text::own),
        blind_spots: capture
            .blind_spots
            .iter()
            .map(|spot| Text::own(spot.name()))
            .collect(),
    }
}

/// Why an interface is not monitored, or not in the best way.
pub(super) fn reason(capture: &CaptureState) -> Option<String> {
    match &capture.attached {
        Some(attached) => attached.passed_over.as_ref().map(ToString::to_string),
        None => Some(
            capture
                .why_not
                .clone()
                .unwrap_or_else(|| "no such interface".to_owned()),
        ),
    }
}

fn checks(state: &State, server: &Status) -> Vec<ReadinessCheck> {
    let check = |name, reason: Option<String>| ReadinessCheck {
        name: Text::own(name),
        ok: reason.is_none(),
        reason: reason.map(Text::own),
    };
    let is_old = server.reload.is_some_and(|reload| !reload.is_good);
    let web =
        is_old.then(|| "the file was rejected; the previous one stays in force; see the log".to_owned());
    let troubles = state.events.troubles.iter();
    let lacking: Vec<_> = server
        .measures
        .iter()
        .filter(|measure| measure.lacks.is_some())
        .map(ToString::to_string)
        .collect();
    let lacking = (!lacking.is_empty()).then(|| lacking.join("; "));
    let lock_down = (!server.measures.is_empty()).then(|| check("lock_down", lacking));
    [check("web_config", web)]
        .into_iter()
        .chain(lock_down)
        .chain(troubles.map(|(output, trouble)| check(output, Some(trouble.clone()))))
        .collect()
}
