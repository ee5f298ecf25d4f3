//! Words that may have come from a file name, a configuration or the wire, made harmless where they are shown.

use std::fmt;
use std::io::{self, Write};

/// Text in a page.
pub(crate) struct Html<'a>(pub(crate) &'a str);

impl fmt::Display for Html<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|character| match character {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            '\'' => f.write_str("&#39;"),
            other if is_unseen(other) => write!(f, "{}", other.escape_unicode()),
            other => write!(f, "{other}"),
        })
    }
}

/// Text on a terminal, which obeys what it is sent.
pub(super) struct Plain<'a>(pub(super) &'a str);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|character| {
            if is_unseen(character) {
                write!(f, "{}", character.escape_unicode())
            } else {
                write!(f, "{character}")
            }
        })
    }
}

/// Whether a character does something instead of being seen: controls, and those that turn the direction of writing.
fn is_unseen(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// JSON inside a script element, which ends at the first `</script` or is misled by `<!--`, wherever they stand.
pub(super) struct InScript<W>(pub(super) W);

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_does_nothing() {
        let hostile = "<script>alert('1')</script>\u{1b}]0;x\u{7}\u{202e}\n\"&";
        assert_eq!(
            Html(hostile).to_string(),
            "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;\\u{1b}]0;x\\u{7}\\u{202e}\\u{a}&quot;&amp;"
        );
        assert_eq!(
            Plain(hostile).to_string(),
            "<script>alert('1')</script>\\u{1b}]0;x\\u{7}\\u{202e}\\u{a}\"&"
        );
        let mut octets = Vec::new();
        serde_json::to_writer(InScript(&mut octets), "</script><!--").unwrap();
        let text = String::from_utf8(octets).unwrap();
        assert_eq!(text, r#""\u003c/script>\u003c!--""#);
        assert_eq!(serde_json::from_str::<String>(&text).unwrap(), "</script><!--");
    }
}
