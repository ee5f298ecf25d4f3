//! What is compared: for each type of event, the truth about it and what the tracker said.

mod data_plane;
mod key_server;
mod registration;
mod rekey;

use std::net::SocketAddr;
use std::time::Duration;

use gdoi_core::transition::{Cookies, Severity};
use gdoi_core::{Timestamp, Transition};

use super::Fact;
use crate::scenario::{Action, Scenario};
use crate::truth::Happened;

/// One type of event.
#[derive(Clone, Copy)]
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    /// How much attention the tracker asks for, at the most.
    pub(crate) severity: Severity,
    /// How far apart truth and claim may be.
    pub(crate) within: Duration,
    pub(crate) truth: fn(&Scenario, &[Happened]) -> Vec<Fact>,
    pub(crate) said: fn(&[Transition]) -> Vec<Fact>,
}

/// Everything that is compared.
pub(crate) fn subjects() -> impl Iterator<Item = Subject> {
    [
        rekey::SUBJECTS.as_slice(),
        registration::SUBJECTS.as_slice(),
        data_plane::SUBJECTS.as_slice(),
        key_server::SUBJECTS.as_slice(),
    ]
    .into_iter()
    .flatten()
    .copied()
}

fn collect(said: &[Transition], key: impl Fn(&Transition) -> Option<String>) -> Vec<Fact> {
    said.iter()
        .filter_map(|one| Some(Fact::new(key(one)?, one.at)))
        .collect()
}

/// What happened while the gateway was watching.
fn pick(scenario: &Scenario, truth: &[Happened], key: impl Fn(&Happened) -> Option<String>) -> Vec<Fact> {
    let blind = blind(scenario);
    truth
        .iter()
        .filter(|one| {
            !blind
                .iter()
                .any(|(from, until)| (*from..=*until).contains(&one.at))
        })
        .filter_map(|one| Some(Fact::new(key(one)?, one.at)))
        .collect()
}

/// When the gateway saw nothing.
fn blind(scenario: &Scenario) -> Vec<(Timestamp, Timestamp)> {
    scenario
        .events
        .iter()
        .filter(|event| event.action == Action::Blind)
        .map(|event| {
            (
                scenario.start.after(event.at),
                scenario.start.after(event.at + event.lasting),
            )
        })
        .collect()
}

/// A member as key servers see it, without the ports that everybody uses.
fn member(address: Option<SocketAddr>) -> String {
    address.map_or_else(String::new, |address| {
        let port = if matches!(address.port(), 848 | 4500) {
            0
        } else {
            address.port()
        };
        SocketAddr::new(address.ip(), port).to_string()
    })
}

fn hex(Cookies(octets): Cookies) -> String {
    format!("{:032x}", u128::from_be_bytes(octets))
}
