//! `show members`: every member in one line.

use serde_json::value::RawValue;

use super::table::{TextTable, cell};
use super::{MembersArgs, array, belongs, print, print_json};
use crate::client::{Member, Moment, Text, compact, path};

pub(super) async fn show(arguments: &MembersArgs) -> anyhow::Result<()> {
    let mut client = arguments.agent.client()?;
    let answer = client.page(path::MEMBERS).await?;
    let mut objects: Vec<&RawValue> = client.parse(path::MEMBERS, &answer.body)?;
    let wanted = arguments.group.as_deref().map(Text::new);
    objects.retain(|object| belongs(object.get(), wanted.as_ref()));
    let json = array(&objects);
    let members: Vec<Member> = client.parse(path::MEMBERS, json.as_bytes())?;
    if arguments.json {
        return Ok(print_json(&json)?);
    }
    Ok(print(&text(&members, answer.now))?)
}

/// The members at a moment, for people.
pub(super) fn text(members: &[Member], now: Moment) -> String {
    let ago = |date: Option<Moment>| cell(date.map(|date| compact(now.since(date))));
    let mut table = TextTable::new([
        "MEMBER",
        "GROUP",
        "KEY SERVER",
        "REGISTERED",
        "TIMES",
        "FAILED",
        "REKEYED",
        "ACKED",
        "UNACKED",
        "SEEN",
    ]);
    for member in members {
        table.push([
            member.endpoint(),
            cell(member.group.as_ref()),
            cell(member.key_server),
            ago(member.registered),
            member.registrations.to_string(),
            member.failures.to_string(),
            ago(member.rekeyed),
            ago(member.acknowledged),
            cell(member.unacknowledged),
            ago(Some(member.last_seen)),
        ]);
    }
    table.text()
}
