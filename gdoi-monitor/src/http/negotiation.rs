//! Content negotiation (RFC 9110 §12.5).

use hyper::HeaderMap;
use hyper::header::{ACCEPT, ACCEPT_ENCODING, HeaderName};

use crate::exposition::Format;

const OPEN_METRICS: &str = "application/openmetrics-text";
const VERSIONS: [&str; 2] = ["1.0.0", "0.0.4"];

/// The format that a client accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) gzip: bool,
    pub(super) format: Format,
}

impl Wanted {
    pub(super) fn from_headers(headers: &HeaderMap) -> Self {
        Self {
            gzip: quality(headers, &ACCEPT_ENCODING, "gzip").unwrap_or(0.0) > 0.0,
            format: format(headers),
        }
    }
}

/// `OpenMetrics` if the client names it and does not prefer text.
fn format(headers: &HeaderMap) -> Format {
    let Some(open_metrics) = quality(headers, &ACCEPT, OPEN_METRICS) else {
        return Format::Text;
    };
    let text = quality(headers, &ACCEPT, "text/plain").unwrap_or(0.0);
    if open_metrics > 0.0 && open_metrics >= text {
        Format::OpenMetrics
    } else {
        Format::Text
    }
}

/// The quality value of `name`, if it is listed: from 0, not acceptable, to 1.
fn quality(headers: &HeaderMap, header: &HeaderName, name: &str) -> Option<f32> {
    let values = headers
        .get_all(header)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let parts = values.flat_map(|value| value.split(','));
    parts
        .filter_map(|part| {
            let mut words = part.split(';').map(str::trim);
            if !words.next()?.eq_ignore_ascii_case(name) {
                return None;
            }
            let mut quality = 1.0;
            for word in words {
                let (key, value) = word.split_once('=')?;
                match key.trim() {
                    "q" => quality = value.trim().parse::<f32>().ok()?,
                    // The supported versions of OpenMetrics and of Prometheus' text format.
                    "version" if !VERSIONS.contains(&value.trim()) => return None,
                    _ => {}
                }
            }
            Some(quality)
        })
        .reduce(f32::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(header: &HeaderName, value: &str, gzip: bool, format: Format) {
        let headers = HeaderMap::from_iter([(header.clone(), value.parse().unwrap())]);
        assert_eq!(Wanted::from_headers(&headers), Wanted { gzip, format }, "{value}");
    }

    #[test]
    fn a_client_gets_what_it_likes_best() {
        for (value, expect) in [
            ("gzip", true),
            ("deflate, GZIP;q=0.5", true),
            ("gzip;q=0", false),
            ("gzip;q=high", false),
            ("br, identity", false),
            ("", false),
        ] {
            check(&ACCEPT_ENCODING, value, expect, Format::Text);
        }
        for (value, expect) in [
            (PROMETHEUS_2, Format::OpenMetrics),
            (PROMETHEUS_3, Format::OpenMetrics),
            ("application/openmetrics-text", Format::OpenMetrics),
            ("application/openmetrics-text; version=2.0.0", Format::Text),
            (
                "application/openmetrics-text;q=0.1,text/plain;q=0.9",
                Format::Text,
            ),
            ("application/openmetrics-text;q=0", Format::Text),
            ("text/plain;version=0.0.4;q=0.5,*/*;q=0.1", Format::Text),
            ("*/*", Format::Text),
            ("text/html,application/xhtml+xml,*/*;q=0.8", Format::Text),
        ] {
            check(&ACCEPT, value, false, expect);
        }
    }

    const PROMETHEUS_2: &str = "application/openmetrics-text;version=1.0.0;q=0.8,\
        application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    const PROMETHEUS_3: &str = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
        application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
        text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
}
