//! One attempt over HTTP: what is sent, how long it may take, how much may come back.

use std::{
    error::Error as StdError,
    fmt,
    time::{Duration, SystemTime},
};

use reqwest::{
    Client, Url,
    header::{AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER},
    redirect::Policy,
};
use secrecy::{ExposeSecret, SecretString};

use super::{ApiError, error::ErrorAnswer};

/// <https://developers.notion.com/reference/versioning>
const NOTION_VERSION: (HeaderName, HeaderValue) =
    (HeaderName::from_static("notion-version"), HeaderValue::from_static("2025-09-03"));

/// The largest body that is read, decompressed. A result page of a hundred records is far below it.
const MAX_BODY_BYTES: usize = 128 * 1024 * 1024;

/// An HTTP method of a read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Method {
    /// GET
    Get,
    /// POST with a JSON body; Notion's searches and queries are such reads.
    Post,
}

impl fmt::Display for Method {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Get => "GET",
            Self::Post => "POST",
        })
    }
}

/// One request, without the token.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The path from `/v1`, with its query.
    pub target: String,
    /// The JSON body of a POST.
    pub body: Option<String>,
}

impl Request {
    /// A GET of this path and query.
    pub fn get(target: impl Into<String>) -> Self {
        Self { method: Method::Get, target: target.into(), body: None }
    }

    /// The path without the query, to be logged.
    pub fn path(&self) -> &str {
        self.target.split_once('?').map_or(self.target.as_str(), |(path, _query)| path)
    }
}

/// How long the parts of an attempt may take.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// Name resolution, TCP and TLS.
    pub connect: Duration,
    /// Between two pieces of the answer, its head included. Notion itself gives up after 60 seconds.
    pub read: Duration,
    /// The whole attempt.
    pub attempt: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(15),
            read: Duration::from_secs(75),
            attempt: Duration::from_mins(5),
        }
    }
}

/// How a request proves who sends it.
pub(super) enum Credentials<'a> {
    Bearer(&'a SecretString),
    Basic { username: &'a str, password: &'a SecretString },
}

/// A complete answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) body: String,
    pub(super) request_id: Option<String>,
    /// Notion's time, to the second.
    pub(super) date: Option<SystemTime>,
}

/// A failed attempt and Notion's id of it.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: ApiError,
    pub(super) request_id: Option<String>,
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Self { error, request_id: None }
    }
}

/// Sends single attempts.
#[derive(Debug)]
pub(super) struct Transport {
    client: Client,
    base: Url,
}

impl Transport {
    /// Connects to this API. Fails only when the system has no usable TLS configuration.
    pub(super) fn new(base: Url, timeouts: &Timeouts) -> Result<Self, ApiError> {
        // A second call in one process finds the provider installed; both are the same.
        drop(rustls::crypto::ring::default_provider().install_default());
        let client = Client::builder()
            .connect_timeout(timeouts.connect)
            .read_timeout(timeouts.read)
            .timeout(timeouts.attempt)
            // The API never redirects; following one could carry the token to another host.
            .redirect(Policy::none())
            .gzip(true)
            .user_agent(concat!("source-notion/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| ApiError::Connect { detail: causes(&error) })?;
        Ok(Self { client, base })
    }

    /// Sends one attempt and reads its whole answer.
    pub(super) async fn send(
        &self,
        request: &Request,
        credentials: Credentials<'_>,
    ) -> Result<Answer, Failure> {
        let url = self.base.join(&request.target).map_err(|error| ApiError::Rejected {
            status: 0,
            code: "invalid_target".to_owned(),
            message: error.to_string(),
        })?;
        let builder = match request.method {
            Method::Get => self.client.get(url),
            Method::Post => self.client.post(url),
        };
        let builder = match credentials {
            Credentials::Bearer(token) => builder.header(AUTHORIZATION, bearer(token)?),
            Credentials::Basic { username, password } => {
                builder.basic_auth(username, Some(password.expose_secret()))
            }
        };
        let builder = builder.header(NOTION_VERSION.0, NOTION_VERSION.1);
        let builder = match &request.body {
            Some(body) => builder.header(CONTENT_TYPE, "application/json").body(body.clone()),
            None => builder,
        };
        let mut response = builder.send().await.map_err(|error| classify(&error))?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let request_id = text(&headers, "x-notion-request-id").map(ToOwned::to_owned);
        let fail = |error| Failure { error, request_id: request_id.clone() };

        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| fail(classify(&error)))? {
            if body.len() + chunk.len() > MAX_BODY_BYTES {
                return Err(fail(ApiError::TooLarge { limit: MAX_BODY_BYTES }));
            }
            body.extend_from_slice(&chunk);
        }
        if status != 200 {
            return Err(fail(ApiError::from_answer(&ErrorAnswer {
                status,
                retry_after: text(&headers, RETRY_AFTER.as_str()),
                ray: text(&headers, "cf-ray"),
                body: &body,
            })));
        }
        let body = String::from_utf8(body)
            .map_err(|error| fail(ApiError::NotJson { detail: error.utf8_error().to_string() }))?;
        let date = text(&headers, DATE.as_str()).and_then(|date| httpdate::parse_http_date(date).ok());
        Ok(Answer { body, request_id, date })
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn bearer(token: &SecretString) -> Result<HeaderValue, ApiError> {
    let mut value =
        HeaderValue::try_from(format!("Bearer {}", token.expose_secret())).map_err(|_invalid| {
            ApiError::Unauthorized { message: "it has characters no token has".to_owned() }
        })?;
    value.set_sensitive(true);
    Ok(value)
}

fn classify(error: &reqwest::Error) -> ApiError {
    let detail = causes(error);
    // The order matters: a timeout while connecting is both.
    if error.is_connect() || error.is_builder() {
        ApiError::Connect { detail }
    } else if error.is_timeout() {
        ApiError::Timeout
    } else {
        ApiError::CutOff { detail }
    }
}

/// The chain of causes, without the URL: a proxy's may hold a password.
fn causes(error: &reqwest::Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut cause = error.source();
    while let Some(inner) = cause {
        parts.push(inner.to_string());
        cause = inner.source();
    }
    parts.dedup();
    if parts.is_empty() { "the request could not be made".to_owned() } else { parts.join(": ") }
}
