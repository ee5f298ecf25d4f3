//! Compressed captures, decompressed as a stream: gzip (RFC 1952) and Zstandard (RFC 8878).

use std::io::{self, BufRead as _, BufReader, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::CaptureProblem;

const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Other compression formats: magic number, name, and the command that decompresses to standard output.
const REFUSED: [(&[u8], &str, &str); 4] = [
    (&[0xfd, b'7', b'z', b'X', b'Z', 0], "xz", "xz -dc"),
    (b"BZh", "bzip2", "bzip2 -dc"),
    (&[0x04, 0x22, 0x4d, 0x18], "lz4", "lz4 -dc"),
    (b"PK\x03\x04", "zip", "unzip -p"),
];
const MAGIC_OCTETS: u64 = 6;
const BUFFER_OCTETS: usize = 128 * 1024;

pub(super) type Stream = Box<dyn Read + Send>;

/// A stream that counts the octets read.
pub(super) struct CountingReader {
    stream: Stream,
    position: Arc<AtomicU64>,
}

impl CountingReader {
    pub(super) const fn new(stream: Stream, position: Arc<AtomicU64>) -> Self {
        Self { stream, position }
    }
}

impl Read for CountingReader {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let octets = self.stream.read(space)?;
        self.position.fetch_add(octets as u64, Ordering::Relaxed);
        Ok(octets)
    }
}

/// A stream, decompressed if necessary.
pub(super) enum Unpacked {
    Compressed(Stream),
    Plain(Stream),
}

/// Recognises compression by the magic number.
pub(super) fn unpack(mut stream: CountingReader) -> Result<Unpacked, CaptureProblem> {
    let mut begin = Vec::new();
    let few = stream.by_ref().take(MAGIC_OCTETS).read_to_end(&mut begin);
    few.map_err(|error| CaptureProblem::Read { frame: 1, error })?;
    if let Some((_, name, command)) = REFUSED.iter().find(|(magic, ..)| begin.starts_with(magic)) {
        return Err(CaptureProblem::Packed { name, command });
    }
    let is_gzip = begin.starts_with(&GZIP);
    // A skippable frame may come first.
    let is_zstd = begin.starts_with(&ZSTD) || matches!(*begin, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..]);
    let whole = Cursor::new(begin).chain(stream);
    Ok(if is_gzip {
        Unpacked::Compressed(Box::new(MultiGzDecoder::new(buffered(whole))))
    } else if is_zstd {
        Unpacked::Compressed(Box::new(Frames::new(buffered(whole))))
    } else {
        Unpacked::Plain(Box::new(whole))
    })
}

fn buffered<R: Read>(stream: R) -> BufReader<R> {
    BufReader::with_capacity(BUFFER_OCTETS, stream)
}

/// The frames of a Zstandard stream, in sequence. The decoder's window limit of 128 MiB bounds memory.
struct Frames<R: Read> {
    stream: BufReader<R>,
    decoder: FrameDecoder,
    /// Whether the decoder is inside a frame.
    inside: bool,
}

impl<R: Read> Frames<R> {
    fn new(stream: BufReader<R>) -> Self {
        Self {
            stream,
            decoder: FrameDecoder::new(),
            inside: false,
        }
    }

    /// Enters the next frame, after skippable ones. `false` if there is none.
    fn enter(&mut self) -> io::Result<bool> {
        use ReadFrameHeaderError::SkipFrame;
        while !self.inside {
            if self.stream.fill_buf()?.is_empty() {
                return Ok(false);
            }
            match self.decoder.init(&mut self.stream) {
                Ok(()) => self.inside = true,
                Err(FrameDecoderError::ReadFrameHeaderError(SkipFrame { length, .. })) => {
                    io::copy(&mut self.stream.by_ref().take(length.into()), &mut io::sink())?;
                }
                Err(error) => return Err(self.damaged(error)),
            }
        }
        Ok(true)
    }

    /// Verifies the checksum of the content, if the frame has one (RFC 8878 §3.1.1).
    fn check(&self) -> io::Result<()> {
        let [written, calculated] = [
            self.decoder.get_checksum_from_data(),
            self.decoder.get_calculated_checksum(),
        ];
        match (written, calculated) {
            (Some(written), Some(calculated)) if written != calculated => Err(io::Error::other(
                "the checksum of the compressed data does not match: they were damaged",
            )),
            _ => Ok(()),
        }
    }

    /// The decoder's error, or that of an early end if no input is left.
    fn damaged(&mut self, error: FrameDecoderError) -> io::Error {
        match self.stream.fill_buf() {
            Ok([]) => io::Error::new(io::ErrorKind::UnexpectedEof, error),
            Ok(_) => io::Error::other(error),
            Err(error) => error,
        }
    }
}

impl<R: Read> Read for Frames<R> {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        while self.enter()? {
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                let one = BlockDecodingStrategy::UptoBlocks(1);
                if let Err(error) = self.decoder.decode_blocks(&mut self.stream, one) {
                    return Err(self.damaged(error));
                }
            }
            let octets = self.decoder.read(space)?;
            if octets > 0 || space.is_empty() {
                return Ok(octets);
            }
            self.check()?;
            self.inside = false;
        }
        Ok(0)
    }
}
