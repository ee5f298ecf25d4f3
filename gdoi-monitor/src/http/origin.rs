//! Protects browsers' users: pages of other sites can change nothing here and read nothing.
//!
//! There are two ways to try. A page can send requests across sites, which browsers mark (`Sec-Fetch-Site`,
//! `Origin`). Or its name is made to resolve to this agent (DNS rebinding): browser and server then agree that it is
//! the same site, and only the name in the request reveals it. Programs that are no browsers may use any name: a
//! scraper may know this machine by another one.

use std::fs;
use std::net::IpAddr;

use hyper::header::{ACCEPT_LANGUAGE, HOST, HeaderName, HeaderValue, ORIGIN, REFERER};
use hyper::http::uri::Authority;
use hyper::{HeaderMap, Method, Request, Uri};

use super::Refusal;

const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// Headers that every browser sends, some of them only over TLS; no page can suppress them.
const OF_BROWSERS: [HeaderName; 4] = [ACCEPT_LANGUAGE, ORIGIN, REFERER, SEC_FETCH_SITE];

/// The names of this agent, apart from addresses and `localhost`.
#[derive(Clone, Debug, Default)]
pub struct HostNames(Vec<String>);

impl HostNames {
    /// The name of this machine, and those of its external URLs.
    pub fn new(external_urls: &[Uri]) -> Self {
        let machine = fs::read_to_string("/proc/sys/kernel/hostname").ok();
        let external = external_urls.iter().filter_map(Uri::host).map(str::to_owned);
        let names = machine.iter().map(|name| name.trim().to_owned()).chain(external);
        Self(names.filter(|name| !name.is_empty()).collect())
    }

    fn include(&self, host: &str) -> bool {
        let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        address.unwrap_or(host).parse::<IpAddr>().is_ok()
            || host.eq_ignore_ascii_case("localhost")
            || self.0.iter().any(|name| name.eq_ignore_ascii_case(host))
    }
}

/// Refuses a browser's request on behalf of another site. `is_bound_to_name`: a browser has no credentials here under
/// another site's name.
pub(super) fn check<B>(
    request: &Request<B>,
    names: &HostNames,
    is_bound_to_name: bool,
) -> Result<(), Refusal> {
    let headers = request.headers();
    let host = host(request);
    if !is_bound_to_name && needs_name(request) {
        match &host {
            Host::Missing => {}
            Host::Is(host) if names.include(host.host()) => {}
            Host::Is(_) | Host::Unreadable => return Err(Refusal::Host),
        }
    }
    if is_from_here(request.method(), headers, &host, names) {
        Ok(())
    } else {
        Err(Refusal::CrossSite)
    }
}

/// The host that a request names.
enum Host {
    Is(Authority),
    /// Before HTTP/1.1; browsers always send it.
    Missing,
    Unreadable,
}

/// A request target in absolute form takes precedence over the header (RFC 9112 §3.2.2).
fn host<B>(request: &Request<B>) -> Host {
    if let Some(authority) = request.uri().authority() {
        return Host::Is(authority.clone());
    }
    let mut hosts = request.headers().get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) => Host::Missing,
        (Some(host), None) => match Authority::try_from(host.as_bytes()) {
            Ok(authority) => Host::Is(authority),
            Err(_) => Host::Unreadable,
        },
        (Some(_), Some(_)) => Host::Unreadable,
    }
}

/// Whether the name must be one of this agent. Scrapers and probes, which are no browsers, may use any.
fn needs_name<B>(request: &Request<B>) -> bool {
    let is_of_machines = matches!(request.uri().path(), "/metrics" | "/-/healthy" | "/-/ready");
    let is_browser = OF_BROWSERS
        .iter()
        .any(|name| request.headers().contains_key(name));
    !is_of_machines || is_browser
}

/// Whether a request comes from a page of this agent, or from no page at all.
fn is_from_here(method: &Method, headers: &HeaderMap, host: &Host, names: &HostNames) -> bool {
    let is_read = method == Method::GET || method == Method::HEAD;
    let word = |name: &HeaderName| headers.get(name).map(HeaderValue::as_bytes);
    let site = match word(&SEC_FETCH_SITE) {
        None | Some(b"same-origin" | b"none") => true,
        // Another name of the same domain, or a link that a person followed: reading is safe, because only that
        // person sees the answer.
        Some(b"same-site") => is_read,
        Some(_) => is_read && word(&SEC_FETCH_MODE) == Some(b"navigate"),
    };
    let origin = match headers.get(ORIGIN) {
        None => true,
        Some(origin) => {
            let origin = origin.to_str().ok().and_then(|origin| origin.parse::<Uri>().ok());
            let authority = origin.as_ref().and_then(Uri::authority);
            authority.is_some_and(|origin| match host {
                Host::Is(host) => origin == host || (is_read && names.include(origin.host())),
                Host::Missing | Host::Unreadable => false,
            })
        }
    };
    site && origin
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &[(&str, &str)] = &[];

    fn check_one(method: &str, path: &str, headers: &[(&str, &str)], expect: Result<(), Refusal>) {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let names = HostNames(vec!["gw1".to_owned(), "gw1.example.net".to_owned()]);
        let got = check(&request.body(()).unwrap(), &names, false);
        assert_eq!(got, expect, "{method} {path} {headers:?}");
    }

    #[test]
    fn a_name_that_was_made_to_lead_here_is_refused() {
        let host = |host| [("host", host)];
        for good in [
            "127.0.0.1:11848",
            "[::1]:11848",
            "LocalHost",
            "gw1:11848",
            "GW1.example.net",
        ] {
            check_one("GET", "/api/v1/groups", &host(good), Ok(()));
        }
        for bad in [
            "evil.example",
            "evil.example:11848",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "gw1.",
            "a b",
        ] {
            check_one("GET", "/api/v1/groups", &host(bad), Err(Refusal::Host));
            check_one("GET", "/", &host(bad), Err(Refusal::Host));
            check_one("POST", "/-/reload", &host(bad), Err(Refusal::Host));
        }
        check_one(
            "GET",
            "http://evil.example/",
            &host("localhost"),
            Err(Refusal::Host),
        );
        check_one(
            "GET",
            "/",
            &[("host", "gw1"), ("host", "gw1")],
            Err(Refusal::Host),
        );
        check_one("GET", "/", PLAIN, Ok(()));
        // A scraper uses the name that it was given; a browser that does so is recognised by its headers.
        check_one("GET", "/metrics", &host("gw1.corp.example"), Ok(()));
        for (name, value) in [
            ("accept-language", ""),
            ("referer", "http://evil.example/"),
            ("sec-fetch-site", "same-origin"),
        ] {
            let headers = [("host", "evil.example"), (name, value)];
            check_one("GET", "/metrics", &headers, Err(Refusal::Host));
        }
    }

    #[test]
    fn other_sites_change_nothing_and_read_nothing() {
        let of = |site, mode| {
            [
                ("host", "gw1"),
                ("sec-fetch-site", site),
                ("sec-fetch-mode", mode),
            ]
        };
        for (method, site, mode, expect) in [
            ("POST", "same-origin", "cors", Ok(())),
            ("POST", "none", "navigate", Ok(())),
            ("POST", "same-site", "cors", Err(Refusal::CrossSite)),
            ("POST", "cross-site", "no-cors", Err(Refusal::CrossSite)),
            ("POST", "cross-site", "navigate", Err(Refusal::CrossSite)),
            ("GET", "cross-site", "navigate", Ok(())),
            ("GET", "cross-site", "no-cors", Err(Refusal::CrossSite)),
            ("GET", "same-site", "cors", Ok(())),
        ] {
            check_one(method, "/-/reload", &of(site, mode), expect);
        }
        for (method, origin, expect) in [
            ("POST", "http://gw1", Ok(())),
            ("POST", "http://gw1.example.net", Err(Refusal::CrossSite)),
            ("POST", "http://gw1:8080", Err(Refusal::CrossSite)),
            ("POST", "http://evil.example", Err(Refusal::CrossSite)),
            ("POST", "null", Err(Refusal::CrossSite)),
            ("GET", "http://gw1.example.net", Ok(())),
            ("GET", "http://evil.example", Err(Refusal::CrossSite)),
        ] {
            check_one(
                method,
                "/-/reload",
                &[("host", "gw1"), ("origin", origin)],
                expect,
            );
        }
    }
}
