//! Notifies systemd, if it started the agent (`sd_notify(3)`).

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::sync::watch;

/// Every interface of the plan is monitored.
pub(crate) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The configuration is being reloaded; [`ready`] follows.
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

/// Notifies the watchdog as often as required while the engine answers, until `stop` changes.
pub(crate) async fn keep_alive(
    engine: tokio::sync::mpsc::Sender<crate::engine::Request>,
    mut stop: watch::Receiver<bool>,
) {
    let Some(limit) = sd_notify::watchdog_enabled() else {
        return;
    };
    // Twice per interval, as `sd_watchdog_enabled(3)` recommends.
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
