//! `show events`: the latest events, and new ones.

use std::io;
use std::time::Duration;

use serde_json::value::RawValue;

use super::{EventsArgs, belongs, print, print_json};
use crate::client::{Client, ClientError, Event, EventWindow, Text, path, texts};
use crate::text::complain;

/// How often the agent is polled.
const EVERY: Duration = Duration::from_secs(1);

pub(super) async fn show(arguments: &EventsArgs) -> anyhow::Result<()> {
    let mut client = arguments.agent.client()?;
    let wanted = arguments.group.as_deref().map(Text::new);
    let mut seen = latest(&mut client).await?;
    let matching: Vec<_> = seen
        .iter()
        .filter(|event| belongs(event, wanted.as_ref()))
        .collect();
    let skipped = arguments
        .lines
        .map_or(0, |lines| matching.len().saturating_sub(lines));
    for event in matching.into_iter().skip(skipped) {
        tell(event, arguments.json)?;
    }
    if !arguments.follow {
        return Ok(());
    }
    let mut silent = false;
    loop {
        tokio::time::sleep(EVERY).await;
        match latest(&mut client).await {
            Ok(now) => {
                silent = false;
                let news = EventWindow::between(&seen, &now);
                if news.gap {
                    say("the agent was restarted, or dropped old events: some may be missing here");
                }
                for event in news.events.iter().filter(|event| belongs(event, wanted.as_ref())) {
                    tell(event, arguments.json)?;
                }
                seen = now;
            }
            Err(error) => {
                if !silent {
                    say(&format!("{error}; trying again"));
                }
                silent = true;
            }
        }
    }
}

/// The agent's recent events, each a JSON object, oldest first.
async fn latest(client: &mut Client) -> Result<Vec<Box<str>>, ClientError> {
    let answer = client.page(path::EVENTS).await?;
    let events: Vec<&RawValue> = client.parse(path::EVENTS, &answer.body)?;
    Ok(texts(&events))
}

/// Prints one event in a line; anything that is not an event, as received.
fn tell(event: &str, json: bool) -> io::Result<()> {
    match serde_json::from_str::<Event>(event) {
        Ok(event) if !json => print(&line(&event)),
        Ok(_) | Err(_) => print_json(event),
    }
}

/// An event in one line, for people.
pub(super) fn line(event: &Event) -> String {
    let (time, severity, what) = (event.time, &event.severity, &event.what);
    let mut line = format!("{time:.3}  {severity:<8}  {what}");
    for (name, value) in event.words() {
        line.extend(["  ", name, "=", &value]);
    }
    line.push('\n');
    line
}

/// For a person who watches, not for the program that reads the events.
fn say(note: &str) {
    // If standard error is gone, nobody can be told.
    drop(complain(note));
}

#[cfg(test)]
mod tests {
    use crate::client::Event;
    use crate::client::samples::EVENTS;

    #[test]
    fn events_in_a_line_each() {
        let events: Vec<Event> = serde_json::from_str(EVENTS).unwrap();
        let lines: String = events.iter().map(super::line).collect();
        assert_eq!(lines, SHOWN);
    }

    const SHOWN: &str = "\
2026-03-01T11:48:29.000Z  info      rekey  group=G1  key_server=10.1.11.2  began_seconds_ago=20  cookies=00  duration_seconds=20  evidence=last_of_chain  kind=kek  length=300  recipients=1  retransmissions=2  transport=multicast
2026-03-01T11:51:00.000Z  info      spi_first_seen  group=G1  spi=9afb374a
2026-03-01T11:55:00.000Z  warning   registration_failed  group=G1  key_server=10.1.11.2  member=10.1.13.2  duration_seconds=30.5  stage=mm1
2026-03-01T11:59:25.000Z  info      rekey  group=G1  key_server=10.1.11.2  kind=tek
2026-03-01T11:59:40.000Z  critical  kek_expired  group=G1  note=␛]0;evil␇
";
}
