//! Colours: the sixteen that every terminal has, or none.

use gdoi_core::transition::Severity;
use ratatui::style::{Color, Modifier, Style};

/// How things look. Nothing is told by colour alone: what a colour says is in the words, too.
#[derive(Clone, Copy, Debug)]
pub(super) struct Palette {
    coloured: bool,
}

impl Palette {
    /// As the person wishes: `NO_COLOR` with any value stands for none (no-color.org).
    pub(super) fn from_environment() -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self::new(!unwanted)
    }

    pub(super) const fn new(coloured: bool) -> Self {
        Self { coloured }
    }

    fn of(self, colour: Color, plain: Modifier) -> Style {
        if self.coloured {
            Style::new().fg(colour)
        } else {
            Style::new().add_modifier(plain)
        }
    }

    /// Titles and headings.
    pub(super) fn heading(self) -> Style {
        self.of(Color::Cyan, Modifier::empty())
            .add_modifier(Modifier::BOLD)
    }

    /// What matters less.
    #[expect(clippy::unused_self, reason = "asked like every other look")]
    pub(super) fn quiet(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// What is selected.
    #[expect(clippy::unused_self, reason = "asked like every other look")]
    pub(super) fn selected(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// Graphs.
    pub(super) fn graph(self) -> Style {
        self.of(Color::Green, Modifier::empty())
    }

    /// By how much attention it asks for.
    pub(super) fn severity(self, severity: Severity) -> Style {
        match severity {
            Severity::Info => Style::new(),
            Severity::Warning => self.of(Color::Yellow, Modifier::UNDERLINED),
            Severity::Critical => self
                .of(Color::Red, Modifier::REVERSED)
                .add_modifier(Modifier::BOLD),
        }
    }

    /// By the word that the agent uses for it.
    pub(super) fn severity_word(self, word: &str) -> Style {
        let known = [Severity::Warning, Severity::Critical]
            .into_iter()
            .find(|severity| severity.name() == word);
        self.severity(known.unwrap_or(Severity::Info))
    }
}
