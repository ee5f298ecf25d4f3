//! One connection to an agent.

use http_body_util::{BodyExt as _, Empty, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{ACCEPT, AUTHORIZATION, DATE, HOST, HeaderMap, USER_AGENT};
use hyper::rt::{Read, Write};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::tls::Trust;
use super::{Address, ApiAnswer, ClientError, Moment, path};

const MAX_HEADER_OCTETS: usize = 64 << 10;
/// A hundred thousand members are 40 MB.
const MAX_BODY_OCTETS: usize = 64 << 20;

/// One connection to an agent; its task ends with it.
#[derive(Debug)]
pub(super) struct Connection {
    sender: SendRequest<Empty<Bytes>>,
    driver: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Connection {
    pub(super) async fn open(address: &Address, trust: &Trust) -> Result<Self, ClientError> {
        let stream = TcpStream::connect((address.host.as_str(), address.port))
            .await
            .map_err(|cause| ClientError::Connect {
                address: address.clone(),
                cause,
            })?;
        match trust.connector() {
            None => Self::over(address, TokioIo::new(stream)).await,
            Some((connector, name)) => {
                let stream = connector
                    .connect(name, stream)
                    .await
                    .map_err(|cause| ClientError::Tls {
                        address: address.clone(),
                        cause,
                    })?;
                Self::over(address, TokioIo::new(stream)).await
            }
        }
    }

    async fn over<S>(address: &Address, stream: S) -> Result<Self, ClientError>
    where
        S: Read + Write + Send + Unpin + 'static,
    {
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(MAX_HEADER_OCTETS)
            .handshake(stream)
            .await
            .map_err(|cause| broken(address, cause))?;
        let driver = tokio::spawn(async move {
            // An error reaches the task that waits for the answer.
            drop(connection.await);
        });
        Ok(Self { sender, driver })
    }

    pub(super) fn is_open(&self) -> bool {
        !self.sender.is_closed()
    }

    pub(super) async fn ask(
        &mut self,
        address: &Address,
        authorization: Option<&str>,
        path: &str,
    ) -> Result<ApiAnswer<Vec<u8>>, ClientError> {
        let request = request(address, authorization, path).map_err(|cause| ClientError::Request {
            address: address.clone(),
            cause,
        })?;
        self.sender
            .ready()
            .await
            .map_err(|cause| broken(address, cause))?;
        let response = self
            .sender
            .send_request(request)
            .await
            .map_err(|cause| broken(address, cause))?;
        read(address, path, response).await
    }
}

fn request(
    address: &Address,
    authorization: Option<&str>,
    path: &str,
) -> Result<Request<Empty<Bytes>>, hyper::http::Error> {
    let mut request = Request::get(address.target(path))
        .header(HOST, address.authority())
        .header(USER_AGENT, concat!("gdoi-monitor/", env!("CARGO_PKG_VERSION")))
        .header(ACCEPT, "application/json");
    if let Some(authorization) = authorization {
        request = request.header(AUTHORIZATION, authorization);
    }
    request.body(Empty::new())
}

async fn read(
    address: &Address,
    path: &str,
    response: Response<Incoming>,
) -> Result<ApiAnswer<Vec<u8>>, ClientError> {
    match response.status() {
        StatusCode::OK => {}
        StatusCode::SERVICE_UNAVAILABLE if path == path::READY => {}
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            return Err(ClientError::Unauthorized(address.clone()));
        }
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
            return Err(ClientError::Unavailable(address.clone()));
        }
        status => {
            return Err(ClientError::Status {
                address: address.clone(),
                path: path.to_owned(),
                status,
            });
        }
    }
    let now = date(response.headers()).unwrap_or_else(Moment::now);
    let body = Limited::new(response.into_body(), MAX_BODY_OCTETS)
        .collect()
        .await;
    let body = body.map_err(|error| match error.downcast::<hyper::Error>() {
        Ok(cause) => broken(address, *cause),
        Err(other) => {
            debug_assert!(other.is::<LengthLimitError>());
            ClientError::TooLong {
                address: address.clone(),
                path: path.to_owned(),
                limit: MAX_BODY_OCTETS,
            }
        }
    })?;
    Ok(ApiAnswer {
        now,
        body: body.to_bytes().into(),
    })
}

fn date(headers: &HeaderMap) -> Option<Moment> {
    let text = headers.get(DATE)?.to_str().ok()?;
    let zoned = jiff::fmt::rfc2822::parse(text).ok()?;
    Some(zoned.timestamp().into())
}

fn broken(address: &Address, cause: hyper::Error) -> ClientError {
    ClientError::Broken {
        address: address.clone(),
        cause,
    }
}
