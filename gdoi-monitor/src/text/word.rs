//! Words of the API: unchanged where the agent writes them, harmless for a terminal where they are read.

use std::borrow::{Borrow, Cow};
use std::fmt;
use std::io::Write as _;
use std::ops::Deref;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Json, is_invisible};

/// A word or a name.
///
/// In one from an answer every character is visible and does nothing else: control characters become symbols, and
/// characters that are invisible or change the direction become a replacement character.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(Cow<'static, str>);

impl Text {
    /// Makes `text` harmless.
    pub fn new(text: &str) -> Self {
        Self(text.chars().map(symbol).collect())
    }

    /// A word of the agent's own answer, unchanged: JSON escapes what is necessary.
    pub fn own(text: impl Into<Cow<'static, str>>) -> Self {
        Self(text.into())
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        Ok(Self(text.chars().map(symbol).collect()))
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Text {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

fn symbol(character: char) -> char {
    match character {
        // The Unicode block "Control Pictures" has the same order.
        '\0'..='\u{1f}' => {
            char::from_u32(0x2400 + u32::from(character)).unwrap_or(char::REPLACEMENT_CHARACTER)
        }
        '\u{7f}' => '\u{2421}',
        other if is_invisible(other) => char::REPLACEMENT_CHARACTER,
        other => other,
    }
}

/// JSON whose strings are harmless on a terminal and unchanged in meaning.
pub fn escape_json(json: &str) -> Cow<'_, str> {
    if !json.contains(|character| character != '\n' && is_invisible(character)) {
        return Cow::Borrowed(json);
    }
    let mut escaped = Json(Vec::with_capacity(json.len() + 64));
    match escaped.write_all(json.as_bytes()) {
        Ok(()) => Cow::Owned(String::from_utf8_lossy(&escaped.0).into_owned()),
        // Writing to a vector cannot fail.
        Err(_) => Cow::Borrowed(""),
    }
}

#[cfg(test)]
mod tests {
    use super::{Text, escape_json};

    #[test]
    fn nothing_acts_on_the_terminal() {
        for (hostile, shown) in [
            ("G1", "G1"),
            ("Zürich 東京", "Zürich 東京"),
            ("\x1b[2J\x07", "␛[2J␇"),
            ("a\r\nb\tc\x7f", "a␍␊b␉c␡"),
            ("\u{9b}31m", "\u{fffd}31m"),
            ("\u{202e}evil\u{200b}", "\u{fffd}evil\u{fffd}"),
        ] {
            assert_eq!(&*Text::new(hostile), shown);
            let json = serde_json::to_string(hostile).unwrap();
            let read: Text = serde_json::from_str(&json).unwrap();
            assert_eq!(&*read, shown);
        }
    }

    #[test]
    fn json_means_the_same_without_acting() {
        for hostile in ["plain", "\u{9b}31m \u{7f} \u{202e} \u{e0041}", "\x1b]0;x\x07"] {
            let json = serde_json::to_string(hostile).unwrap();
            let escaped = escape_json(&json);
            assert!(!escaped.chars().any(|one| one.is_control() || one == '\u{202e}'));
            assert_eq!(serde_json::from_str::<String>(&escaped).unwrap(), hostile);
        }
    }
}
