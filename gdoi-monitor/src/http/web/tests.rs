//! A web configuration is valid, or its error is reported without the values in it.

use std::fmt::Write as _;
use std::fs;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tempfile::TempDir;

use super::*;

const CERTIFIED: &str = "tls_server_config:\n  cert_file: one.crt\n  key_file: one.key\n";

/// A folder with a certificate, its key, and the key of another.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["one", "other"] {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        fs::write(folder.path().join(format!("{name}.crt")), cert.pem()).unwrap();
        fs::write(
            folder.path().join(format!("{name}.key")),
            signing_key.serialize_pem(),
        )
        .unwrap();
    }
    folder
}

fn load(folder: &TempDir, text: &str) -> Result<Web, String> {
    let path = folder.path().join("web.yml");
    fs::write(&path, text).unwrap();
    Web::load(&path).map_err(|error| {
        let said = error.to_string();
        let place = folder.path().display().to_string();
        said.replace(&format!("{place}/"), "")
    })
}

fn check_wrong(folder: &TempDir, text: &str, expect: &str) {
    let said = load(folder, text).expect_err(text);
    assert!(said.contains(expect), "{text}\nsaid: {said}");
    for secret in ["sesame", "BEGIN PRIVATE"] {
        assert!(!said.contains(secret), "{text}\nsaid: {said}");
    }
}

#[test]
fn every_key_of_the_format_is_read() {
    let folder = folder();
    let inline = |name: &str| {
        let text = fs::read_to_string(folder.path().join(name)).unwrap();
        text.replace('\n', "\n    ").trim_end().to_owned()
    };
    let whole = format!(
        "{CERTIFIED}  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: other.crt
  client_allowed_sans: [scraper.example, 10.0.0.1]
  min_version: TLS12
  max_version: TLS13
  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_AES_128_GCM_SHA256]
  curve_preferences: [X25519, CurveP256]
  prefer_server_cipher_suites: false
http_server_config:
  http2: true
  headers:
    Content-Security-Policy: default-src 'self'
    X-Frame-Options: deny
    X-Content-Type-Options: nosniff
    X-XSS-Protection: '1'
    Strict-Transport-Security: max-age=60
basic_auth_users:
  alice: $2y$10$mDwo.lAisC94iLAyP81MCesa29IzH37oigHC/42V2pdJlUprsJPze
rate_limit: {{interval: 1s, burst: 20}}
"
    );
    let settings = load(&folder, &whole).unwrap().settings();
    assert!(settings.tls.is_some() && settings.rate.is_some());
    assert_eq!(settings.headers.len(), 5);
    let written = format!(
        "tls_server_config:\n  cert: |\n    {}\n  key: |\n    {}\n",
        inline("one.crt"),
        inline("one.key")
    );
    assert!(load(&folder, &written).unwrap().settings().tls.is_some());
    for nothing in ["", "# all is commented out\n", "rate_limit: {interval: '0'}\n"] {
        let settings = load(&folder, nothing).unwrap().settings();
        assert!(settings.tls.is_none() && settings.rate.is_none(), "{nothing}");
    }
}

#[test]
fn what_is_wrong_is_said_and_what_is_secret_is_not() {
    let folder = folder();
    let with = |more: &str| format!("{CERTIFIED}  {more}\n");
    let wrong = |text: &str, expect: &str| check_wrong(&folder, text, expect);
    wrong(
        "tls_config: {}\n",
        "web.yml:1: unknown key \"tls_config\"; known here: tls_server_config",
    );
    wrong(
        "basic_auth_users: sesame\n",
        "web.yml:1: the value has the wrong type for its key",
    );
    wrong(
        "basic_auth_users:\n  a: sesame\n",
        "the value of \"a\" is not a bcrypt hash",
    );
    wrong("basic_auth_users:\n  a: b\n  a: b\n", "web.yml:3: duplicate key");
    wrong("{sesame", "not a web configuration in YAML");
    wrong("\u{0}", "web.yml");
    wrong(
        "tls_server_config: {}\n",
        "tls_server_config needs cert_file or cert",
    );
    wrong(
        "tls_server_config: {cert_file: one.crt}\n",
        "tls_server_config needs key_file or key",
    );
    wrong(&with("cert: x"), "give cert_file or cert, and not both");
    wrong(
        &CERTIFIED.replace("one.key", "gone.key"),
        "cannot read gone.key: No such file",
    );
    wrong(
        &CERTIFIED.replace("one.key", "other.key"),
        "TLS cannot be set up: ",
    );
    wrong(
        &CERTIFIED.replace("one.key", "one.crt"),
        "key contains no private key in PEM",
    );
    wrong(
        &CERTIFIED.replace("one.crt", "one.key"),
        "cert contains no certificate in PEM",
    );
    wrong(
        &CERTIFIED.replace("one.key", "."),
        "is not a regular file of up to",
    );
    wrong(
        &CERTIFIED.replace("one.key", "/dev/zero"),
        "/dev/zero is not a regular file of up to",
    );
    wrong(
        &with("client_auth_type: Maybe"),
        "unknown value \"Maybe\"; known here: NoClientCert",
    );
    wrong(
        &with("client_auth_type: RequireAnyClientCert"),
        "admits any client",
    );
    wrong(
        &with("client_auth_type: RequireAndVerifyClientCert"),
        "needs client_ca_file",
    );
    wrong(
        &with("client_ca_file: other.crt"),
        "client_ca needs a client_auth_type",
    );
    wrong(
        &with("client_allowed_sans: [a]"),
        "client_allowed_sans needs client_auth_type",
    );
    wrong(
        &with("min_version: TLS10"),
        "unknown value \"TLS10\"; known here: TLS12, TLS13",
    );
    wrong(
        &with("min_version: TLS13\n  max_version: TLS12"),
        "min_version needs a max_version",
    );
    wrong(
        &with("cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]"),
        "unknown value in cipher_suites",
    );
    wrong(
        &with("curve_preferences: [CurveP521]"),
        "unknown value \"CurveP521\"",
    );
    wrong(
        "rate_limit: {interval: soon}\n",
        "web.yml:1: the value has the wrong type for its key",
    );
    wrong(
        "rate_limit: {interval: 1s, burst: 0}\n",
        "burst must be at least 1",
    );
    wrong(
        "http_server_config: {headers: {X-XSS-Protection: \"a\\nb\"}}\n",
        "headers: the value of X-XSS-Protection is not valid in HTTP",
    );
}

#[test]
fn an_alias_bomb_is_no_feast() {
    let folder = folder();
    let mut text = "a: &a [x,x,x,x,x,x,x,x,x]\n".to_owned();
    for (new, old) in "bcdefghij".chars().zip("abcdefghi".chars()) {
        let many = format!("*{old},").repeat(9);
        writeln!(text, "{new}: &{new} [{many}]").unwrap();
    }
    check_wrong(&folder, &text, "web.yml");
}

#[test]
fn a_change_is_taken_up_and_a_broken_one_is_not() {
    let folder = folder();
    let path = folder.path().join("web.yml");
    fs::write(&path, CERTIFIED).unwrap();
    let web = Web::load(&path).unwrap();
    let first = web.settings();
    web.follow();
    assert!(Arc::ptr_eq(&first, &web.settings()), "nothing changed");

    // A certificate is renewed in two steps; in between it does not match its key.
    let copy = |from: &str, to: &str| fs::copy(folder.path().join(from), folder.path().join(to)).unwrap();
    copy("other.crt", "one.crt");
    web.follow();
    assert!(Arc::ptr_eq(&first, &web.settings()));
    assert!(!web.reload().unwrap().is_good);
    copy("other.key", "one.key");
    web.follow();
    let second = web.settings();
    assert!(!Arc::ptr_eq(&first, &second));
    assert!(web.reload().unwrap().is_good);

    fs::write(&path, "tls_server_config: {").unwrap();
    web.follow();
    assert!(Arc::ptr_eq(&second, &web.settings()));
    let report = web.reload().unwrap();
    assert!(!report.is_good && !report.good_at.is_zero());
    fs::remove_file(&path).unwrap();
    web.follow();
    assert!(Arc::ptr_eq(&second, &web.settings()));
    fs::write(&path, "").unwrap();
    web.follow();
    assert!(web.settings().tls.is_none() && web.reload().unwrap().is_good);
}
