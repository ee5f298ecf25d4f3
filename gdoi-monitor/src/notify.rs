//! What systemd is told, where it started the agent (`sd_notify(3)`). Elsewhere nothing is told to anybody.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::sync::watch;

/// Every interface of the plan is watched.
pub(crate) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The configuration is read again; [`ready`] follows.
pub(crate) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

/// The agent stops.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Tells the watchdog that the engine answers, as often as it wants to hear it, until `stop` changes.
pub(crate) async fn keep_alive(
    engine: tokio::sync::mpsc::Sender<crate::engine::Request>,
    mut stop: watch::Receiver<bool>,
) {
    let Some(limit) = sd_notify::watchdog_enabled() else {
        return;
    };
    // Twice in the time that it waits, as `sd_watchdog_enabled(3)` advises.
    let mut tick = tokio::time::interval((limit / 2).max(Duration::from_millis(10)));
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            _ = stop.changed() => return,
        }
        if crate::engine::answers(&engine).await {
            tell(&[NotifyState::Watchdog]);
        }
    }
}

fn tell(what: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(what) {
        tracing::debug!(%error, "cannot notify systemd");
    }
}
