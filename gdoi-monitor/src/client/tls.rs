//! Verification of the agent's certificate.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::{Address, ClientError};

/// The TLS settings of a connection; none for `http`.
#[derive(Clone)]
pub(super) struct Trust(Option<ClientTls>);

#[derive(Clone)]
struct ClientTls {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl Trust {
    /// For `https`: the CA certificates in `ca_file`, or those of the system.
    pub(super) fn new(address: &Address, ca_file: Option<&Path>) -> Result<Self, ClientError> {
        if !address.secure {
            return Ok(Self(None));
        }
        let name = ServerName::try_from(address.host.clone())
            .ok()
            .ok_or_else(|| ClientError::HostName(address.clone()))?;
        let roots = match ca_file {
            Some(path) => from_file(path)?,
            None => of_system(address)?,
        };
        let config = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(Some(ClientTls {
            connector: TlsConnector::from(Arc::new(config)),
            name,
        })))
    }

    pub(super) fn connector(&self) -> Option<(&TlsConnector, ServerName<'static>)> {
        self.0.as_ref().map(|tls| (&tls.connector, tls.name.clone()))
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Tls" } else { "Plain" })
    }
}

fn from_file(path: &Path) -> Result<RootCertStore, ClientError> {
    let unusable = |why: String| ClientError::CaFile {
        path: path.to_owned(),
        why,
    };
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| unusable(error.to_string()))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
        roots
            .add(certificate)
            .map_err(|error| unusable(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(unusable("it holds no certificate in PEM".to_owned()));
    }
    Ok(roots)
}

/// Unreadable certificates of the system are ignored.
fn of_system(address: &Address) -> Result<RootCertStore, ClientError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(ClientError::NoRoots(address.clone()));
    }
    Ok(roots)
}
