//! The only entry points: observations in, transitions out. `rules` has the conclusions.

use alloc::vec::Vec;
use core::time::Duration;

use gdoi_wire::Exchange;

use crate::config::{Config, Limits};
use crate::observation::{Loss, LossKind, Message, Observation};
use crate::rules::attribution::attribute_by_address;
use crate::rules::kek::{lifetime, split, trial};
use crate::rules::registration::{self, burst, missed, outcome};
use crate::rules::rekey::{self, expectation, inband, report};
use crate::rules::snapshot::View;
use crate::rules::{Context, Received, Subject, coop, data_plane};
use crate::snapshot::Snapshot;
use crate::state::State;
use crate::state::id::GroupId;
use crate::state::timers::Timer;
use crate::time::Timestamp;
use crate::transition::{Anomaly, ClockStep, Transition, What};

/// Smaller backward steps are multi-queue reordering, not clock changes.
const MIN_CLOCK_STEP: Duration = Duration::from_secs(1);

/// Tracks every group from a source's observations.
#[derive(Clone, Debug)]
pub struct Tracker {
    pub(crate) config: Config,
    pub(crate) limits: Limits,
    pub(crate) state: State,
}

impl Tracker {
    /// A tracker that knows only the configuration.
    pub fn new(config: Config, limits: Limits) -> Self {
        let mut state = State::new(&limits);
        state.apply_config(&config, &limits);
        Self {
            config,
            limits,
            state,
        }
    }

    /// Takes one observation made at `now`, after every timer that was due by then.
    ///
    /// The tracker's clock never goes backwards: an earlier `now` counts as the latest one seen, and is counted.
    pub fn observe(&mut self, now: Timestamp, seen: &Observation<'_>, out: &mut Vec<Transition>) {
        let now = self.clamp_clock(now, out);
        self.advance(now, out);
        self.state.watched_since.get_or_insert(now);
        let cx = &mut self.context(now, out);
        if matches!(seen, Observation::Message(_) | Observation::Esp(_)) {
            on_sight(cx);
        }
        match seen {
            Observation::Message(message) => handle_message(cx, message),
            Observation::Esp(esp) => data_plane::handle_esp(cx, esp),
            Observation::Loss(loss) => {
                cx.state.gaps.add(loss.from, loss.until);
                cx.emit(Subject::group(GroupId::NONE), What::CaptureLoss(*loss));
            }
            Observation::OpenGap(gap) => cx.state.gaps.add(gap.since, gap.until),
        }
    }

    /// Fires every timer that is due by `now`, in order, each at its own time.
    pub fn advance(&mut self, now: Timestamp, out: &mut Vec<Transition>) {
        while let Some((at, timer)) = self.state.timers.pop(now) {
            on_timer(&mut self.context(at, out), timer);
        }
        self.state.now = self.state.now.max(now);
    }

    /// The time of the next timer, if nothing more is observed.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.state.timers.next()
    }

    /// Flushes open windows as if they had ended: for the end of a capture, or before a restart.
    ///
    /// Absences are not reported: the end of observation is not a silence. Unanswered retransmissions count as failures.
    pub fn finish(&mut self, now: Timestamp, out: &mut Vec<Transition>) {
        let now = now.max(self.state.now);
        self.advance(now, out);
        let cx = &mut self.context(now, out);
        outcome::finish_registrations(cx);
        rekey::finish_rekeys(cx);
    }

    /// The current state.
    pub fn snapshot(&self) -> Snapshot {
        self.view().snapshot(true)
    }

    /// The current state without the lists of members and of SPIs: all that metrics need, at a fraction of the cost.
    pub fn summary(&self) -> Snapshot {
        self.view().snapshot(false)
    }

    const fn view(&self) -> View<'_> {
        View {
            state: &self.state,
            config: &self.config,
        }
    }

    pub(crate) const fn context<'a>(
        &'a mut self,
        now: Timestamp,
        out: &'a mut Vec<Transition>,
    ) -> Context<'a> {
        Context {
            now,
            config: &self.config,
            limits: &self.limits,
            state: &mut self.state,
            out,
        }
    }

    fn clamp_clock(&mut self, now: Timestamp, out: &mut Vec<Transition>) -> Timestamp {
        let state = &mut self.state;
        if now >= state.now {
            state.clock_is_behind = false;
            return now;
        }
        state.clock_steps = state.clock_steps.saturating_add(1);
        let (latest, step) = (state.now, state.now.since(now));
        if step >= MIN_CLOCK_STEP && !core::mem::replace(&mut state.clock_is_behind, true) {
            let what = What::ClockStep(ClockStep { step });
            self.context(latest, out)
                .emit(Subject::group(GroupId::NONE), what);
        }
        latest
    }
}

/// Something is seen, perhaps after a silence without a monitor: that is reported before any conclusion.
fn on_sight(cx: &mut Context<'_>) {
    if let Some((from, until)) = cx.state.gaps.on_sight(cx.now) {
        let loss = Loss {
            from,
            until,
            kind: LossKind::Silence,
            count: None,
        };
        cx.emit(Subject::group(GroupId::NONE), What::CaptureLoss(loss));
    }
}

/// Passes a message to the rules of its exchange type, and counts it.
fn handle_message(cx: &mut Context<'_>, message: &Message<'_>) {
    cx.state.last_message = cx.now;
    let received = Received::new(message);
    coop::handle_coop(cx, received);
    let attribution = match received.exchange {
        Exchange::GroupkeyPush | Exchange::GsaRekey => rekey::handle_push(cx, received),
        Exchange::GroupkeyPushAck => rekey::handle_push_ack(cx, received),
        Exchange::GsaInbandRekey => inband::handle_inband_rekey(cx, received),
        Exchange::Unknown(_) => {
            if !matches!(received.header().version(), (1 | 2, _)) {
                cx.report_anomaly(received, Anomaly::VersionUnknown);
            }
            rekey::match_implicit_ack(cx, received)
        }
        Exchange::Base
        | Exchange::MainMode
        | Exchange::AuthenticationOnly
        | Exchange::Aggressive
        | Exchange::Informational
        | Exchange::Transaction
        | Exchange::GroupkeyPull
        | Exchange::Unregistered34
        | Exchange::IkeSaInit
        | Exchange::IkeAuth
        | Exchange::CreateChildSa
        | Exchange::IkeInformational
        | Exchange::IkeSessionResume
        | Exchange::GsaAuth
        | Exchange::GsaRegistration
        | Exchange::IkeIntermediate
        | Exchange::IkeFollowupKe => {
            registration::handle_ike_message(cx, received).or_else(|| rekey::match_implicit_ack(cx, received))
        }
    };
    let attribution = attribution.unwrap_or_else(|| attribute_by_address(cx.state, message));
    if let Some(counters) = cx.state.servers.counters(attribution.server, attribution.group) {
        counters.messages.add(received.exchange);
    }
}

/// Passes a timer to the rules that set it.
fn on_timer(cx: &mut Context<'_>, timer: Timer) {
    match timer {
        Timer::IkeSa(id) => registration::on_ike_sa_timer(cx, id),
        Timer::Kek(id) => {
            split::check_audience(cx, id);
            report::on_kek_timer(cx, id);
        }
        Timer::Inband(group) => inband::on_inband_timer(cx, group),
        Timer::Coop(from, to) => coop::on_coop_timer(cx, from, to),
        Timer::Overdue(group) => expectation::on_overdue_timer(cx, group),
        Timer::Expiry(group) => lifetime::on_kek_expiry(cx, group),
        Timer::Trial(id) => trial::on_trial_timer(cx, id),
        Timer::Burst(group) => burst::on_burst_timer(cx, group),
        Timer::MissedRekey(group) => missed::on_missed_timer(cx, group),
    }
}
