//! Lists with one line per object: groups, members, SPIs, key servers, interfaces.

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::table::{TextTable, cell};
use super::{ListArgs, array, belongs, print, print_json};
use crate::client::{
    AgentArgs, Group, InterfaceStatus, Member, Moment, Readiness, SpiUse, Text, compact, path,
};

/// `show groups`.
pub(super) async fn show_groups(agent: &AgentArgs, json: bool) -> anyhow::Result<()> {
    let mut client = agent.client()?;
    let answer = client.page(path::GROUPS).await?;
    let list: Vec<Group> = client.parse(path::GROUPS, &answer.body)?;
    if json {
        return Ok(print_json(&String::from_utf8_lossy(&answer.body))?);
    }
    Ok(print(&groups(&list, answer.now))?)
}

/// `show members`.
pub(super) async fn show_members(arguments: &ListArgs) -> anyhow::Result<()> {
    show_list(arguments, path::MEMBERS, members).await
}

/// `show spis`.
pub(super) async fn show_spis(arguments: &ListArgs) -> anyhow::Result<()> {
    show_list(arguments, path::SPIS, spis).await
}

/// `show key-servers`.
pub(super) async fn show_key_servers(arguments: &ListArgs) -> anyhow::Result<()> {
    let mut client = arguments.agent.client()?;
    let answer = client.read::<Vec<Group>>(path::GROUPS).await?;
    let wanted = arguments.group.as_deref().map(Text::new);
    let mut list = answer.body;
    list.retain(|group| wanted.as_ref().is_none_or(|wanted| group.name == *wanted));
    if arguments.json {
        let objects = list.iter().flat_map(|group| {
            let key_servers = group.key_servers.iter();
            key_servers.map(|server| serde_json::json!({ "group": &*group.name, "key_server": server }))
        });
        return Ok(print_json(&objects.collect::<serde_json::Value>().to_string())?);
    }
    Ok(print(&key_servers(&list, answer.now))?)
}

/// `show interfaces`.
pub(super) async fn show_interfaces(agent: &AgentArgs, json: bool) -> anyhow::Result<()> {
    let mut client = agent.client()?;
    let answer = client.page(path::READY).await?;
    let readiness: Readiness = client.parse(path::READY, &answer.body)?;
    if json {
        return Ok(print_json(&String::from_utf8_lossy(&answer.body))?);
    }
    Ok(print(&interfaces(&readiness.interfaces))?)
}

/// The objects at `path` that belong to the requested group.
async fn show_list<T: DeserializeOwned>(
    arguments: &ListArgs,
    path: &str,
    text: fn(&[T], Moment) -> String,
) -> anyhow::Result<()> {
    let mut client = arguments.agent.client()?;
    let answer = client.page(path).await?;
    let mut objects: Vec<&RawValue> = client.parse(path, &answer.body)?;
    let wanted = arguments.group.as_deref().map(Text::new);
    objects.retain(|object| belongs(object.get(), wanted.as_ref()));
    let json = array(&objects);
    let list: Vec<T> = client.parse(path, json.as_bytes())?;
    if arguments.json {
        return Ok(print_json(&json)?);
    }
    Ok(print(&text(&list, answer.now))?)
}

fn groups(groups: &[Group], now: Moment) -> String {
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

/// The members at one time, as text for people.
pub(super) fn members(members: &[Member], now: Moment) -> String {
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

fn spis(spis: &[SpiUse], now: Moment) -> String {
    let mut table = TextTable::new([
        "SPI", "SITE", "GROUP", "STATUS", "REPLACES", "PACKETS", "BYTES", "FIRST", "SEEN",
    ]);
    for spi in spis {
        table.push([
            spi.spi.to_string(),
            cell(spi.site.as_ref()),
            cell(spi.group.as_ref()),
            spi.status.to_string(),
            cell(spi.replaces.as_ref()),
            spi.packets.to_string(),
            spi.octets.to_string(),
            compact(now.since(spi.first_seen)),
            compact(now.since(spi.last_seen)),
        ]);
    }
    table.text()
}

fn key_servers(groups: &[Group], now: Moment) -> String {
    let mut table = TextTable::new([
        "KEY SERVER",
        "GROUP",
        "ANSWERS",
        "SENDS REKEYS",
        "REGISTERED",
        "FAILED",
        "REKEYS",
        "KEK BEHAVIOR",
        "SEEN",
    ]);
    for group in groups {
        for server in &group.key_servers {
            table.push([
                server.address.to_string(),
                group.name.to_string(),
                cell(server.up.map(yes_or_no)),
                if server.pushes { "yes" } else { "no" }.to_owned(),
                server.completed.values().sum::<u64>().to_string(),
                server.failed.values().sum::<u64>().to_string(),
                server.rekeys.values().sum::<u64>().to_string(),
                cell(server.behavior.as_ref()),
                cell(server.last_seen.map(|seen| compact(now.since(seen)))),
            ]);
        }
    }
    table.text()
}

fn interfaces(interfaces: &[InterfaceStatus]) -> String {
    let mut table = TextTable::new([
        "INTERFACE",
        "DIRECTION",
        "MONITORED",
        "MODE",
        "BLIND SPOTS",
        "REMARK",
    ]);
    for interface in interfaces {
        let spots: Vec<_> = interface.blind_spots.iter().map(ToString::to_string).collect();
        table.push([
            interface.name.to_string(),
            interface.direction.to_string(),
            yes_or_no(interface.watched).to_owned(),
            cell(interface.mode.as_ref()),
            cell((!spots.is_empty()).then(|| spots.join(", "))),
            cell(interface.reason.as_ref()),
        ]);
    }
    table.text()
}

const fn yes_or_no(holds: bool) -> &'static str {
    if holds { "yes" } else { "NO" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::samples::{GROUPS, MEMBERS, NOW, READY, SPIS};

    fn check<T: DeserializeOwned>(sample: &str, text: impl Fn(&[T], Moment) -> String, shown: &str) {
        let list: Vec<T> = serde_json::from_str(sample).unwrap();
        assert_eq!(text(&list, NOW.parse().unwrap()), shown);
    }

    #[test]
    fn one_line_for_each_object() {
        check(GROUPS, groups, SHOWN_GROUPS);
        check(MEMBERS, members, SHOWN_MEMBERS);
        check(SPIS, spis, SHOWN_SPIS);
        check(GROUPS, key_servers, SHOWN_KEY_SERVERS);
        let readiness: Readiness = serde_json::from_str(READY).unwrap();
        assert_eq!(interfaces(&readiness.interfaces), SHOWN_INTERFACES);
    }

    const SHOWN_GROUPS: &str = "\
GROUP      TRANSPORT  MEMBERS  KEY SERVER  REKEYS  LAST  NEXT IN  KEK LEFT  STATE
G1         multicast  2        10.1.11.2   5       35s   8m40s    18m29s    10.1.12.2 silent, 1 site late
<b>␛[2J�X  -          0        -           0       -     -        -         nothing seen
";

    const SHOWN_MEMBERS: &str = "\
MEMBER               GROUP  KEY SERVER  REGISTERED  TIMES  FAILED  REKEYED  ACKED  UNACKED  SEEN
10.1.13.2            G1     10.1.11.2   1h00m       2      0       35s      -      -        34s
[2001:db8::14]:1848  G1     -           -           0      3       -        -      -        2s
";
    const SHOWN_SPIS: &str = "\
SPI       SITE       GROUP  STATUS  REPLACES  PACKETS  BYTES   FIRST  SEEN
9afb374a  branch-13  G1     stale   -         4000     500000  9m00s  1s
9cae4c22  branch-13  G1     active  9afb374a  3000     400000  30s    1s
9cae4c22  branch-14  G1     active  9afb374a  2000     300000  29s    1s
";
    const SHOWN_KEY_SERVERS: &str = "\
KEY SERVER  GROUP  ANSWERS  SENDS REKEYS  REGISTERED  FAILED  REKEYS  KEK BEHAVIOR  SEEN
10.1.11.2   G1     yes      yes           3           1       5       new           35s
10.1.12.2   G1     NO       no            0           0       0       -             -
";
    const SHOWN_INTERFACES: &str = "\
INTERFACE  DIRECTION  MONITORED  MODE  BLIND SPOTS       REMARK
eth0       ingress    yes        xdp   hardware_offload  -
ppp0       ingress    NO         -     -                 no such interface
";
}
