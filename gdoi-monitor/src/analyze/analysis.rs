//! Captures, frame by frame, into the report; what is wrong with one does not keep the others from being read.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use gdoi_core::Timestamp;

use super::captures::{Captures, OpenCapture, Turn};
use super::evidence::EvidenceIndex;
use super::findings::Findings;
use super::pipeline::Pipeline;
use super::seen_message::FrameId;
use crate::progress::Progress;
use crate::report::{Ending, Report};
use crate::source::link::{LinkType, UnreadLinks};
use crate::source::pcap::{self, Frame};

/// A capture that is written in turns goes on at once in the next file; with a longer pause something may be missing.
const HOLE: Duration = Duration::from_secs(1);
/// A frame that is further ahead than this of the one before it is believed only when the next one is too.
const LEAP: Duration = Duration::from_hours(1);

/// Why a capture was not read, or not to its end.
#[derive(Debug, thiserror::Error)]
enum AnalyzeError {
    /// It is damaged, truncated or none.
    #[error(transparent)]
    Capture(#[from] pcap::CaptureError),
    /// It has frames of link layers that are not read.
    #[error("{}: {}", path.display(), UnreadLinks(links))]
    Link {
        path: PathBuf,
        links: BTreeMap<LinkType, u64>,
    },
    /// It has frames whose times cannot be right.
    #[error(
        "{}: {count} frames with times far ahead of those around them, read as if captured with the previous frame",
        path.display()
    )]
    Leaps { path: PathBuf, count: u64 },
    /// The report cannot be written.
    #[error("write the report: {0}")]
    Write(#[from] io::Error),
}

/// Captures on their way into a report.
pub(super) struct Analysis<W> {
    pipeline: Pipeline,
    report: Report<W>,
    evidence: EvidenceIndex,
    errors: Vec<String>,
    progress: Progress,
    /// Frames of each capture that could not be taken as they are.
    oddities: BTreeMap<u32, Oddities>,
    /// Nobody knows what is missing before the next capture.
    hole: bool,
}

/// Frames of a capture that could not be taken as they are.
#[derive(Default)]
struct Oddities {
    /// Of link layers that are not read.
    links: BTreeMap<LinkType, u64>,
    /// With times that cannot be right.
    leaps: u64,
}

impl<W: Write> Analysis<W> {
    pub(super) fn new(pipeline: Pipeline, report: Report<W>, progress: Progress) -> Self {
        Self {
            pipeline,
            report,
            evidence: EvidenceIndex::new(),
            errors: Vec::new(),
            progress,
            oddities: BTreeMap::new(),
            hole: false,
        }
    }

    /// Whether something is wrong with a capture.
    pub(super) const fn is_incomplete(&self) -> bool {
        !self.errors.is_empty()
    }

    /// Reads all captures. What is wrong with one is said, and does not keep the others from being read.
    pub(super) fn read(&mut self, paths: &[PathBuf]) -> anyhow::Result<()> {
        let mut captures = Captures::default();
        for (file, path) in (0..).zip(paths) {
            if let Err(error) = captures.add(file, path) {
                self.wrong(&error.into())?;
            }
        }
        captures.sort();
        self.progress.expect(paths);
        loop {
            let outcome = match captures.turn(paths) {
                Ok(None) => break,
                Ok(Some(turn)) => self.turn(turn).map_err(|(file, error)| (Some(file), error)),
                Err((_, error)) => Err((None, error.into())),
            };
            match outcome {
                Ok(None) => {}
                Ok(Some(ended)) => captures.end(ended),
                Err((_, AnalyzeError::Write(error))) => return Err(error).context("write the report"),
                Err((ended, error)) => {
                    self.wrong(&error)?;
                    if let Some(file) = ended {
                        captures.end(file);
                    }
                }
            }
        }
        self.progress.clear();
        self.odd(paths)
    }

    /// Says what is wrong with a capture.
    fn wrong(&mut self, error: &AnalyzeError) -> io::Result<()> {
        self.progress.clear();
        writeln!(io::stderr(), "gdoi-monitor: {error}")?;
        self.errors.push(error.to_string());
        self.hole = true;
        Ok(())
    }

    /// Says which frames could not be taken as they are.
    fn odd(&mut self, paths: &[PathBuf]) -> anyhow::Result<()> {
        for (file, Oddities { links, leaps }) in std::mem::take(&mut self.oddities) {
            let path = usize::try_from(file).ok().and_then(|at| paths.get(at));
            let path = path.cloned().unwrap_or_default();
            if leaps > 0 {
                let (path, count) = (path.clone(), leaps);
                self.wrong(&AnalyzeError::Leaps { path, count })?;
            }
            if !links.is_empty() {
                self.wrong(&AnalyzeError::Link { path, links })?;
            }
        }
        Ok(())
    }

    /// Reads a capture while it is its turn. The capture, when it has ended.
    fn turn(&mut self, turn: Turn<'_>) -> Result<Option<u32>, (u32, AnalyzeError)> {
        let Turn {
            capture,
            until,
            begins,
        } = turn;
        let file = capture.file;
        self.pipeline.turn_to(file);
        self.frames(capture, until, begins)
            .map(|ended| ended.then_some(file))
            .map_err(|error| (file, error))
    }

    fn frames(
        &mut self,
        capture: &mut OpenCapture,
        until: Timestamp,
        begins: bool,
    ) -> Result<bool, AnalyzeError> {
        let mut begins = begins;
        while let Some(at) = capture.peek()? {
            if at > until {
                return Ok(false);
            }
            if begins {
                self.follow(at);
                begins = false;
            }
            if self.leaps(at) {
                self.leap(capture)?;
                continue;
            }
            let file = capture.file;
            let Some(frame) = capture.reader.next_frame()? else {
                return Ok(true);
            };
            self.frame(file, frame)?;
            let skimmed = self.pipeline.skim(&mut capture.reader, until);
            self.progress.step(1 + skimmed, || capture.reader.octets());
        }
        self.progress.ended(capture.reader.octets());
        Ok(true)
    }

    fn frame(&mut self, file: u32, frame: Frame<'_>) -> io::Result<()> {
        if let LinkType::Unknown(_) = frame.link {
            let odd = self.oddities.entry(file).or_default();
            *odd.links.entry(frame.link).or_default() += 1;
        }
        let number = frame.number;
        self.pipeline.frame(frame);
        if self.pipeline.has_news() {
            self.tell(Some(FrameId { file, number }))?;
        }
        Ok(())
    }

    /// Whether a time is so far ahead that the next frame should confirm it.
    fn leaps(&self, at: Timestamp) -> bool {
        let span = self.pipeline.totals().span;
        span.is_some_and(|(_, last)| at.since(last) > LEAP)
    }

    /// Takes a frame that leaps ahead: when the next one does not follow it, its time cannot be right.
    fn leap(&mut self, capture: &mut OpenCapture) -> Result<(), AnalyzeError> {
        let Some(frame) = capture.reader.next_frame()? else {
            return Ok(());
        };
        let kept = frame.kept.to_vec();
        let mut frame = Frame {
            number: frame.number,
            at: frame.at,
            kept: &kept,
            wire_octets: frame.wire_octets,
            link: frame.link,
        };
        let next = capture.reader.peek();
        if let (Ok(Some(next)), Some((_, last))) = (next, self.pipeline.totals().span)
            && next.after(LEAP / 2) < frame.at
        {
            self.oddities.entry(capture.file).or_default().leaps += 1;
            frame.at = last;
        }
        self.frame(capture.file, frame)?;
        Ok(())
    }

    /// Goes on from one capture to the next. Nobody knows what happened between them.
    fn follow(&mut self, first: Timestamp) {
        let Some((_, last)) = self.pipeline.totals().span else {
            return;
        };
        if first.since(last) > HOLE || self.hole {
            self.pipeline.blind(first.max(last));
        }
        self.hole = false;
    }

    /// Reports what has happened at this frame, or because of the time that passed before it.
    fn tell(&mut self, frame: Option<FrameId>) -> io::Result<()> {
        let (transitions, mut seen_message) = self.pipeline.drain();
        for transition in transitions {
            if let Some(seen) = seen_message.take_if(|seen| transition.at >= seen.at) {
                self.evidence.see(&seen);
                self.report.see(&seen);
            }
            let now = frame.filter(|_| seen_message.is_none());
            let frames = self.evidence.prove(&transition, now);
            self.report.event(transition, frames, now)?;
        }
        if let Some(seen) = seen_message {
            self.evidence.see(&seen);
            self.report.see(&seen);
        }
        Ok(())
    }

    /// Writes what is left of the report.
    pub(super) fn end(mut self, files: &[String]) -> io::Result<Findings> {
        self.pipeline.finish();
        self.tell(None)?;
        self.report.end(&Ending {
            files,
            errors: &self.errors,
            totals: self.pipeline.totals(),
            snapshot: &self.pipeline.snapshot(),
        })
    }
}
