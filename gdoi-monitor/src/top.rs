//! `gdoi-monitor top`: the live state of a running agent, on a terminal.

mod draw;
mod fetch;
mod history;
mod input;
mod model;
mod palette;
mod terminal;

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::client::AgentArgs;
use crate::exit::Exit;
use fetch::FetchResult;
use model::TopModel;
use palette::Palette;
use terminal::TerminalScreen;

/// How often ages are updated if nothing else changes.
const TICK: Duration = Duration::from_secs(1);
/// Keys that may be queued: a paste is not typed input.
const KEYS: usize = 64;

/// The arguments of `top`.
#[derive(Debug, Args)]
pub struct Top {
    /// Which agent.
    #[command(flatten)]
    agent: AgentArgs,
}

/// `top` was not started on a terminal.
#[derive(Debug, thiserror::Error)]
#[error("top needs a terminal; in scripts use `gdoi-monitor show --json`")]
struct NoTerminal;

/// Runs until the user quits.
pub fn command(arguments: &Top) -> anyhow::Result<Exit> {
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        return Err(NoTerminal.into());
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("start the runtime")?;
    let outcome = runtime.block_on(show(arguments));
    // The thread that reads keys blocks until a key is pressed.
    runtime.shutdown_background();
    outcome
}

async fn show(arguments: &Top) -> anyhow::Result<Exit> {
    let mut client = arguments.agent.client()?;
    // An error of the first request is shown before the screen is cleared.
    let first = fetch::fetch(&mut client).await?;
    let mut model = TopModel::new(client.address().to_string());
    model.take(FetchResult::Answer(Box::new(first)));

    let mut signals = terminal::signals()?;
    let mut screen = TerminalScreen::take().context("set up the terminal")?;
    let (told, mut news) = mpsc::channel(1);
    let mut tasks = JoinSet::new();
    tasks.spawn(fetch::keep_fetching(client, told));
    let (pressed, mut keys) = mpsc::channel(KEYS);
    input::read_keys(pressed);
    let palette = Palette::from_environment();
    let mut clock = tokio::time::interval(TICK);
    loop {
        screen.draw(|frame| draw::draw(frame, &mut model, palette))?;
        tokio::select! {
            pressed = keys.recv() => match pressed {
                // A terminal that cannot be read is gone.
                None => break,
                Some(input) => model.react(input),
            },
            Some(news) = news.recv() => model.take(news),
            _ = clock.tick() => model.tick(),
            () = signals.wait() => break,
        }
        if model.is_over() {
            break;
        }
    }
    drop(screen);
    Ok(Exit::Fine)
}
