//! Events to a stream: standard output.

use std::io::{self, Write};

use super::{OutputLine, Target};

/// Writes one line for each event.
#[derive(Debug)]
pub struct StreamTarget<W>(pub W);

impl<W: Write + Send + 'static> Target for StreamTarget<W> {
    fn write(&mut self, lines: &[OutputLine]) -> Result<(), (usize, io::Error)> {
        for (written, line) in lines.iter().enumerate() {
            let line = [line.json.as_bytes(), b"\n"].concat();
            self.0.write_all(&line).map_err(|error| (written, error))?;
        }
        self.0.flush().map_err(|error| (lines.len(), error))
    }
}
