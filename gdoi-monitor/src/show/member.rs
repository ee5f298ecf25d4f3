//! `show member`: everything about one member, and its latest events.

use std::fmt::{self, Write as _};
use std::net::IpAddr;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::group::line;
use super::table::NOTHING;
use super::{OneMember, array, events, print, print_json};
use crate::client::{Event, Member, Moment, Text, path, seconds};

/// Events that fit on a screen.
const EVENTS: usize = 20;

pub(super) async fn show(arguments: &OneMember) -> anyhow::Result<()> {
    let mut client = arguments.agent.client()?;
    let answer = client.page(path::MEMBERS).await?;
    let mut objects: Vec<&RawValue> = client.parse(path::MEMBERS, &answer.body)?;
    objects.retain(|object| is_at(object, arguments.address));
    let list = array(&objects);
    let members: Vec<Member> = client.parse(path::MEMBERS, list.as_bytes())?;
    if members.is_empty() {
        return Err(UnknownMember {
            wanted: arguments.address,
            address: client.address().to_string(),
        }
        .into());
    }
    let all = client.page(path::EVENTS).await?;
    let mut objects: Vec<&RawValue> = client.parse(path::EVENTS, &all.body)?;
    objects.retain(|object| concerns(object, arguments.address));
    if arguments.json {
        let events = array(&objects);
        return Ok(print_json(&format!(
            "{{\"members\":{list},\"events\":{events}}}"
        ))?);
    }
    let events: Vec<Event> = client.parse(path::EVENTS, array(&objects).as_bytes())?;
    Ok(print(&text(&members, &events, answer.now)?)?)
}

/// The agent knows no such member.
#[derive(Debug, thiserror::Error)]
#[error("no member {wanted} at {address}; `gdoi-monitor show members` lists those it knows")]
struct UnknownMember {
    wanted: IpAddr,
    address: String,
}

#[derive(Deserialize)]
struct Addressed {
    address: std::net::SocketAddr,
}

fn is_at(object: &RawValue, address: IpAddr) -> bool {
    serde_json::from_str::<Addressed>(object.get()).is_ok_and(|member| member.address.ip() == address)
}

#[derive(Deserialize)]
struct Concerned {
    member: Option<Text>,
}

/// Whether an event names this member, with or without a port.
fn concerns(object: &RawValue, address: IpAddr) -> bool {
    let concerned = serde_json::from_str::<Concerned>(object.get());
    let member = concerned.ok().and_then(|concerned| concerned.member);
    member.is_some_and(|member| {
        let alone = member.parse::<IpAddr>().ok();
        alone.or_else(|| {
            member
                .parse::<std::net::SocketAddr>()
                .ok()
                .map(|member| member.ip())
        }) == Some(address)
    })
}

/// A member in several groups, or with several NAT ports, has a section for each.
fn text(members: &[Member], events: &[Event], now: Moment) -> Result<String, fmt::Error> {
    let mut text = String::new();
    let ago = |date: Option<Moment>| {
        date.map_or_else(
            || NOTHING.to_owned(),
            |date| format!("{} ago", seconds(now.since(date))),
        )
    };
    for member in members {
        writeln!(text, "MEMBER {}\n", member.endpoint())?;
        let group = member
            .group
            .as_deref()
            .unwrap_or("unknown: no rekey or answer seen yet");
        line(&mut text, "Group", group)?;
        let server = member
            .key_server
            .map_or_else(|| NOTHING.to_owned(), |server| server.to_string());
        line(&mut text, "Key server", &server)?;
        line(&mut text, "First seen", &ago(Some(member.first_seen)))?;
        line(&mut text, "Last seen", &ago(Some(member.last_seen)))?;
        let times = format!("{} times, last {}", member.registrations, ago(member.registered));
        line(&mut text, "Registered", &times)?;
        line(&mut text, "Failed since", &member.failures.to_string())?;
        line(&mut text, "Last sent a rekey", &ago(member.rekeyed))?;
        line(&mut text, "Last acknowledged", &ago(member.acknowledged))?;
        let missed = member
            .unacknowledged
            .map_or_else(|| NOTHING.to_owned(), |missed| missed.to_string());
        line(&mut text, "Unacknowledged now", &missed)?;
        writeln!(text)?;
    }
    writeln!(text, "LATEST EVENTS\n")?;
    for event in events.iter().skip(events.len().saturating_sub(EVENTS)) {
        write!(text, "    {}", events::line(event))?;
    }
    if events.is_empty() {
        writeln!(text, "    none")?;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::samples::{EVENTS, MEMBERS, NOW};

    #[test]
    fn a_member_and_its_events() {
        let members: Vec<&RawValue> = serde_json::from_str(MEMBERS).unwrap();
        let events: Vec<&RawValue> = serde_json::from_str(EVENTS).unwrap();
        let address = "10.1.13.2".parse().unwrap();
        let members: Vec<Member> = members
            .into_iter()
            .filter(|object| is_at(object, address))
            .map(|object| serde_json::from_str(object.get()).unwrap())
            .collect();
        let events: Vec<Event> = events
            .into_iter()
            .filter(|object| concerns(object, address))
            .map(|object| serde_json::from_str(object.get()).unwrap())
            .collect();
        assert_eq!(text(&members, &events, NOW.parse().unwrap()).unwrap(), SHOWN);
    }

    const SHOWN: &str = "\
MEMBER 10.1.13.2

    Group                    : G1
    Key server               : 10.1.11.2
    First seen               : 10800 sec (3h00m) ago
    Last seen                : 34 sec ago
    Registered               : 2 times, last 3600 sec (1h00m) ago
    Failed since             : 0
    Last sent a rekey        : 35 sec ago
    Last acknowledged        : -
    Unacknowledged now       : -

LATEST EVENTS

    2026-03-01T11:55:00.000Z  warning   registration_failed  group=G1  key_server=10.1.11.2  member=10.1.13.2  duration_seconds=30.5  stage=mm1
";
}
