//! Events to the systemd journal, by its native protocol (<https://systemd.io/JOURNAL_NATIVE_PROTOCOL/>).

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use gdoi_core::transition::Severity;

use super::{OutputLine, Target};

/// The socket of the journal.
pub const SOCKET: &str = "/run/systemd/journal/socket";

/// Sends each event as an entry: `MESSAGE` is the event as JSON, and `GDOI_TYPE`, `GDOI_GROUP` and `GDOI_KEY_SERVER`
/// are for searching.
#[derive(Debug)]
pub struct Journal {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Journal {
    /// Sends to the socket at `path`, which has to exist now, and may be recreated later.
    pub fn open(path: &Path) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        let probe = UnixDatagram::unbound()?;
        probe.connect(path)?;
        Ok(Self {
            socket,
            path: path.to_owned(),
        })
    }
}

impl Target for Journal {
    fn write(&mut self, lines: &[OutputLine]) -> Result<(), (usize, io::Error)> {
        for (written, line) in lines.iter().enumerate() {
            self.socket
                .send_to(&entry(line), &self.path)
                .map_err(|error| (written, error))?;
        }
        Ok(())
    }
}

/// One entry.
fn entry(line: &OutputLine) -> Vec<u8> {
    let OutputLine {
        json,
        kind,
        severity,
        group,
        key_server,
    } = line;
    // The levels of syslog (RFC 5424 §6.2.1).
    let priority = match severity {
        Severity::Critical => "2",
        Severity::Warning => "4",
        Severity::Info => "6",
    };
    let key_server = key_server.map(|address| address.to_string());
    let fields = [
        ("MESSAGE", Some(&**json)),
        ("PRIORITY", Some(priority)),
        ("SYSLOG_IDENTIFIER", Some("gdoi-monitor")),
        ("GDOI_TYPE", Some(kind)),
        ("GDOI_SEVERITY", Some(severity.name())),
        ("GDOI_GROUP", group.as_deref()),
        ("GDOI_KEY_SERVER", key_server.as_deref()),
    ];
    let mut entry = Vec::new();
    for (name, value) in fields {
        if let Some(value) = value {
            // With an explicit length, a value may have any character, newlines included.
            entry.extend_from_slice(name.as_bytes());
            entry.push(b'\n');
            entry.extend_from_slice(&(value.len() as u64).to_le_bytes());
            entry.extend_from_slice(value.as_bytes());
            entry.push(b'\n');
        }
    }
    entry
}
