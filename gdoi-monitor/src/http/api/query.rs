//! Query parameters: which part of a list is requested.

use std::borrow::Cow;
use std::net::IpAddr;

use gdoi_core::transition::Spi;
use serde::{Deserialize, Serialize};

/// The default limit: some 3 MB of members.
const LIMIT: usize = 10_000;

/// The requested part of a list.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Query {
    group: Option<String>,
    key_server: Option<IpAddr>,
    spi: Option<Spi>,
    kind: Option<String>,
    severity: Option<String>,
    pub(super) limit: usize,
    pub(super) offset: usize,
}

/// An invalid query.
#[derive(Debug, thiserror::Error)]
pub(super) enum QueryError {
    #[error("unknown parameter {name:?}; known here: {known}")]
    Unknown { name: String, known: String },
    #[error("duplicate parameter {0}")]
    Twice(String),
    #[error("{0} must be {1}")]
    Value(&'static str, &'static str),
}

/// The fields by which events are filtered.
#[derive(Deserialize)]
struct Labels<'a> {
    #[serde(borrow, default)]
    group: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    severity: Cow<'a, str>,
}

impl Query {
    /// Reads the query string of a URL.
    pub(super) fn read(text: &str, known: &[&str]) -> Result<Self, QueryError> {
        let mut query = Self {
            group: None,
            key_server: None,
            spi: None,
            kind: None,
            severity: None,
            limit: LIMIT,
            offset: 0,
        };
        let mut seen = Vec::new();
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            if !known.contains(&&*name) {
                return Err(QueryError::Unknown {
                    name: name.into_owned(),
                    known: known.join(", "),
                });
            }
            if seen.contains(&name) {
                return Err(QueryError::Twice(name.into_owned()));
            }
            query.take(&name, &value)?;
            seen.push(name);
        }
        Ok(query)
    }

    fn take(&mut self, name: &str, value: &str) -> Result<(), QueryError> {
        const NUMBER: &str = "a number, 0 or more";
        let wrong = |name, what| move || QueryError::Value(name, what);
        match name {
            "group" => self.group = Some(value.to_owned()),
            "type" => self.kind = Some(value.to_owned()),
            "severity" => self.severity = Some(value.to_owned()),
            "key_server" => {
                let address = value.parse().ok();
                self.key_server = Some(address.ok_or_else(wrong("key_server", "an IP address"))?);
            }
            "spi" => {
                let spi = Some(value).filter(|value| value.len() == 8);
                let spi = spi.and_then(|value| u32::from_str_radix(value, 16).ok());
                self.spi = Some(Spi(spi.ok_or_else(wrong("spi", "8 hexadecimal digits"))?));
            }
            "limit" => self.limit = value.parse().ok().ok_or_else(wrong("limit", NUMBER))?,
            _ => self.offset = value.parse().ok().ok_or_else(wrong("offset", NUMBER))?,
        }
        Ok(())
    }

    /// The requested part of the filtered list, and the filtered list's length.
    pub(super) fn part(
        &self,
        chosen: impl Iterator<Item = impl Serialize>,
    ) -> serde_json::Result<(Vec<u8>, usize)> {
        let mut count = 0;
        let end = self.offset.saturating_add(self.limit);
        let mut part = Vec::new();
        for one in chosen {
            if (self.offset..end).contains(&count) {
                part.push(one);
            }
            count += 1;
        }
        Ok((serde_json::to_vec(&part)?, count))
    }

    pub(super) fn wants_group(&self, group: Option<&str>) -> bool {
        self.group.as_deref().is_none_or(|wanted| group == Some(wanted))
    }

    pub(super) fn wants_key_server(&self, key_server: Option<IpAddr>) -> bool {
        self.key_server.is_none_or(|wanted| key_server == Some(wanted))
    }

    pub(super) fn wants_severity(&self, severity: &str) -> bool {
        self.severity.as_deref().is_none_or(|wanted| severity == wanted)
    }

    pub(super) fn wants_spi(&self, spi: &str) -> bool {
        self.spi.is_none_or(|wanted| *spi == *wanted.to_string())
    }

    pub(super) fn wants_event(&self, event: &str) -> bool {
        let Self {
            group,
            kind,
            severity,
            ..
        } = self;
        if group.is_none() && kind.is_none() && severity.is_none() {
            return true;
        }
        serde_json::from_str::<Labels<'_>>(event).is_ok_and(|event| {
            self.wants_group(event.group.as_deref())
                && kind.as_ref().is_none_or(|wanted| event.kind == **wanted)
                && severity.as_ref().is_none_or(|wanted| event.severity == **wanted)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 7] = [
        "group",
        "key_server",
        "spi",
        "type",
        "severity",
        "limit",
        "offset",
    ];

    fn check_wrong(text: &str, expect: &str) {
        let said = Query::read(text, &KNOWN[..6]).unwrap_err().to_string();
        assert_eq!(said, expect);
    }

    #[test]
    fn what_is_asked_is_read_or_refused() {
        let query = Query::read(
            "group=a%26b+c&key_server=10.0.0.1&spi=0000ABCD&limit=2&offset=1",
            &KNOWN,
        );
        let query = query.unwrap();
        assert!(query.wants_group(Some("a&b c")) && !query.wants_group(None));
        assert!(query.wants_spi("0000abcd"));
        assert_eq!(
            query.part(0..9).unwrap(),
            (b"[1,2]".to_vec(), 9),
            "the second and the third"
        );
        check_wrong(
            "offset=1",
            "unknown parameter \"offset\"; known here: group, key_server, spi, type, severity, limit",
        );
        check_wrong("group=a&group=b", "duplicate parameter group");
        check_wrong("limit=-1", "limit must be a number, 0 or more");
        check_wrong(
            "limit=99999999999999999999999",
            "limit must be a number, 0 or more",
        );
        check_wrong("key_server=ks", "key_server must be an IP address");
        check_wrong("spi=1", "spi must be 8 hexadecimal digits");
    }

    #[test]
    fn events_are_chosen_by_their_labels() {
        let event = r#"{"time":"x","type":"rekey","severity":"info","group":"G\u0031","more":{}}"#;
        let check = |query: &str, expect: bool| {
            assert_eq!(
                Query::read(query, &KNOWN).unwrap().wants_event(event),
                expect,
                "{query}"
            );
        };
        check("", true);
        check("group=G1", true);
        check("group=G2", false);
        check("type=rekey&severity=info", true);
        check("type=rekey&severity=warning", false);
        check("type=kek_changed", false);
    }
}
