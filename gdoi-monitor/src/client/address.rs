//! The address of an agent, as typed, and the credentials for it.

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::Uri;
use percent_encoding::percent_decode_str;

use super::ClientError;

/// A line with user and password is shorter.
const MAX_AUTH_FILE: u64 = 4_096;

/// The address of an agent: `http://HOST:PORT` or `https://`, with a path prefix if a proxy has one.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) secure: bool,
    /// Without a trailing slash.
    prefix: String,
    credentials: Option<Credentials>,
}

/// An error in a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It has no host, or invalid characters.
    #[error("not a URL; write it like http://127.0.0.1:11848 or https://gateway.example:11848")]
    Malformed,
    /// An unsupported scheme.
    #[error("agents speak http and https; write it like http://127.0.0.1:11848")]
    Scheme,
    /// A part that has no meaning for an agent.
    #[error("remove the query string")]
    Query,
}

/// A user and a password.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Credentials(String);

impl Credentials {
    /// The value of an `Authorization` header (RFC 7617).
    pub(super) fn header(&self) -> String {
        format!("Basic {}", STANDARD.encode(&self.0))
    }
}

/// Reads `USER:PASSWORD` from the first line of a file.
pub(super) fn credentials_from(path: &Path) -> Result<Credentials, ClientError> {
    let unusable = |why: String| ClientError::AuthFile {
        path: path.to_owned(),
        why,
    };
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(MAX_AUTH_FILE).read_to_string(&mut text))
        .map_err(|error| unusable(error.to_string()))?;
    let line = text.lines().next().unwrap_or_default();
    if !line.contains(':') {
        return Err(unusable("its first line is not USER:PASSWORD".to_owned()));
    }
    Ok(Credentials(line.to_owned()))
}

impl Address {
    /// Removes user and password, so that they are never shown.
    pub(super) fn take_credentials(&mut self) -> Option<Credentials> {
        self.credentials.take()
    }

    /// The target of a request for the page at `path`.
    pub(super) fn target(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }

    /// The value of a `Host` header.
    pub(super) fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(typed: &str) -> Result<Self, AddressError> {
        let whole = if typed.contains("://") {
            typed.to_owned()
        } else {
            format!("http://{typed}")
        };
        let uri: Uri = whole.parse().ok().ok_or(AddressError::Malformed)?;
        let secure = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(AddressError::Scheme),
        };
        if uri.query().is_some() {
            return Err(AddressError::Query);
        }
        let authority = uri.authority().ok_or(AddressError::Malformed)?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let port = port(authority.as_str(), authority.host())?;
        if host.is_empty() {
            return Err(AddressError::Malformed);
        }
        Ok(Self {
            host: host.to_owned(),
            port: port.unwrap_or(if secure { 443 } else { 80 }),
            secure,
            prefix: uri.path().trim_end_matches('/').to_owned(),
            credentials: credentials(authority.as_str())?,
        })
    }
}

/// The port, if there is one. `Authority::port` ignores an invalid one.
fn port(authority: &str, host: &str) -> Result<Option<u16>, AddressError> {
    let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
    match place.strip_prefix(host) {
        Some("") => Ok(None),
        Some(rest) => rest
            .strip_prefix(':')
            .and_then(|digits| digits.parse().ok())
            .map(Some)
            .ok_or(AddressError::Malformed),
        None => Err(AddressError::Malformed),
    }
}

/// The part before the `@`, percent-decoded.
fn credentials(authority: &str) -> Result<Option<Credentials>, AddressError> {
    let Some((typed, _)) = authority.rsplit_once('@') else {
        return Ok(None);
    };
    let decode = |text| {
        percent_decode_str(text)
            .decode_utf8()
            .ok()
            .ok_or(AddressError::Malformed)
    };
    let (user, password) = typed.split_once(':').unwrap_or((typed, ""));
    Ok(Some(Credentials(format!(
        "{}:{}",
        decode(user)?,
        decode(password)?
    ))))
}

/// Never shows user and password.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.prefix)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::{Address, AddressError};

    /// The address as shown, and the header of its credentials.
    fn check(typed: &str, shown: &str, header: Option<&str>) {
        let mut address: Address = typed.parse().unwrap();
        assert_eq!(address.to_string(), shown, "{typed}");
        assert!(!format!("{address:?}").contains("secret"), "{typed}");
        let credentials = address.take_credentials();
        assert_eq!(
            credentials.map(|credentials| credentials.header()).as_deref(),
            header,
            "{typed}"
        );
    }

    #[test]
    fn urls_as_people_type_them() {
        check("http://127.0.0.1:11848", "http://127.0.0.1:11848", None);
        check("gw1:11848", "http://gw1:11848", None);
        check("https://gw1", "https://gw1:443", None);
        check("https://gw1/monitor/", "https://gw1:443/monitor", None);
        check("http://[::1]:11848/", "http://[::1]:11848", None);
        check(
            "http://op:secret@gw1:1",
            "http://gw1:1",
            Some("Basic b3A6c2VjcmV0"),
        );
        check(
            "http://op:s%3Aecret@gw1:1",
            "http://gw1:1",
            Some("Basic b3A6czplY3JldA=="),
        );
    }

    #[test]
    fn urls_that_cannot_be() {
        for (typed, error) in [
            ("", AddressError::Malformed),
            ("http://", AddressError::Malformed),
            ("http://gw 1", AddressError::Malformed),
            ("http://gw1:99999", AddressError::Malformed),
            ("ftp://gw1", AddressError::Scheme),
            ("http://gw1/?a=b", AddressError::Query),
        ] {
            assert_eq!(typed.parse::<Address>(), Err(error), "{typed}");
        }
    }
}
