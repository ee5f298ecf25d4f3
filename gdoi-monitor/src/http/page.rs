//! Script and style of the status page. They are separate files, so that the page's policy can forbid everything
//! inline.

use hyper::StatusCode;
use hyper::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderValue, X_CONTENT_TYPE_OPTIONS};

use super::answer::{Answer, page};
use crate::report::assets;

const PARTS: [&str; 6] = [
    "(() => {\n\"use strict\";\n",
    include_str!("page/words.js"),
    include_str!("page/model.js"),
    include_str!("page/table.js"),
    include_str!("page/live.js"),
    "})();\n",
];
const STYLE: &str = include_str!("page/page.css");
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
/// `data:` is for an empty icon, which keeps browsers from requesting one.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The script.
pub(super) fn script() -> Answer {
    let parts = [assets::SCRIPT.concat(), PARTS.concat()];
    guarded(page(JAVASCRIPT, StatusCode::OK, parts.concat()))
}

/// The style.
pub(super) fn style() -> Answer {
    guarded(page(CSS, StatusCode::OK, [assets::STYLE, STYLE].concat()))
}

/// Restricts a page to its own files and the API. A web configuration may override this.
pub(super) fn guarded(mut answer: Answer) -> Answer {
    let headers = answer.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // After an upgrade, page and script must match.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    answer
}
