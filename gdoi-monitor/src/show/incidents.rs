//! `show incidents`: what is wrong and why, and what becomes of it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::value::RawValue;

use super::{IncidentsArgs, array, belongs, print, print_json};
use crate::client::{Client, ClientError, Text, path};
use crate::state::IncidentState;
use crate::text::{complain, grouped};

/// How often a person wants to know.
const EVERY: Duration = Duration::from_secs(1);
/// Members that are named.
const MOST_MEMBERS: usize = 8;

pub(super) async fn show(arguments: &IncidentsArgs) -> anyhow::Result<()> {
    let mut client = arguments.list.agent.client()?;
    let wanted = arguments.list.group.as_deref().map(Text::new);
    let mut known = BTreeMap::new();
    let answer = client.page(path::INCIDENTS).await?;
    let mut objects: Vec<&RawValue> = client.parse(path::INCIDENTS, &answer.body)?;
    objects.retain(|object| belongs(object.get(), wanted.as_ref()));
    let json = array(&objects);
    let incidents: Vec<IncidentState> = client.parse(path::INCIDENTS, json.as_bytes())?;
    if arguments.list.json && !arguments.follow {
        return Ok(print_json(&json)?);
    }
    if incidents.is_empty() && !arguments.list.json {
        print("no incident in what this agent sees\n")?;
    }
    for incident in &incidents {
        tell(incident, arguments.list.json)?;
        known.insert(incident.id, change_of(incident));
    }
    if !arguments.follow {
        return Ok(());
    }
    let mut is_silent = false;
    loop {
        tokio::time::sleep(EVERY).await;
        match latest(&mut client).await {
            Ok(incidents) => {
                is_silent = false;
                for incident in &incidents {
                    let is_wanted = wanted.is_none() || wanted == incident.group;
                    let change = change_of(incident);
                    if is_wanted && known.insert(incident.id, change.clone()) != Some(change) {
                        tell(incident, arguments.list.json)?;
                    }
                }
            }
            Err(error) => {
                if !is_silent {
                    // Where standard error is gone there is nobody to tell.
                    drop(complain(format_args!("{error}; trying again")));
                }
                is_silent = true;
            }
        }
    }
}

async fn latest(client: &mut Client) -> Result<Vec<IncidentState>, ClientError> {
    Ok(client.read(path::INCIDENTS).await?.body)
}

/// What of an incident is worth telling again.
fn change_of(incident: &IncidentState) -> (Text, Text, bool, u32) {
    let members = u64::BITS - incident.members.count.leading_zeros();
    (
        incident.severity.clone(),
        incident.certainty.clone(),
        incident.ended.is_some(),
        members,
    )
}

fn tell(incident: &IncidentState, json: bool) -> anyhow::Result<()> {
    if json {
        return Ok(print_json(&serde_json::to_string(incident)?)?);
    }
    Ok(print(&text(incident))?)
}

/// An incident in a few lines, for people.
fn text(incident: &IncidentState) -> String {
    let mut lines = vec![format!(
        "{}: {}{}  [{}, {}]",
        incident.severity,
        incident.title,
        incident
            .group
            .as_deref()
            .map_or(String::new(), |group| format!("  {group}")),
        incident.cause,
        incident.certainty
    )];
    lines.push(format!("  {}", incident.summary));
    let mut line = |subject: &str, words: String| lines.push(format!("    {subject:<9} {words}"));
    line(
        "when",
        match incident.ended {
            Some(ended) => format!("{:.0} to {ended:.0}", incident.began),
            None => format!("since {:.0}, open", incident.began),
        },
    );
    let named = incident.members.list.iter().take(MOST_MEMBERS);
    let named: Vec<&str> = named.map(|member| &**member).collect();
    if named.len() > 1 {
        let beyond = incident.members.count.saturating_sub(named.len() as u64);
        let more = match beyond {
            0 => String::new(),
            _ => format!(" and {} more", grouped(beyond)),
        };
        line("members", named.join(", ") + &more);
    }
    let effects = incident.effects.iter();
    let effects: Vec<String> = effects
        .map(|(event, count)| format!("{} {event}", grouped(*count)))
        .collect();
    line("explains", effects.join(", "));
    for considered in &incident.considered {
        line("not", format!("{}: {}", considered.cause, considered.why_not));
    }
    for doubt in &incident.against {
        line("but", doubt.to_string());
    }
    for next in &incident.next {
        line(
            "next",
            format!("{}: `{}`: {}", next.place, next.command, next.look_for),
        );
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use crate::client::samples::INCIDENTS;
    use crate::state::IncidentState;

    #[test]
    fn an_incident_in_a_few_lines() {
        let incidents: Vec<IncidentState> = serde_json::from_str(INCIDENTS).unwrap();
        let text: String = incidents.iter().map(super::text).collect();
        assert_eq!(text, SHOWN);
    }

    const SHOWN: &str = "\
critical: The key server is down or cut off  G1  [key_server_down, certain]
  Key server 10.1.11.2 answered nobody for 74 s: 2 members gave up.
    when      since 2026-03-01T11:48:29Z, open
    members   10.1.13.2, 10.1.14.2
    explains  1 key_server_silent, 3 registration_failed
    not       capture_incomplete: nothing was lost in that time
    but       Somebody may have changed a lifetime.
    next      key server 10.1.11.2: `show crypto gdoi ks members`: whether the process runs
";
}
