//! The web configuration: TLS, client certificates, passwords and headers, in the format of Prometheus'
//! exporter-toolkit. It is reloaded when it or a file that it names changes.

mod error;
mod file;
mod headers;
mod rate;
mod reading;
#[cfg(test)]
mod tests;
mod tls;
mod users;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::HeaderMap;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};

use reading::WebConfigReader;
use users::Users;

pub use crate::status::Reload;
pub use error::{WebConfigError, WebConfigProblem};
pub(super) use rate::RateLimiter;
pub(super) use tls::ServerTls;
pub(super) use users::Access;

/// A new certificate is in use a second later.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The web configuration in force.
#[derive(Debug)]
pub struct Web {
    now: watch::Sender<Arc<WebSettings>>,
    /// Result of the last reload; `None` if there is no file.
    report: watch::Sender<Option<Reload>>,
    file: Option<Mutex<Source>>,
}

/// The source of the configuration.
#[derive(Debug)]
struct Source {
    path: PathBuf,
    read: WebConfigReader,
}

/// Settings for requests.
#[derive(Debug)]
pub(super) struct WebSettings {
    pub(super) tls: Option<ServerTls>,
    users: Users,
    /// One for scrapers, one for all others: a crowd does not use up the scrapers' rate.
    rate: Option<[RateLimiter; 2]>,
    /// Headers of every answer.
    pub(super) headers: HeaderMap,
}

impl Web {
    /// Plain HTTP, open to all.
    pub fn plain() -> Self {
        let settings = WebSettings {
            tls: None,
            users: Users::everybody(),
            rate: None,
            headers: HeaderMap::new(),
        };
        Self {
            now: watch::Sender::new(Arc::new(settings)),
            report: watch::Sender::new(None),
            file: None,
        }
    }

    /// From the file at `path`.
    pub fn load(path: &Path) -> Result<Self, WebConfigError> {
        let mut read = WebConfigReader::default();
        let settings = WebSettings::load(path, &mut read, None)?;
        Ok(Self {
            now: watch::Sender::new(Arc::new(settings)),
            report: watch::Sender::new(Some(Reload::good_now())),
            file: Some(Mutex::new(Source {
                path: path.to_owned(),
                read,
            })),
        })
    }

    /// Reloads the file if something changed. An error is logged once, and the old configuration stays in force.
    pub fn follow(&self) {
        let Some(file) = &self.file else { return };
        let mut source = file.lock().unwrap_or_else(PoisonError::into_inner);
        if !source.read.has_changed() {
            return;
        }
        let mut read = WebConfigReader::default();
        match WebSettings::load(&source.path, &mut read, Some(&self.settings())) {
            Ok(settings) => {
                self.now.send_replace(Arc::new(settings));
                self.report.send_replace(Some(Reload::good_now()));
                tracing::info!(path = %source.path.display(), "reloaded the web configuration");
            }
            Err(error) => {
                self.report.send_modify(|report| {
                    if let Some(report) = report {
                        report.is_good = false;
                    }
                });
                tracing::error!(%error, "the new web configuration was rejected; the old one stays in force");
            }
        }
        source.read = read;
    }

    /// Checks for changes until `stop` changes.
    pub async fn keep_up(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        if self.file.is_none() {
            return;
        }
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = look.tick() => {}
                _ = stop.changed() => return,
            }
            let web = Arc::clone(&self);
            // Files may be on a slow file system.
            if tokio::task::spawn_blocking(move || web.follow()).await.is_err() {
                tracing::error!("the web configuration is no longer reloaded automatically");
                return;
            }
        }
    }

    /// The files of the configuration, by the names they have in it, with the configuration itself.
    pub fn files(&self) -> Vec<PathBuf> {
        let source = self
            .file
            .as_ref()
            .map(|file| file.lock().unwrap_or_else(PoisonError::into_inner));
        source.map_or_else(Vec::new, |source| source.read.files())
    }

    /// Result of the last reload; `None` if there is no file.
    pub fn reload(&self) -> Option<Reload> {
        *self.report.borrow()
    }

    /// Notifies of each new configuration.
    pub(super) fn changes(&self) -> watch::Receiver<Arc<WebSettings>> {
        self.now.subscribe()
    }

    /// The settings for a request that begins now.
    pub(super) fn settings(&self) -> Arc<WebSettings> {
        Arc::clone(&self.now.borrow())
    }
}

impl WebSettings {
    fn load(path: &Path, read: &mut WebConfigReader, before: Option<&Self>) -> Result<Self, WebConfigError> {
        let wrong = |what| WebConfigError::at(path, None, what);
        let octets = read.read(path).map_err(wrong)?;
        let file: Option<file::File> = serde_saphyr::from_slice(&octets).map_err(|error| {
            let (line, what) = error::from_yaml(&error);
            WebConfigError::at(path, line, what)
        })?;
        let folder = path.parent().unwrap_or(Path::new("."));
        Self::from_file(file.unwrap_or_default(), folder, read, before).map_err(wrong)
    }

    fn from_file(
        file: file::File,
        folder: &Path,
        read: &mut WebConfigReader,
        before: Option<&Self>,
    ) -> Result<Self, WebConfigProblem> {
        let file::File {
            tls_server_config,
            http_server_config,
            basic_auth_users,
            rate_limit,
        } = file;
        let rate = match rate_limit {
            Some(rate) if rate.interval.0.is_zero() => None,
            Some(rate) if rate.burst == 0 => return Err(WebConfigProblem::Burst),
            Some(rate) => Some([(); 2].map(|()| RateLimiter::new(rate.interval.0, rate.burst))),
            None => None,
        };
        let tls = tls_server_config.map(|tls| ServerTls::new(tls, folder, read));
        Ok(Self {
            tls: tls.transpose()?,
            users: Users::new(basic_auth_users, before.map(|settings| &settings.users))?,
            rate,
            headers: headers::from_file(http_server_config.headers)?,
        })
    }

    /// Whether the rate allows one more request of a scraper, or of another client.
    pub(super) fn has_room(&self, is_scraper: bool) -> bool {
        self.rate.as_ref().is_none_or(|[scrapers, others]| {
            let rate = if is_scraper { scrapers } else { others };
            rate.takes(Instant::now())
        })
    }

    /// Whether credentials are bound to the name in the URL, so that a page under another name cannot use them: the
    /// browser has no password for that name, or would show no certificate.
    pub(super) fn is_bound_to_name(&self) -> bool {
        self.users.is_asked() || self.tls.is_some()
    }

    /// Whether a request with this `Authorization` header is admitted.
    pub(super) async fn access(&self, authorization: Option<&[u8]>) -> Access {
        self.users.check(authorization).await
    }
}
