//! Configured headers of every answer.

use hyper::HeaderMap;
use hyper::header::{
    CONTENT_SECURITY_POLICY, HeaderValue, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
    X_XSS_PROTECTION,
};

use super::error::WebConfigProblem;
use super::file::{ContentTypeOptions, FrameOptions, Headers};

pub(super) fn from_file(headers: Headers) -> Result<HeaderMap, WebConfigProblem> {
    let Headers {
        content_security_policy,
        frame_options,
        content_type_options,
        xss_protection,
        strict_transport_security,
    } = headers;
    let mut map = HeaderMap::new();
    if let Some(options) = frame_options {
        let value = match options {
            FrameOptions::Deny => "deny",
            FrameOptions::SameOrigin => "sameorigin",
        };
        map.insert(X_FRAME_OPTIONS, HeaderValue::from_static(value));
    }
    if let Some(ContentTypeOptions::NoSniff) = content_type_options {
        map.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    }
    let free = [
        (
            CONTENT_SECURITY_POLICY,
            "Content-Security-Policy",
            content_security_policy,
        ),
        (X_XSS_PROTECTION, "X-XSS-Protection", xss_protection),
        (
            STRICT_TRANSPORT_SECURITY,
            "Strict-Transport-Security",
            strict_transport_security,
        ),
    ];
    for (name, word, value) in free {
        if let Some(value) = value {
            let value = HeaderValue::try_from(value)
                .ok()
                .ok_or(WebConfigProblem::Header(word))?;
            map.insert(name, value);
        }
    }
    Ok(map)
}
