//! `show groups`: every group in one line.

use super::table::{TextTable, cell};
use super::{GroupsArgs, print, print_json};
use crate::client::{Group, Moment, compact, path};

pub(super) async fn show(arguments: &GroupsArgs) -> anyhow::Result<()> {
    let mut client = arguments.agent.client()?;
    let answer = client.page(path::GROUPS).await?;
    let groups: Vec<Group> = client.parse(path::GROUPS, &answer.body)?;
    if arguments.json {
        return Ok(print_json(&String::from_utf8_lossy(&answer.body))?);
    }
    Ok(print(&text(&groups, answer.now))?)
}

/// The groups at a moment, for people.
fn text(groups: &[Group], now: Moment) -> String {
    let mut table = TextTable::new([
        "GROUP",
        "TRANSPORT",
        "MEMBERS",
        "KEY SERVER",
        "REKEYS",
        "LAST",
        "NEXT IN",
        "KEK LEFT",
        "STATE",
    ]);
    for group in groups {
        let pushing = group.key_servers.iter().find(|server| server.pushes);
        let server = pushing.or(group.key_servers.first());
        table.push([
            group.name.to_string(),
            cell(group.transport.as_ref()),
            group.members.to_string(),
            cell(server.map(|server| server.address)),
            group.rekeys().to_string(),
            cell(group.rekey.last.map(|last| compact(now.since(last)))),
            cell(group.rekey.next_expected.map(|next| compact(next.since(now)))),
            cell(group.kek.expiry.map(|expiry| compact(expiry.since(now)))),
            group.state(),
        ]);
    }
    table.text()
}

#[cfg(test)]
mod tests;
