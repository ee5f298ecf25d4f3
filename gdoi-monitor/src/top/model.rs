//! The state of the screen: the agent's latest answer, and the user's selection.

use gdoi_core::snapshot::UNATTRIBUTED;

use crate::client::{Event, Group, Member, Moment, Text};

use super::fetch::{FetchResult, Snapshot};
use super::history::History;
use super::input::Input;

/// A view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum View {
    Groups,
    Members,
    Events,
    Timeline,
}

impl View {
    /// In the order of their keys.
    pub(super) const ALL: [Self; 4] = [Self::Groups, Self::Members, Self::Events, Self::Timeline];

    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Groups => "groups",
            Self::Members => "members",
            Self::Events => "events",
            Self::Timeline => "timeline",
        }
    }

    fn step(self, by: usize) -> Self {
        let place = Self::ALL
            .iter()
            .position(|view| *view == self)
            .unwrap_or_default();
        Self::ALL
            .get((place + by) % Self::ALL.len())
            .copied()
            .unwrap_or(self)
    }
}

/// A position in a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Selection {
    pub(super) selected: usize,
    /// The first visible line.
    pub(super) offset: usize,
}

impl Selection {
    fn shift(&mut self, by: isize) {
        self.selected = self.selected.saturating_add_signed(by);
    }

    /// Adjusts it to a list of `length` lines, `height` of them visible.
    pub(super) fn fit(&mut self, length: usize, height: usize) {
        self.selected = self.selected.min(length.saturating_sub(1));
        let last_top = length.saturating_sub(height);
        let lowest = (self.selected + 1).saturating_sub(height.max(1));
        self.offset = self
            .offset
            .clamp(lowest, self.selected.max(lowest))
            .min(last_top.max(lowest));
    }
}

/// The state of the screen.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "switches of a person, each by itself"
)]
pub(super) struct TopModel {
    pub(super) address: String,
    seen: Option<Snapshot>,
    pub(super) history: History,
    /// Since when there is no answer, by this machine's clock, and why.
    pub(super) silence: Option<(Moment, String)>,
    /// Seconds since the latest answer.
    pub(super) age: f64,
    pub(super) view: View,
    /// The selected group.
    pub(super) group: Option<Text>,
    places: [Selection; View::ALL.len()],
    /// Show members and events of that group only.
    pub(super) filtered: bool,
    /// Index of the timeline's span.
    pub(super) zoom: usize,
    pub(super) paused: bool,
    pub(super) help: bool,
    over: bool,
}

impl TopModel {
    pub(super) fn new(address: String) -> Self {
        Self {
            address,
            seen: None,
            history: History::default(),
            silence: None,
            age: 0.0,
            view: View::Groups,
            group: None,
            places: [Selection::default(); View::ALL.len()],
            filtered: false,
            zoom: 1,
            paused: false,
            help: false,
            over: false,
        }
    }

    /// Handles the result of a poll.
    pub(super) fn take(&mut self, news: FetchResult) {
        match news {
            FetchResult::Answer(seen) => {
                self.silence = None;
                self.age = 0.0;
                if self.paused {
                    return;
                }
                let before = self.seen.as_ref().map(|before| before.at);
                let elapsed = before.map(|before| seen.at.duration_since(before).as_secs_f64());
                self.history.take(&seen.groups, elapsed);
                self.seen = Some(*seen);
                self.keep_group();
            }
            FetchResult::Nothing(why) => match &mut self.silence {
                Some((_, reason)) => *reason = why,
                None => self.silence = Some((Moment::now(), why)),
            },
        }
    }

    /// A second has passed.
    pub(super) fn tick(&mut self) {
        self.age += 1.0;
    }

    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// The agent's time.
    pub(super) fn now(&self) -> Option<Moment> {
        self.seen.as_ref().map(|seen| seen.now)
    }

    pub(super) fn groups(&self) -> &[Group] {
        self.seen.as_ref().map_or(&[], |seen| &seen.groups)
    }

    /// The selected group.
    pub(super) fn chosen(&self) -> Option<&Group> {
        let chosen = self.group.as_ref()?;
        self.groups().iter().find(|group| group.name == *chosen)
    }

    /// The visible members.
    pub(super) fn members(&self) -> Vec<&Member> {
        let members = self.seen.iter().flat_map(|seen| &seen.members);
        members
            .filter(|member| self.wants(member.group.as_ref()))
            .collect()
    }

    /// The visible events, latest first.
    pub(super) fn events(&self) -> Vec<&Event> {
        let events = self.seen.iter().flat_map(|seen| &seen.events);
        events.filter(|event| self.wants(event.group.as_ref())).collect()
    }

    /// The events of the selected group, latest first.
    pub(super) fn events_of_group(&self) -> Vec<&Event> {
        let events = self.seen.iter().flat_map(|seen| &seen.events);
        events
            .filter(|event| self.is_chosen(event.group.as_ref()))
            .collect()
    }

    fn wants(&self, group: Option<&Text>) -> bool {
        !self.filtered || self.is_chosen(group)
    }

    /// Whether this group is selected; all unattributed objects belong together.
    fn is_chosen(&self, group: Option<&Text>) -> bool {
        let group = group.map_or(UNATTRIBUTED, |group| group);
        self.group.as_deref() == Some(group)
    }

    pub(super) fn place(&mut self) -> &mut Selection {
        let [groups, members, events, timeline] = &mut self.places;
        match self.view {
            View::Groups => groups,
            View::Members => members,
            View::Events => events,
            View::Timeline => timeline,
        }
    }

    /// Runs a command of the user.
    pub(super) fn react(&mut self, input: Input) {
        if self.help && input != Input::Quit && input != Input::Redraw {
            self.help = false;
            return;
        }
        match input {
            Input::Show(view) => self.view = view,
            Input::Next => self.view = self.view.step(1),
            Input::Previous => self.view = self.view.step(View::ALL.len() - 1),
            Input::Move(by) => self.go(|place| place.shift(by)),
            Input::First => self.go(|place| place.selected = 0),
            Input::Last => self.go(|place| place.selected = usize::MAX - 1),
            Input::Open if self.view == View::Groups => self.view = View::Timeline,
            Input::Filter => self.filtered = !self.filtered,
            Input::Zoom(by) => self.zoom = self.zoom.saturating_add_signed(by).min(SPANS.len() - 1),
            Input::Pause => self.paused = !self.paused,
            Input::Help => self.help = true,
            Input::Back if self.view != View::Groups => self.view = View::Groups,
            Input::Back | Input::Quit => self.over = true,
            Input::Open | Input::Redraw => {}
        }
    }

    fn go(&mut self, way: impl FnOnce(&mut Selection)) {
        way(self.place());
        if self.view == View::Groups {
            let last = self.groups().len().saturating_sub(1);
            let place = self.place();
            place.selected = place.selected.min(last);
            let selected = place.selected;
            self.group = self.groups().get(selected).map(|group| group.name.clone());
        }
    }

    /// Keeps the selected group selected at its new position; if it is gone, its neighbour.
    fn keep_group(&mut self) {
        let chosen = self.group.as_ref();
        let found = self.groups().iter().position(|group| Some(&group.name) == chosen);
        let [groups, ..] = &mut self.places;
        if let Some(found) = found {
            groups.selected = found;
            return;
        }
        let selected = groups.selected.min(self.groups().len().saturating_sub(1));
        // Unattributed traffic is not the first choice.
        let first = self.groups().iter().position(|group| !group.is_unattributed());
        let selected = if chosen.is_none() {
            first.unwrap_or(selected)
        } else {
            selected
        };
        self.group = self.groups().get(selected).map(|group| group.name.clone());
        let [groups, ..] = &mut self.places;
        groups.selected = selected;
    }
}

/// The time spans of the timeline, in seconds, with their labels.
pub(super) const SPANS: [(f64, &str); 6] = [
    (120.0, "2 min"),
    (600.0, "10 min"),
    (3_600.0, "1 h"),
    (21_600.0, "6 h"),
    (86_400.0, "1 day"),
    (604_800.0, "1 week"),
];
