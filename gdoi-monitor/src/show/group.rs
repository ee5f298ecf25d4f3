//! `show group`: everything about one group, laid out like `show crypto gdoi`.

mod keys;
mod servers;

use std::fmt::{self, Write as _};

use gdoi_core::snapshot::UNATTRIBUTED;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{OneGroup, array, belongs, lists, print, print_json};
use crate::client::{Client, Group, Member, Moment, SpiUse, Text, path, seconds};

/// More names than these do not help to find the right one.
const NAMED: usize = 10;

pub(super) async fn show(arguments: &OneGroup) -> anyhow::Result<()> {
    let mut client = arguments.agent.client()?;
    let groups = client.page(path::GROUPS).await?;
    let objects: Vec<&RawValue> = client.parse(path::GROUPS, &groups.body)?;
    let names: Vec<Named> = client.parse(path::GROUPS, &groups.body)?;
    let wanted = match &arguments.name {
        Some(name) => Text::new(name),
        None => only_group(&names, &client)?,
    };
    let found = names
        .iter()
        .zip(objects)
        .find(|(Named { name }, _)| *name == wanted);
    let Some((_, object)) = found else {
        return Err(UnknownGroup::new(&wanted, &names, &client).into());
    };
    let members = client.page(path::MEMBERS).await?;
    let members = only(&client, path::MEMBERS, &members.body, &wanted)?;
    let spis = client.page(path::SPIS).await?;
    let spis = only(&client, path::SPIS, &spis.body, &wanted)?;
    if arguments.json {
        let group = object.get();
        return Ok(print_json(&format!(
            "{{\"group\":{group},\"members\":{members},\"spis\":{spis}}}"
        ))?);
    }
    let whole = Whole {
        group: client.parse(path::GROUPS, object.get().as_bytes())?,
        members: client.parse(path::MEMBERS, members.as_bytes())?,
        spis: client.parse(path::SPIS, spis.as_bytes())?,
        now: groups.now,
    };
    Ok(print(&whole.text()?)?)
}

#[derive(Deserialize)]
struct Named {
    name: Text,
}

/// The group to show if none is named.
fn only_group(names: &[Named], client: &Client) -> Result<Text, WhichGroup> {
    let mut groups = names.iter().filter(|Named { name }| **name != *UNATTRIBUTED);
    match (groups.next(), groups.next()) {
        (Some(only), None) => Ok(only.name.clone()),
        (None, _) => Err(WhichGroup::None(client.address().to_string())),
        (Some(_), Some(_)) => Err(WhichGroup::Several(known(names))),
    }
}

/// No group was named, and the agent does not have exactly one.
#[derive(Debug, thiserror::Error)]
enum WhichGroup {
    #[error("the agent at {0} knows no group yet")]
    None(String),
    #[error("which group? Known groups: {0}")]
    Several(String),
}

/// The objects of a list that belong to a group, as a JSON array.
fn only(client: &Client, path: &str, body: &[u8], wanted: &Text) -> anyhow::Result<String> {
    let mut objects: Vec<&RawValue> = client.parse(path, body)?;
    objects.retain(|object| belongs(object.get(), Some(wanted)));
    Ok(array(&objects))
}

/// The agent knows no such group.
#[derive(Debug, thiserror::Error)]
#[error("no group {wanted:?} at {address}; known groups: {known}")]
struct UnknownGroup {
    wanted: String,
    address: String,
    known: String,
}

impl UnknownGroup {
    fn new(wanted: &Text, names: &[Named], client: &Client) -> Self {
        Self {
            wanted: wanted.to_string(),
            address: client.address().to_string(),
            known: known(names),
        }
    }
}

/// The names of the groups, up to a limit.
fn known(names: &[Named]) -> String {
    let mut known: Vec<_> = names
        .iter()
        .take(NAMED)
        .map(|Named { name }| format!("{:?}", &**name))
        .collect();
    let more = names.len().saturating_sub(NAMED);
    if more > 0 {
        known.push(format!("{more} more"));
    }
    known.join(", ")
}

/// Everything about a group at one time.
struct Whole {
    group: Group,
    members: Vec<Member>,
    spis: Vec<SpiUse>,
    now: Moment,
}

impl Whole {
    /// As text for people.
    fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        self.information(&mut text)?;
        self.servers(&mut text)?;
        self.rekeys(&mut text)?;
        self.kek(&mut text)?;
        self.teks(&mut text)?;
        if !self.members.is_empty() {
            writeln!(text, "\nMEMBERS\n")?;
            for line in lists::members(&self.members, self.now).lines() {
                writeln!(text, "    {line}")?;
            }
        }
        Ok(text)
    }

    fn information(&self, to: &mut String) -> fmt::Result {
        let group = &self.group;
        writeln!(to, "GROUP INFORMATION\n")?;
        let origin = if group.configured {
            "configured"
        } else {
            "discovered"
        };
        line(to, "Group Name", &format!("{} ({origin})", group.name))?;
        let transport = match (group.transport.as_deref(), group.rekey_address) {
            (Some("multicast"), Some(address)) => format!("Multicast to {address}"),
            (Some("multicast"), None) => "Multicast".to_owned(),
            (Some("unicast"), _) => "Unicast".to_owned(),
            (Some(other), _) => other.to_owned(),
            (None, _) => "unknown: no rekey seen yet".to_owned(),
        };
        line(to, "Rekey Transport Type", &transport)?;
        line(to, "Members known", &group.members.to_string())?;
        let complaints = group.complaints();
        if complaints.is_empty() {
            return line(to, "State", &group.state());
        }
        for (place, complaint) in complaints.iter().enumerate() {
            let label = if place == 0 { "State" } else { "" };
            line(
                to,
                label,
                &format!("{}: {}", complaint.severity.name(), complaint.what),
            )?;
        }
        Ok(())
    }

    /// The time from `date` until now, or from now until `date`.
    fn ago(&self, date: Moment) -> String {
        format!("{} ago", seconds(self.now.since(date)))
    }

    fn left(&self, date: Moment) -> String {
        let left = date.since(self.now);
        if left < 0.0 {
            format!("0 sec, {} ago", seconds(-left))
        } else {
            seconds(left)
        }
    }
}

/// A line with its label; the colons are aligned.
pub(super) fn line(to: &mut String, label: &str, value: &str) -> fmt::Result {
    let colon = if label.is_empty() { ' ' } else { ':' };
    writeln!(to, "    {label:<25}{colon} {value}")
}

#[cfg(test)]
mod tests;
