//! The file format of Prometheus' exporter-toolkit.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Deserializer, de::Error as _};

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) tls_server_config: Option<TlsConfig>,
    #[serde(default)]
    pub(super) http_server_config: Http,
    #[serde(default)]
    pub(super) basic_auth_users: BTreeMap<String, String>,
    pub(super) rate_limit: Option<RateConfig>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TlsConfig {
    pub(super) cert: Option<String>,
    pub(super) key: Option<String>,
    pub(super) client_ca: Option<String>,
    pub(super) cert_file: Option<PathBuf>,
    pub(super) key_file: Option<PathBuf>,
    pub(super) client_ca_file: Option<PathBuf>,
    pub(super) client_auth_type: ClientAuth,
    pub(super) client_allowed_sans: Vec<String>,
    pub(super) min_version: Option<Version>,
    pub(super) max_version: Option<Version>,
    pub(super) cipher_suites: Vec<String>,
    pub(super) curve_preferences: Vec<Curve>,
    pub(super) prefer_server_cipher_suites: Option<bool>,
}

/// The names of Go's `crypto/tls`.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub(super) enum ClientAuth {
    /// The toolkit treats an empty value as this.
    #[default]
    #[serde(alias = "")]
    NoClientCert,
    RequestClientCert,
    #[serde(alias = "RequireClientCert")]
    RequireAnyClientCert,
    VerifyClientCertIfGiven,
    RequireAndVerifyClientCert,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(super) enum Version {
    #[serde(rename = "TLS12")]
    Tls12,
    #[serde(rename = "TLS13")]
    Tls13,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) enum Curve {
    CurveP256,
    CurveP384,
    X25519,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Http {
    /// HTTP/2 is not supported; a client that speaks it also speaks HTTP/1.1.
    #[serde(rename = "http2")]
    _http2: Option<bool>,
    pub(super) headers: Headers,
}

/// The headers that the format allows.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Headers {
    #[serde(rename = "Content-Security-Policy")]
    pub(super) content_security_policy: Option<String>,
    #[serde(rename = "X-Frame-Options")]
    pub(super) frame_options: Option<FrameOptions>,
    #[serde(rename = "X-Content-Type-Options")]
    pub(super) content_type_options: Option<ContentTypeOptions>,
    #[serde(rename = "X-XSS-Protection")]
    pub(super) xss_protection: Option<String>,
    #[serde(rename = "Strict-Transport-Security")]
    pub(super) strict_transport_security: Option<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum FrameOptions {
    Deny,
    SameOrigin,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ContentTypeOptions {
    NoSniff,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RateConfig {
    #[serde(default)]
    pub(super) interval: Interval,
    #[serde(default = "one")]
    pub(super) burst: u32,
}

const fn one() -> u32 {
    1
}

/// A duration in Go's format: `1s`, `500ms`, `1m30s`, `0`.
#[derive(Clone, Copy, Default)]
pub(super) struct Interval(pub(super) Duration);

impl<'de> Deserialize<'de> for Interval {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "0" {
            return Ok(Self(Duration::ZERO));
        }
        text.parse::<jiff::SignedDuration>()
            .ok()
            .and_then(|duration| Duration::try_from(duration).ok())
            .map(Self)
            .ok_or_else(|| D::Error::custom("no duration"))
    }
}
