//! TLS from the web configuration.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::rustls::client::verify_server_name;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use tokio_rustls::rustls::{
    NamedGroup, ProtocolVersion, RootCertStore, ServerConfig, SupportedCipherSuite, SupportedProtocolVersion,
    version,
};

use super::error::WebConfigProblem;
use super::file::{self, ClientAuth, Curve, Version};
use super::reading::WebConfigReader;

const TLS13_SUITES: [&str; 3] = [
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
];

/// TLS settings, and accepted client certificates.
#[derive(Debug)]
pub(crate) struct ServerTls {
    /// What a handshake needs.
    pub(crate) server: Arc<ServerConfig>,
    /// Accepted names of a client's certificate; empty for any.
    allowed: Vec<ServerName<'static>>,
}

impl ServerTls {
    /// From the files that `file` names, relative to `folder`.
    pub(super) fn new(
        file: file::TlsConfig,
        folder: &Path,
        reading: &mut WebConfigReader,
    ) -> Result<Self, WebConfigProblem> {
        let mut open =
            |path: Option<PathBuf>, inline: Option<String>, keys: (&'static str, &'static str)| match (
                path, inline,
            ) {
                (Some(_), Some(_)) => Err(WebConfigProblem::OneOf(keys.0, keys.1)),
                (Some(path), None) => reading.read(&folder.join(path)).map(Some),
                (None, inline) => Ok(inline.map(String::into_bytes)),
            };
        let certificate = open(file.cert_file, file.cert, ("cert_file", "cert"))?;
        let key = open(file.key_file, file.key, ("key_file", "key"))?;
        let authority = open(
            file.client_ca_file,
            file.client_ca,
            ("client_ca_file", "client_ca"),
        )?;
        let certificate =
            certificate.ok_or(WebConfigProblem::Needs("tls_server_config", "cert_file or cert"))?;
        let key = key.ok_or(WebConfigProblem::Needs("tls_server_config", "key_file or key"))?;

        let provider = Arc::new(provider(&file.cipher_suites, &file.curve_preferences)?);
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&versions(file.min_version, file.max_version)?)?;
        let builder = match clients(file.client_auth_type, authority.as_deref())? {
            Some((roots, may_stay_away)) => {
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                let verifier = if may_stay_away {
                    verifier.allow_unauthenticated()
                } else {
                    verifier
                };
                builder.with_client_cert_verifier(verifier.build()?)
            }
            None => builder.with_no_client_auth(),
        };
        let mut server = builder.with_single_cert(certificates(&certificate, "cert")?, private(&key)?)?;
        server.ignore_client_order = file.prefer_server_cipher_suites.unwrap_or(true);
        server.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            server: Arc::new(server),
            allowed: names(file.client_allowed_sans, file.client_auth_type)?,
        })
    }

    /// Whether a client with these certificates is accepted. Its authority is already checked.
    pub(crate) fn is_allowed(&self, certificates: Option<&[CertificateDer<'_>]>) -> bool {
        if self.allowed.is_empty() {
            return true;
        }
        // A client that need not have a certificate has no name to check.
        let Some(certificate) = certificates.and_then(<[_]>::first) else {
            return false;
        };
        ParsedCertificate::try_from(certificate).is_ok_and(|certificate| {
            let mut names = self.allowed.iter();
            names.any(|name| verify_server_name(&certificate, name).is_ok())
        })
    }
}

fn certificates(pem: &[u8], key: &'static str) -> Result<Vec<CertificateDer<'static>>, WebConfigProblem> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    found
        .ok()
        .filter(|found| !found.is_empty())
        .ok_or(WebConfigProblem::Pem(key, "certificate"))
}

fn private(pem: &[u8]) -> Result<PrivateKeyDer<'static>, WebConfigProblem> {
    PrivateKeyDer::from_pem_slice(pem)
        .ok()
        .ok_or(WebConfigProblem::Pem("key", "private key"))
}

/// The authorities for client certificates, and whether a client may have none.
fn clients(
    how: ClientAuth,
    authority: Option<&[u8]>,
) -> Result<Option<(RootCertStore, bool)>, WebConfigProblem> {
    let may_stay_away = match how {
        ClientAuth::NoClientCert if authority.is_some() => {
            return Err(WebConfigProblem::Needs(
                "client_ca",
                "a client_auth_type other than NoClientCert",
            ));
        }
        ClientAuth::NoClientCert => return Ok(None),
        ClientAuth::RequestClientCert => return Err(WebConfigProblem::Unchecked("RequestClientCert")),
        ClientAuth::RequireAnyClientCert => return Err(WebConfigProblem::Unchecked("RequireAnyClientCert")),
        ClientAuth::VerifyClientCertIfGiven => true,
        ClientAuth::RequireAndVerifyClientCert => false,
    };
    let authority = authority.ok_or(WebConfigProblem::Needs(
        "client_auth_type",
        "client_ca_file or client_ca",
    ))?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates(authority, "client_ca")? {
        roots.add(certificate)?;
    }
    Ok(Some((roots, may_stay_away)))
}

fn names(sans: Vec<String>, how: ClientAuth) -> Result<Vec<ServerName<'static>>, WebConfigProblem> {
    if !sans.is_empty() && how != ClientAuth::RequireAndVerifyClientCert {
        return Err(WebConfigProblem::Needs(
            "client_allowed_sans",
            "client_auth_type: RequireAndVerifyClientCert",
        ));
    }
    let name = |san: String| {
        ServerName::try_from(san)
            .ok()
            .ok_or_else(|| WebConfigProblem::Unknown {
                what: "kind of name in client_allowed_sans".to_owned(),
                known: "DNS names, IP addresses".to_owned(),
            })
    };
    sans.into_iter().map(name).collect()
}

fn versions(
    least: Option<Version>,
    most: Option<Version>,
) -> Result<Vec<&'static SupportedProtocolVersion>, WebConfigProblem> {
    let within = |version: Version| {
        least.is_none_or(|least| version >= least) && most.is_none_or(|most| version <= most)
    };
    let offered = [
        (Version::Tls13, &version::TLS13),
        (Version::Tls12, &version::TLS12),
    ];
    let versions: Vec<_> = offered
        .into_iter()
        .filter(|(version, _)| within(*version))
        .map(|(_, version)| version)
        .collect();
    if versions.is_empty() {
        return Err(WebConfigProblem::Needs(
            "min_version",
            "a max_version that is not lower",
        ));
    }
    Ok(versions)
}

/// The configured algorithms, or all. As in Go, suites are configurable for TLS 1.2 only.
fn provider(suites: &[String], curves: &[Curve]) -> Result<CryptoProvider, WebConfigProblem> {
    let mut provider = ring::default_provider();
    if !suites.is_empty() {
        let name = |suite: &SupportedCipherSuite| suite.suite().as_str().unwrap_or_default();
        let is_new = |suite: &SupportedCipherSuite| suite.version().version == ProtocolVersion::TLSv1_3;
        for wanted in suites {
            let old = provider.cipher_suites.iter().filter(|suite| !is_new(suite));
            let known: Vec<_> = old.map(name).collect();
            // Go's names for those of TLS 1.3 lack the version.
            if !known.contains(&wanted.as_str()) && !TLS13_SUITES.contains(&wanted.as_str()) {
                return Err(WebConfigProblem::Unknown {
                    what: "value in cipher_suites".to_owned(),
                    known: known.join(", "),
                });
            }
        }
        let wanted = |suite: &_| is_new(suite) || suites.iter().any(|wanted| wanted == name(suite));
        provider.cipher_suites.retain(wanted);
    }
    if !curves.is_empty() {
        let group = |curve: &Curve| match curve {
            Curve::CurveP256 => NamedGroup::secp256r1,
            Curve::CurveP384 => NamedGroup::secp384r1,
            Curve::X25519 => NamedGroup::X25519,
        };
        let offered = std::mem::take(&mut provider.kx_groups);
        provider.kx_groups = curves
            .iter()
            .filter_map(|curve| offered.iter().find(|offer| offer.name() == group(curve)))
            .copied()
            .collect();
    }
    Ok(provider)
}
