//! Feeds captures frame by frame into the report; an error in one does not stop the others.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use gdoi_core::Timestamp;
use gdoi_core::transition::FrameId;
use gdoi_wire::layers::NotRead;

use super::captures::{Captures, OpenCapture, Turn, TurnError};
use super::evidence::EvidenceIndex;
use super::pipeline::Pipeline;
use crate::progress::Progress;
use crate::report::{Ending, Findings, Report, clock_words};
use crate::source::pcap::{self, ClockNote};
use crate::text::{complain, counted, grouped};

/// A recorder that rotates files continues at once in the next one; after a longer pause something may be missing.
const HOLE: Duration = Duration::from_secs(1);
const MOST_KEPT: usize = 100;
/// Messages of one kind that are printed; the rest are counted.
const MOST_PRINTED: u64 = 10;

/// Why a capture was not read, or not to its end.
#[derive(Debug, thiserror::Error)]
enum AnalyzeError {
    /// It is damaged, truncated or not a capture.
    #[error(transparent)]
    Capture(#[from] pcap::CaptureError),
    /// Too many captures that cannot be reopened overlap in time.
    #[error(
        "{}: too many captures overlap in time, and this one cannot be reopened: decompress it, \
         or merge them: mergecap -w all.pcapng FILES",
        path.display()
    )]
    TooMany { path: PathBuf },
    /// Some of its frames are not read.
    #[error("{}: {what} not read", path.display())]
    NotRead { path: PathBuf, what: String },
    /// The report cannot be written.
    #[error("write the report: {0}")]
    Write(#[from] io::Error),
}

impl AnalyzeError {
    /// The kind of error, independent of the capture.
    const fn kind(&self) -> &'static str {
        match self {
            Self::Capture(error) => error.what.kind(),
            Self::TooMany { .. } => "overlapping captures that cannot be reopened",
            Self::NotRead { .. } => "captures with frames that are not read",
            Self::Write(_) => "the report cannot be written",
        }
    }
}

/// Captures being read into a report.
pub(super) struct Analysis<W> {
    pipeline: Pipeline,
    report: Report<W>,
    evidence: EvidenceIndex,
    /// Errors: something was not read.
    errors: Vec<String>,
    /// Notes: everything was read.
    notes: Vec<String>,
    /// Number of messages by kind.
    kinds: BTreeMap<&'static str, u64>,
    progress: Progress,
    /// What comes before the next capture is unknown.
    has_hole: bool,
}

impl<W: Write> Analysis<W> {
    pub(super) fn new(pipeline: Pipeline, report: Report<W>, progress: Progress) -> Self {
        Self {
            pipeline,
            report,
            evidence: EvidenceIndex::new(),
            errors: Vec::new(),
            notes: Vec::new(),
            kinds: BTreeMap::new(),
            progress,
            has_hole: false,
        }
    }

    /// Whether something was not read.
    pub(super) const fn is_incomplete(&self) -> bool {
        !self.errors.is_empty()
    }

    /// Reads all captures. An error in one is reported and does not stop the others.
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
                Ok(Some(turn)) => self
                    .turn(turn, paths)
                    .map_err(|(file, error)| (Some(file), error)),
                Err(TurnError::Open(error)) => Err((None, error.into())),
                Err(TurnError::TooMany(file)) => {
                    let path = path_of(file, paths).to_owned();
                    Err((None, AnalyzeError::TooMany { path }))
                }
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
        self.report_not_read(paths)?;
        for (kind, count) in &self.kinds {
            if let beyond @ 1.. = count.saturating_sub(MOST_PRINTED) {
                complain(format_args!("{} more: {kind}", grouped(beyond)))?;
            }
        }
        Ok(())
    }

    /// Reports an error in a capture.
    fn wrong(&mut self, error: &AnalyzeError) -> io::Result<()> {
        self.print(error.kind(), error)?;
        keep(&mut self.errors, error.to_string());
        self.has_hole = true;
        Ok(())
    }

    /// Prints a message, unless there were many of its kind.
    fn print(&mut self, kind: &'static str, message: impl fmt::Display) -> io::Result<()> {
        let count = self.kinds.entry(kind).or_default();
        *count += 1;
        if *count > MOST_PRINTED {
            return Ok(());
        }
        self.progress.clear();
        complain(message)
    }

    /// Reports a note.
    fn note(&mut self, kind: &'static str, note: String) -> io::Result<()> {
        self.print(kind, &note)?;
        keep(&mut self.notes, note);
        Ok(())
    }

    /// Reports frames that were not read; a whole unread link layer is an error.
    fn report_not_read(&mut self, paths: &[PathBuf]) -> anyhow::Result<()> {
        let by_capture: Vec<_> = self.pipeline.not_read().into_iter().collect();
        for of_file in by_capture.chunk_by(|((one, _), _), ((other, _), _)| one == other) {
            let path = of_file
                .first()
                .map_or(Path::new(""), |((file, _), _)| path_of(*file, paths));
            for is_link in [true, false] {
                let kinds = of_file
                    .iter()
                    .filter(|((_, what), _)| matches!(what, NotRead::Link(_)) == is_link);
                let words: Vec<String> = kinds
                    .map(|((_, what), count)| format!("{} of {what}", counted(*count, "frame")))
                    .collect();
                if words.is_empty() {
                    continue;
                }
                let error = AnalyzeError::NotRead {
                    path: path.to_owned(),
                    what: words.join(", "),
                };
                if is_link {
                    self.wrong(&error)?;
                } else {
                    self.note(error.kind(), error.to_string())?;
                }
            }
        }
        Ok(())
    }

    /// Reads a capture while it has the earliest frame. Returns the capture once it has ended.
    fn turn(&mut self, turn: Turn<'_>, paths: &[PathBuf]) -> Result<Option<u32>, (u32, AnalyzeError)> {
        let Turn {
            capture,
            until,
            begins,
        } = turn;
        let file = capture.file;
        self.pipeline.turn_to(file);
        let read = self.frames(capture, until, begins);
        if !matches!(read, Ok(false)) {
            self.ended(capture, path_of(file, paths))
                .map_err(|error| (file, error.into()))?;
        }
        read.map(|has_ended| has_ended.then_some(file))
            .map_err(|error| (file, error))
    }

    /// Reports what is known of a capture at its end.
    fn ended(&mut self, capture: &OpenCapture, path: &Path) -> io::Result<()> {
        let OpenCapture { file, recording, .. } = capture;
        let contents = self.pipeline.contents_mut();
        contents.snap_lengths.extend(recording.snap_length());
        contents.dropped += recording.dropped();
        let clock = recording.clock().clone();
        self.progress.ended(recording.octets());
        for words in clock_words(&clock) {
            self.note("corrected times", format!("{}: clock: {words}", path.display()))?;
        }
        let contents = self.pipeline.contents_mut();
        if clock.steps + clock.leaps > 0 && contents.clocks.len() < MOST_KEPT {
            contents.clocks.push((*file, clock));
        }
        Ok(())
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
            if capture.recording.take_join() || begins {
                self.follow(at);
                begins = false;
            }
            self.clock_steps(capture, at);
            let file = capture.file;
            let taken = capture.recording.with_next(|frame| {
                let number = frame.number;
                self.pipeline.frame(frame);
                FrameId { file, number }
            });
            let Some(id) = taken? else {
                return Ok(true);
            };
            if self.pipeline.has_news() {
                self.tell(Some(id))?;
            }
            let skimmed = self.pipeline.skim(&mut capture.recording, until);
            self.progress.step(1 + skimmed, || capture.recording.octets());
        }
        Ok(true)
    }

    /// Reports clock steps found before the next frame of a capture.
    fn clock_steps(&mut self, capture: &mut OpenCapture, at: Timestamp) {
        let clock = capture.recording.clock();
        if clock.steps == capture.steps_told {
            return;
        }
        capture.steps_told = clock.steps;
        if let Some((_, ClockNote::SetBack(step) | ClockNote::Started(step))) = clock
            .notes
            .iter()
            .rfind(|(_, note)| !matches!(note, ClockNote::Leap(_)))
        {
            self.pipeline.clock_step(at, *step);
        }
    }

    /// Continues with the next capture. What happened between the two is unknown.
    fn follow(&mut self, first: Timestamp) {
        let Some((_, last)) = self.pipeline.contents().span else {
            return;
        };
        if first.since(last) > HOLE || self.has_hole {
            self.pipeline.blind(first.max(last));
        }
        self.has_hole = false;
    }

    /// Reports what happened at this frame, or because of the time that passed before it.
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

    /// Writes the rest of the report.
    pub(super) fn end(mut self, files: &[String]) -> io::Result<Findings> {
        self.pipeline.finish();
        self.tell(None)?;
        self.report.end(&Ending {
            files,
            errors: &self.errors,
            notes: &self.notes,
            contents: self.pipeline.contents(),
            snapshot: &self.pipeline.snapshot(),
        })
    }
}

/// The path of a capture.
fn path_of(file: u32, paths: &[PathBuf]) -> &Path {
    let index = usize::try_from(file).ok();
    index
        .and_then(|index| paths.get(index))
        .map_or(Path::new(""), PathBuf::as_path)
}

/// Keeps a message, up to a limit: nobody reads the errors of the hundredth capture.
fn keep(messages: &mut Vec<String>, message: String) {
    match messages.len() {
        0..MOST_KEPT => messages.push(message),
        MOST_KEPT => messages.push("and more, on standard error".to_owned()),
        _ => {}
    }
}
