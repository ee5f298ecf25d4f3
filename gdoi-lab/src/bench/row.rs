//! One row of the result: goal, value, and variation between runs.

use std::fmt;

/// A measured number, with its goal.
#[derive(Clone, Debug)]
pub struct Row {
    /// The goal's name, such as P1; empty for a baseline.
    pub goal: &'static str,
    /// What was measured.
    pub what: String,
    /// The goal.
    pub wanted: Wanted,
    /// The value.
    pub reached: f64,
    /// Its unit.
    pub unit: Unit,
    /// Details of the value.
    pub aside: String,
    /// The obstacle, if the goal is missed.
    pub why: &'static str,
}

/// A goal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Wanted {
    /// A minimum.
    AtLeast(f64),
    /// A maximum.
    AtMost(f64),
    /// None: it is a baseline.
    Nothing,
}

/// The unit of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A number of things.
    Count,
    /// Instructions.
    Instructions,
    /// Mebibytes.
    Mebibytes,
    /// Millions per second.
    MillionsPerSecond,
    /// Milliseconds.
    Milliseconds,
    /// Nanoseconds.
    Nanoseconds,
    /// Octets.
    Octets,
    /// Ratio to another number.
    Ratio,
    /// Ratio to another number, if it is large.
    Times,
}

impl Row {
    /// A number without a goal.
    pub fn new(what: impl Into<String>, reached: f64, unit: Unit) -> Self {
        Self {
            goal: "",
            what: what.into(),
            wanted: Wanted::Nothing,
            reached,
            unit,
            aside: String::new(),
            why: "",
        }
    }

    /// Adds a goal.
    #[must_use]
    pub fn goal(mut self, goal: &'static str, wanted: Wanted) -> Self {
        self.goal = goal;
        self.wanted = wanted;
        self
    }

    /// Adds details.
    #[must_use]
    pub fn aside(mut self, aside: impl Into<String>) -> Self {
        self.aside = aside.into();
        self
    }

    /// Adds the obstacle to the goal.
    #[must_use]
    pub const fn why(mut self, why: &'static str) -> Self {
        self.why = why;
        self
    }

    /// Whether the goal is reached, if there is one.
    pub fn is_reached(&self) -> Option<bool> {
        match self.wanted {
            Wanted::AtLeast(least) => Some(self.reached >= least),
            Wanted::AtMost(most) => Some(self.reached <= most),
            Wanted::Nothing => None,
        }
    }
}

impl Unit {
    /// A number in this unit.
    pub fn show(self, number: f64) -> String {
        match self {
            Self::Count => format!("{number:.0}"),
            Self::Instructions => format!("{number:.0} instructions"),
            Self::Mebibytes => format!("{number:.1} MiB"),
            Self::MillionsPerSecond => format!("{number:.2} million/s"),
            Self::Milliseconds => format!("{number:.2} ms"),
            Self::Nanoseconds => format!("{number:.1} ns"),
            Self::Octets => format!("{number:.0} bytes"),
            Self::Ratio if (0.0..0.2).contains(&number) => format!("1/{:.1}", 1.0 / number),
            Self::Ratio => format!("{number:.3}"),
            Self::Times => format!("{number:.0} times"),
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.is_reached() {
            Some(true) => "reached",
            Some(false) => "missed",
            None => "",
        };
        let wanted = match self.wanted {
            Wanted::AtLeast(least) => format!(">= {}", self.unit.show(least)),
            Wanted::AtMost(most) => format!("<= {}", self.unit.show(most)),
            Wanted::Nothing => String::new(),
        };
        let (goal, what, reached) = (self.goal, &self.what, self.unit.show(self.reached));
        write!(
            f,
            "{goal:<4}{what:<58}{reached:>20}{wanted:>22} {mark:<8} {}",
            self.aside
        )
    }
}

/// A count as a floating-point number.
#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
pub(crate) fn number(count: u64) -> f64 {
    count as f64
}
