//! `gdoi-monitor show`: queries a running agent, and prints the answer in the words of `show crypto gdoi`.

mod events;
mod group;
mod incidents;
mod lists;
mod member;
mod table;

use std::io::{self, Write as _};
use std::net::IpAddr;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::client::{AgentArgs, Text, escape_json};
use crate::exit::Exit;

/// The arguments of `show`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  gdoi-monitor show groups
  gdoi-monitor show member 10.1.13.2 --url https://monitor.example:11848 --auth-file ~/.gdoi-monitor
  gdoi-monitor show events --follow --group G1")]
pub struct Show {
    /// What to show.
    #[command(subcommand)]
    pub what: ShowCommand,
}

/// What to show.
#[derive(Debug, Subcommand)]
pub enum ShowCommand {
    /// List groups, one per line
    Groups(AllArgs),
    /// Show one group in detail
    Group(OneGroup),
    /// List key servers of all groups, one per line
    KeyServers(ListArgs),
    /// List members, one per line
    Members(ListArgs),
    /// Show one member in detail, with its latest events
    Member(OneMember),
    /// List ESP SPIs by site, one per line
    Spis(ListArgs),
    /// List monitored interfaces, with what keeps one from being seen whole
    Interfaces(AllArgs),
    /// Show the latest events, and follow new ones
    Events(EventsArgs),
    /// Show what is wrong and why, the worst first, with what to type next
    Incidents(IncidentsArgs),
}

/// The arguments of a list that is always whole.
#[derive(Debug, Args)]
pub struct AllArgs {
    /// Print the agent's JSON
    #[arg(long)]
    json: bool,
    /// Which agent.
    #[command(flatten)]
    agent: AgentArgs,
}

/// The arguments of a list that can be of one group.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only those of this group
    #[arg(long, value_name = "NAME")]
    group: Option<String>,
    /// Print the agent's JSON
    #[arg(long)]
    json: bool,
    /// Which agent.
    #[command(flatten)]
    agent: AgentArgs,
}

/// The arguments of `show group`.
#[derive(Debug, Args)]
pub struct OneGroup {
    /// Its name; may be omitted where the agent knows one group
    name: Option<String>,
    /// Print one JSON object with `group`, `members` and `spis`
    #[arg(long)]
    json: bool,
    /// Which agent.
    #[command(flatten)]
    agent: AgentArgs,
}

/// The arguments of `show member`.
#[derive(Debug, Args)]
pub struct OneMember {
    /// Its address
    address: IpAddr,
    /// Print one JSON object with `members` and `events`
    #[arg(long)]
    json: bool,
    /// Which agent.
    #[command(flatten)]
    agent: AgentArgs,
}

/// The arguments of `show events`.
#[derive(Debug, Args)]
pub struct EventsArgs {
    /// Follow events as they happen, also across restarts of the agent
    #[arg(short, long)]
    follow: bool,
    /// Print only the latest N past events
    #[arg(short = 'n', long, value_name = "N")]
    lines: Option<usize>,
    /// Only those of this group
    #[arg(long, value_name = "NAME")]
    group: Option<String>,
    /// Print the agent's JSON, one event a line
    #[arg(long)]
    json: bool,
    /// Which agent.
    #[command(flatten)]
    agent: AgentArgs,
}

/// The arguments of `show incidents`.
#[derive(Debug, Args)]
pub struct IncidentsArgs {
    /// Follow incidents as they open, grow and close
    #[arg(short, long)]
    follow: bool,
    /// Which ones, from which agent.
    #[command(flatten)]
    list: ListArgs,
}

/// Runs the subcommand.
pub fn command(arguments: &Show) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("start the runtime")?;
    runtime.block_on(async {
        match &arguments.what {
            ShowCommand::Groups(all) => lists::show_groups(&all.agent, all.json).await,
            ShowCommand::Group(arguments) => group::show(arguments).await,
            ShowCommand::KeyServers(arguments) => lists::show_key_servers(arguments).await,
            ShowCommand::Members(arguments) => lists::show_members(arguments).await,
            ShowCommand::Member(arguments) => member::show(arguments).await,
            ShowCommand::Spis(arguments) => lists::show_spis(arguments).await,
            ShowCommand::Interfaces(all) => lists::show_interfaces(&all.agent, all.json).await,
            ShowCommand::Events(arguments) => events::show(arguments).await,
            ShowCommand::Incidents(arguments) => incidents::show(arguments).await,
        }
    })?;
    Ok(Exit::Fine)
}

/// Prints JSON as received, except for characters that act on a terminal.
fn print_json(json: &str) -> io::Result<()> {
    print(&format!("{}\n", escape_json(json)))
}

fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// The group that an object of the agent belongs to.
#[derive(Deserialize)]
struct Belonging {
    group: Option<Text>,
}

/// Whether an object belongs to the requested group, if there is one.
fn belongs(object: &str, wanted: Option<&Text>) -> bool {
    wanted.is_none_or(|wanted| {
        serde_json::from_str::<Belonging>(object)
            .is_ok_and(|belonging| belonging.group.as_ref() == Some(wanted))
    })
}

/// A JSON array of objects as received.
fn array(objects: &[&RawValue]) -> String {
    let texts: Vec<_> = objects.iter().map(|object| object.get()).collect();
    format!("[{}]", texts.join(","))
}
