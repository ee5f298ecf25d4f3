//! Future events of the simulation, in time order.

use std::collections::BTreeMap;

use gdoi_core::Timestamp;

/// Future events. Of two at the same time, the one that was planned first happens first.
#[derive(Clone, Debug)]
pub(crate) struct Agenda<E> {
    planned: u64,
    /// Boxed: the map moves its entries, and events are large.
    events: BTreeMap<(Timestamp, u64), Box<E>>,
}

impl<E> Agenda<E> {
    pub(crate) const fn new() -> Self {
        Self {
            planned: 0,
            events: BTreeMap::new(),
        }
    }

    pub(crate) fn plan(&mut self, at: Timestamp, event: E) {
        self.events.insert((at, self.planned), Box::new(event));
        self.planned += 1;
    }

    pub(crate) fn next(&mut self) -> Option<(Timestamp, E)> {
        let ((at, _), event) = self.events.pop_first()?;
        Some((at, *event))
    }
}
