//! One attempt over HTTP: what is sent, how long it may take, how much may come back.

use std::{
    env,
    error::Error as StdError,
    fmt, io, mem,
    time::{Duration, SystemTime},
};

use chrono::{DateTime, Utc};
use reqwest::{
    Client, Response, Url,
    header::{AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER},
    redirect::Policy,
};
use secrecy::{ExposeSecret, SecretString};

use super::{ApiError, ConnectStep, answer::ErrorAnswer, environment};

/// <https://developers.notion.com/reference/versioning>
const NOTION_VERSION: (HeaderName, HeaderValue) =
    (HeaderName::from_static("notion-version"), HeaderValue::from_static("2025-09-03"));

/// The largest body that is read, decompressed. A result page of a hundred records is far below it.
const MAX_BODY_BYTES: usize = 128 * 1024 * 1024;

/// As much is read of the body of an error; the rest is dropped, for the status has told already what matters.
const MAX_ERROR_BODY_BYTES: usize = 1024 * 1024;

/// Nearly every body fits, so it need not be moved while it grows.
const USUAL_BODY_BYTES: usize = 32 * 1024;

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

/// One request, without the token. Its `Debug` shows no body: that of a token's renewal holds secrets.
#[derive(Clone)]
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

impl fmt::Debug for Request {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, target, body: _may_be_secret } = self;
        let mut shown = formatter.debug_struct("Request");
        shown.field("method", method).field("target", target).finish_non_exhaustive()
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
    Basic { username: &'a str, password: &'a SecretString, refresh_token: &'a SecretString },
}

impl Credentials<'_> {
    /// Everything that an answer may quote and nobody may see.
    fn secrets(&self) -> Vec<&str> {
        match self {
            Self::Bearer(token) => vec![token.expose_secret()],
            Self::Basic { username: _not_secret, password, refresh_token } => {
                vec![password.expose_secret(), refresh_token.expose_secret()]
            }
        }
    }
}

/// A complete answer. Its `Debug` shows no body: that holds records, or a new token pair.
pub(super) struct RawAnswer {
    pub(super) body: String,
    headers: HeaderMap,
}

impl fmt::Debug for RawAnswer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("RawAnswer");
        shown.field("request_id", &self.request_id()).field("date", &self.date()).finish_non_exhaustive()
    }
}

impl RawAnswer {
    /// Notion's id of the request.
    pub(super) fn request_id(&self) -> Option<String> {
        request_id(&self.headers)
    }

    /// Notion's time, to the second.
    pub(super) fn date(&self) -> Option<DateTime<Utc>> {
        date(&self.headers).map(DateTime::from)
    }

    /// What it is if its body is of no use.
    pub(super) fn fail(&self, error: ApiError) -> Failure {
        Failure { error, request_id: self.request_id() }
    }
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
    host: String,
    max_body_bytes: usize,
}

impl Transport {
    /// Connects to this API, through the proxy that the environment names.
    ///
    /// Fails when the environment's proxy or certificates cannot be used, or the system has no usable TLS configuration.
    pub(super) fn new(base: Url, timeouts: &Timeouts) -> Result<Self, ApiError> {
        // A second call in one process finds the provider installed; both are the same.
        drop(rustls::crypto::ring::default_provider().install_default());
        environment::check_certificates(|name| env::var_os(name))?;
        let proxy = environment::proxy(&base, |name| env::var_os(name))?;
        // What the environment says is read above, and told where it cannot be used: reqwest would pass it by.
        let builder = Client::builder().no_proxy();
        let builder = match proxy {
            Some(proxy) => builder.proxy(proxy),
            None => builder,
        };
        let client = builder
            .connect_timeout(timeouts.connect)
            .read_timeout(timeouts.read)
            .timeout(timeouts.attempt)
            // The API never redirects; following one could carry the token to another host.
            .redirect(Policy::none())
            .gzip(true)
            .user_agent(concat!("source-notion/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| ApiError::Connect {
                step: ConnectStep::Tls,
                detail: causes(&error).join(": "),
            })?;
        let name = base.host_str().unwrap_or_default();
        let host = base.port().map_or_else(|| name.to_owned(), |port| format!("{name}:{port}"));
        Ok(Self { client, base, host, max_body_bytes: MAX_BODY_BYTES })
    }

    /// Reads no larger bodies than this.
    #[cfg(test)]
    pub(super) fn limit_bodies(&mut self, max_body_bytes: usize) {
        self.max_body_bytes = max_body_bytes;
    }

    /// The API's host, with its port where it is an unusual one.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Sends one attempt and reads its whole answer.
    pub(super) async fn send(
        &self,
        request: &Request,
        credentials: Credentials<'_>,
    ) -> Result<RawAnswer, Failure> {
        let url = self.base.join(&request.target).map_err(|error| ApiError::Rejected {
            status: 0,
            code: "invalid_target".into(),
            message: error.to_string(),
        })?;
        let builder = match request.method {
            Method::Get => self.client.get(url),
            Method::Post => self.client.post(url),
        };
        let builder = match &credentials {
            Credentials::Bearer(token) => builder.header(AUTHORIZATION, bearer(token)?),
            Credentials::Basic { username, password, .. } => {
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
        let headers = mem::take(response.headers_mut());
        let fail = |error| Failure { error, request_id: request_id(&headers) };

        let limit = if status == 200 { self.max_body_bytes } else { MAX_ERROR_BODY_BYTES };
        let (body, is_whole) = read_body(response, limit).await.map_err(|error| fail(classify(&error)))?;
        let answer = ErrorAnswer {
            status,
            retry_after: text(&headers, RETRY_AFTER.as_str()),
            date: date(&headers),
            ray: text(&headers, "cf-ray"),
            body: &body,
            secrets: &credentials.secrets(),
        };
        if status != 200 {
            return Err(fail(ApiError::from_answer(&answer)));
        }
        if !is_whole {
            return Err(fail(ApiError::TooLarge { limit }));
        }
        if let Some(error) = ApiError::from_success(&answer) {
            return Err(fail(error));
        }
        let body = String::from_utf8(body)
            .map_err(|error| fail(ApiError::NotJson { detail: error.utf8_error().to_string() }))?;
        Ok(RawAnswer { body, headers })
    }
}

/// Reads a body up to a limit; tells whether that was all of it.
async fn read_body(mut response: Response, limit: usize) -> Result<(Vec<u8>, bool), reqwest::Error> {
    let mut body = Vec::with_capacity(USUAL_BODY_BYTES);
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > limit {
            return Ok((body, false));
        }
        body.extend_from_slice(&chunk);
    }
    Ok((body, true))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn date(headers: &HeaderMap) -> Option<SystemTime> {
    httpdate::parse_http_date(text(headers, DATE.as_str())?).ok()
}

fn request_id(headers: &HeaderMap) -> Option<String> {
    text(headers, "x-notion-request-id").map(ToOwned::to_owned)
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
    let causes = causes(error);
    let detail = causes.join(": ");
    // The order matters: a timeout while connecting is both.
    if error.is_connect() || error.is_builder() {
        ApiError::Connect { step: connect_step(error, &causes), detail }
    } else if error.is_timeout() {
        ApiError::Timeout
    } else {
        ApiError::CutOff { detail }
    }
}

/// Tells which part of connecting failed. The libraries have no types for some, only words; nothing but the
/// advice depends on them.
fn connect_step(error: &reqwest::Error, causes: &[String]) -> ConnectStep {
    let says = |word: &str| causes.iter().any(|cause| cause.contains(word));
    if is_tls(error) {
        ConnectStep::Tls
    } else if says("tunnel") || says("proxy") || says("socks") {
        ConnectStep::Proxy
    } else if says("dns error") {
        ConnectStep::NameResolution
    } else {
        ConnectStep::Network
    }
}

fn is_tls(error: &(dyn StdError + 'static)) -> bool {
    // An io::Error hides the error that it was made of: its source is that one's source.
    let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    error.is::<rustls::Error>()
        || wrapped.is_some_and(|wrapped| is_tls(wrapped))
        || error.source().is_some_and(is_tls)
}

/// The chain of causes, without the URL: a proxy's may hold a password.
fn causes(error: &reqwest::Error) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    let mut cause = error.source();
    while let Some(inner) = cause {
        parts.push(inner.to_string());
        cause = inner.source();
    }
    parts.dedup();
    if parts.is_empty() {
        parts.push("the request could not be made".to_owned());
    }
    parts
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::TcpListener,
    };

    use fake_notion::{FakeNotion, Fault, Route, Workspace};
    use serde_json::json;
    use tokio::task::{self, JoinHandle};

    use super::*;

    async fn ask(transport: &Transport) -> Result<RawAnswer, Failure> {
        let token = SecretString::from("ntn_fake_0123456789abcdef");
        transport.send(&Request::get("/v1/users/me"), Credentials::Bearer(&token)).await
    }

    #[tokio::test]
    async fn a_body_beyond_the_bound_is_refused_and_counts_as_it_is_decompressed() {
        let notion = FakeNotion::start(Workspace::new()).await;
        let mut transport = Transport::new(notion.url().parse().unwrap(), &Timeouts::default()).unwrap();
        let whole = ask(&transport).await.unwrap().body.len();
        transport.max_body_bytes = whole;
        assert!(ask(&transport).await.is_ok());
        transport.max_body_bytes = whole - 1;
        let error = ask(&transport).await.unwrap_err().error;
        assert!(matches!(error, ApiError::TooLarge { limit } if limit == whole - 1), "{error}");
    }

    /// Starts a server that answers one request with a body without end; it returns how much of it was taken.
    fn serve_without_end(status: &'static str) -> (Transport, JoinHandle<usize>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let serving = task::spawn_blocking(move || {
            let (mut connection, _from) = listener.accept().unwrap();
            let head_length = connection.read(&mut [0; 4096]).unwrap();
            assert!(head_length > 0);
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: 1000000000000\r\n\r\n<html>");
            connection.write_all(head.as_bytes()).unwrap();
            let mut taken = 0;
            while let Ok(length @ 1..) = connection.write(&[b' '; 8 * 1024]) {
                taken += length;
            }
            taken
        });
        (Transport::new(base.parse().unwrap(), &Timeouts::default()).unwrap(), serving)
    }

    #[tokio::test]
    async fn the_status_of_an_endless_error_decides_and_little_of_it_is_read() {
        let (transport, serving) = serve_without_end("502 Bad Gateway");
        let error = ask(&transport).await.unwrap_err().error;
        assert!(matches!(error, ApiError::Unavailable { status: 502, .. }), "{error}");
        let taken = serving.await.unwrap();
        // What the system's buffers hold is on top.
        assert!(taken < MAX_ERROR_BODY_BYTES + 16 * 1024 * 1024, "{taken} bytes");
    }

    #[tokio::test]
    async fn an_answer_without_end_is_given_up() {
        let (transport, serving) = serve_without_end("200 OK");
        let error = ask(&transport).await.unwrap_err().error;
        assert!(matches!(error, ApiError::TooLarge { limit: MAX_BODY_BYTES }), "{error}");
        let taken = serving.await.unwrap();
        assert!(taken < MAX_BODY_BYTES + 16 * 1024 * 1024, "{taken} bytes");
    }

    #[tokio::test]
    async fn debug_output_shows_no_body() {
        let notion = FakeNotion::start(Workspace::new()).await;
        let transport = Transport::new(notion.url().parse().unwrap(), &Timeouts::default()).unwrap();
        let body =
            json!({"grant_type": "refresh_token", "refresh_token": notion.refresh_token()}).to_string();
        let target = "/v1/oauth/token".to_owned();
        let request = Request { method: Method::Post, target, body: Some(body) };
        let (password, refresh_token) = ("fake_client_secret".into(), notion.refresh_token().into());
        let username = "fake_client_id";
        let credentials = Credentials::Basic { username, password: &password, refresh_token: &refresh_token };
        let answer = transport.send(&request, credentials).await.unwrap();
        assert!(
            answer.body.contains(&notion.current_token()) && answer.body.contains(&notion.refresh_token())
        );
        let shown = format!("{request:?} {request:#?} {answer:?} {answer:#?}");
        assert!(shown.contains("/v1/oauth/token") && !shown.contains("_fake_"), "{shown}");
    }

    #[tokio::test]
    async fn an_error_that_quotes_the_token_does_not_show_it() {
        let notion = FakeNotion::start(Workspace::new()).await;
        let transport = Transport::new(notion.url().parse().unwrap(), &Timeouts::default()).unwrap();
        notion
            .fail(Route::UsersMe, Fault::error(401, "unauthorized", "ntn_fake_0123456789abcdef is unknown"));
        let error = ask(&transport).await.unwrap_err().error;
        assert_eq!(error.to_string(), "Notion refused the token (401): […] is unknown");
    }
}
