//! Makes text harmless before it leaves the program. File and group names, and words of devices and of the wire are
//! untrusted; this is the only place that escapes them.

mod word;

use std::fmt;
use std::io::{self, Write};

pub use word::{Text, escape_json};

/// Whether a character acts instead of being shown: control characters, direction marks, and zero-width characters
/// that make two names look alike.
pub(crate) fn is_invisible(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Text in which every character is visible and does nothing else, line ends included.
pub(crate) struct Plain<T>(pub(crate) T);

impl<T: fmt::Display> fmt::Display for Plain<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        write!(Escaped(f), "{}", self.0)
    }
}

impl<T: fmt::Display> maud::Render for Plain<T> {
    fn render_to(&self, page: &mut String) {
        use fmt::Write as _;
        let written = write!(maud::Escaper::new(page), "{self}");
        debug_assert!(written.is_ok(), "a string takes everything");
    }
}

/// The same, escaped for a hand-written HTML page.
pub(crate) struct Html<'a>(pub(crate) &'a str);

impl fmt::Display for Html<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&maud::Render::render(&Plain(self.0)).0)
    }
}

struct Escaped<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl fmt::Write for Escaped<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|character| {
            if is_invisible(character) {
                write!(self.0, "{}", character.escape_unicode())
            } else {
                self.0.write_char(character)
            }
        })
    }
}

/// Lines for people, on a terminal that obeys control characters.
pub(crate) struct Lines<W>(pub(crate) W);

impl<W: Write> Lines<W> {
    /// One line, whatever it contains.
    pub(crate) fn line(&mut self, text: impl fmt::Display) -> io::Result<()> {
        writeln!(self.0, "{}", Plain(text))
    }

    /// An empty line.
    pub(crate) fn blank(&mut self) -> io::Result<()> {
        self.0.write_all(b"\n")
    }
}

/// Prints an error to standard error, in one line.
pub fn complain(message: impl fmt::Display) -> io::Result<()> {
    Lines(io::stderr()).line(format_args!("gdoi-monitor: {message}"))
}

/// JSON whose strings are harmless on a terminal and unchanged in meaning: JSON itself allows all controls but C0.
pub(crate) struct Json<W>(pub(crate) W);

impl<W: Write> Write for Json<W> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        // Nearly all JSON consists of visible characters.
        if octets.iter().all(|octet| *octet < 0x7f) {
            self.0.write_all(octets)?;
            return Ok(octets.len());
        }
        // serde_json writes whole characters.
        for character in String::from_utf8_lossy(octets).chars() {
            if character == '\n' || !is_invisible(character) {
                write!(self.0, "{character}")?;
            } else {
                let mut units = [0; 2];
                for unit in character.encode_utf16(&mut units) {
                    write!(self.0, "\\u{unit:04x}")?;
                }
            }
        }
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// JSON inside a script element, which `</script` would end and `<!--` would confuse, anywhere in it.
pub(crate) struct InScript<W>(pub(crate) W);

impl<W: Write> Write for InScript<W> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        for part in octets.split_inclusive(|octet| *octet == b'<') {
            match part.strip_suffix(b"<") {
                Some(before) => {
                    self.0.write_all(before)?;
                    self.0.write_all(b"\\u003c")?;
                }
                None => self.0.write_all(part)?,
            }
        }
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// A number with its noun: `1 frame`, `2,120 frames`.
pub(crate) fn counted(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(count))
}

/// A number in groups of three digits: `2,120`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_does_nothing() {
        let hostile = "a\u{1b}]0;x\u{7}\u{202e}\n\u{61c}\u{2060}\u{e0041}é";
        let mut out = Lines(Vec::new());
        out.line(hostile).unwrap();
        assert_eq!(
            String::from_utf8(out.0).unwrap(),
            "a\\u{1b}]0;x\\u{7}\\u{202e}\\u{a}\\u{61c}\\u{2060}\\u{e0041}é\n"
        );
        let mut out = Json(Vec::new());
        serde_json::to_writer(&mut out, hostile).unwrap();
        let text = String::from_utf8(out.0).unwrap();
        assert!(!text.chars().any(is_invisible), "{text}");
        assert_eq!(serde_json::from_str::<String>(&text).unwrap(), hostile);
    }

    #[test]
    fn what_is_in_a_page_is_no_element() {
        assert_eq!(
            Html("<script>alert('1')</script>\u{202e}\"&").to_string(),
            "&lt;script&gt;alert('1')&lt;/script&gt;\\u{202e}&quot;&amp;"
        );
        let mut octets = Vec::new();
        serde_json::to_writer(InScript(&mut octets), "</script><!--").unwrap();
        let text = String::from_utf8(octets).unwrap();
        assert_eq!(text, r#""\u003c/script>\u003c!--""#);
        assert_eq!(serde_json::from_str::<String>(&text).unwrap(), "</script><!--");
    }

    #[test]
    fn numbers_have_their_nouns() {
        for (count, expect) in [
            (0, "0 frames"),
            (1, "1 frame"),
            (999, "999 frames"),
            (2_120, "2,120 frames"),
            (1_234_567, "1,234,567 frames"),
        ] {
            assert_eq!(counted(count, "frame"), expect);
        }
    }
}
