//! Everything that can go wrong between a request and its answer.

use std::{sync::Arc, time::Duration};

use super::Method;

/// One attempt's failure.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// 401: the token is wrong, expired or revoked.
    #[error("Notion refused the token (401): {message}")]
    Unauthorized {
        /// Notion's words.
        message: String,
    },
    /// 403: a capability or a permission is missing.
    #[error("Notion denied access (403): {message}")]
    Forbidden {
        /// Notion's words.
        message: String,
    },
    /// 403 without Notion's error body: something in front of the API refused the request.
    #[error("the network edge in front of Notion refused the request ({status}, cf-ray {ray})")]
    EdgeBlocked {
        /// The HTTP status.
        status: u16,
        /// The edge's id of the request, for Notion's support.
        ray: String,
    },
    /// 429 with the reason `public_api_request_blocked`: waiting does not help.
    #[error("Notion has restricted the API access of this connection: {message}")]
    Blocked {
        /// Notion's words.
        message: String,
    },
    /// 404: the object does not exist or is not shared.
    #[error("Notion does not find it (404): {message}")]
    NotFound {
        /// Notion's words.
        message: String,
    },
    /// 400 for a pagination position that expired or is foreign.
    #[error("Notion says that the position in the listing is invalid")]
    InvalidCursor,
    /// Any other 4xx: the request is not one that Notion answers.
    #[error("Notion rejected the request ({status} {code}): {message}")]
    Rejected {
        /// The HTTP status.
        status: u16,
        /// Notion's error code.
        code: Box<str>,
        /// Notion's words.
        message: String,
    },
    /// 408, 409 or 5xx: Notion cannot answer now.
    #[error("Notion is not available ({status} {code})")]
    Unavailable {
        /// The HTTP status.
        status: u16,
        /// Notion's error code, or none from the edge.
        code: String,
        /// How long Notion asks to wait, if it said so.
        retry_after: Option<Duration>,
    },
    /// 429 or 529: the rate limit; everyone waits.
    #[error("Notion's rate limit is reached ({status})")]
    RateLimited {
        /// The HTTP status.
        status: u16,
        /// How long Notion asks to wait, if it said so.
        retry_after: Option<Duration>,
    },
    /// 3xx, or a 1xx or 2xx that is not 200: not an answer of Notion's API.
    #[error("got status {status}, which Notion's API never sends; a proxy may be in the way")]
    Unexpected {
        /// The HTTP status.
        status: u16,
    },
    /// No connection: name resolution, TCP, proxy or TLS.
    #[error("no connection: {detail}")]
    Connect {
        /// What failed.
        step: ConnectStep,
        /// The chain of causes.
        detail: String,
    },
    /// No answer in time.
    #[error("no answer in time")]
    Timeout,
    /// The connection broke before the answer was complete.
    #[error("the answer was cut off: {detail}")]
    CutOff {
        /// The chain of causes.
        detail: String,
    },
    /// A 200 whose body is not JSON: a proxy's page, or a cut that HTTP did not notice.
    #[error("the answer is not JSON: {detail}")]
    NotJson {
        /// The parser's words.
        detail: String,
    },
    /// A 200 with JSON of another shape than the documented one.
    #[error("the answer has an unknown shape: {detail}")]
    UnknownShape {
        /// What is missing.
        detail: String,
    },
    /// A 200 with one object where a list was asked for, as the property endpoint may answer
    /// (<https://developers.notion.com/reference/retrieve-a-page-property>).
    #[error("the answer is one object, a {kind}, and not a list")]
    OtherObject {
        /// Its `object`.
        kind: String,
    },
    /// The body is larger than any answer of the API.
    #[error("the answer is larger than {limit} bytes")]
    TooLarge {
        /// The bound.
        limit: usize,
    },
    /// The token is refused, and whether it can be renewed is not known: Notion could not be asked.
    #[error("the access token could not be refreshed: {source}")]
    RefreshFailed {
        /// Why not. It is not the token.
        source: Arc<Self>,
    },
    /// A variable of the environment about the network cannot be used. Its value is not told: it may hold a password.
    #[error("{variable} cannot be used: {problem}")]
    Environment {
        /// Its name.
        variable: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The run was given up meanwhile; see [`super::NotionClient::stop`].
    #[error("the run was given up")]
    Stopped,
}

impl ApiError {
    /// Whether Notion has refused what was asked for, in whatever words: asking again gives the same.
    pub(super) fn is_refusal(&self) -> bool {
        match self {
            Self::Unauthorized { .. }
            | Self::Forbidden { .. }
            | Self::NotFound { .. }
            | Self::InvalidCursor
            | Self::Rejected { .. } => true,
            Self::EdgeBlocked { .. }
            | Self::Blocked { .. }
            | Self::Unavailable { .. }
            | Self::RateLimited { .. }
            | Self::Unexpected { .. }
            | Self::Connect { .. }
            | Self::Timeout
            | Self::CutOff { .. }
            | Self::NotJson { .. }
            | Self::UnknownShape { .. }
            | Self::OtherObject { .. }
            | Self::TooLarge { .. }
            | Self::RefreshFailed { .. }
            | Self::Environment { .. }
            | Self::Stopped => false,
        }
    }
}

/// The part of connecting that failed, for the advice.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ConnectStep {
    /// The host name has no address.
    NameResolution,
    /// The proxy cannot be reached, or refuses.
    Proxy,
    /// No trusted connection.
    Tls,
    /// No answer at the address, or anything else.
    Network,
}

/// A request that failed for good.
#[derive(Debug, thiserror::Error)]
#[error("{method} {host}{path}: {source} (attempts: {attempts}, {}, request id: {})",
    format_args!("{:.1} s", elapsed.as_secs_f64()), request_id.as_deref().unwrap_or("none"))]
pub struct RequestError {
    /// The method.
    pub method: Method,
    /// The host that was asked, with its port where it is an unusual one.
    pub host: Box<str>,
    /// The path, without the query.
    pub path: Box<str>,
    /// How often it was sent, rate-limited answers left out.
    pub attempts: u32,
    /// From the first attempt to the last answer.
    pub elapsed: Duration,
    /// Notion's id of the last answer.
    pub request_id: Option<Box<str>>,
    /// Why the last attempt failed.
    pub source: ApiError,
}

/// A listing that cannot be read to its end.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// A request of it failed.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// It was started again too often, because its positions kept expiring or repeating.
    #[error("{path}: the listing broke off {restarts} times, last because {cause}")]
    Broken {
        /// The path, without the query.
        path: String,
        /// How often it was started again.
        restarts: u32,
        /// The last cause.
        cause: &'static str,
    },
    /// It broke off, and whoever reads it knows where to go on.
    #[error("{path}: the listing broke off because {cause}")]
    BrokenOff {
        /// The path, without the query.
        path: String,
        /// The cause.
        cause: &'static str,
    },
    /// Notion refuses what follows a place in it, also after a restart and in smaller pages. Not the object is gone, but
    /// something in it cannot be read.
    #[error("{path}: Notion refuses what follows the first {results_read} results: {source}")]
    Refused {
        /// The path, without the query.
        path: String,
        /// How many different results were read.
        results_read: usize,
        /// The last refusal.
        source: Box<RequestError>,
    },
    /// Notion takes no position beyond a place in it, however fresh it is: a limit of results that it does not name.
    #[error("{path}: Notion takes no position beyond the first {results} results")]
    PositionLimit {
        /// The path, without the query.
        path: String,
        /// How many different results were read.
        results: usize,
    },
    /// Notion cut it at its limit of results.
    #[error("{path}: Notion cut the listing at its limit of results")]
    Cut {
        /// The path, without the query.
        path: String,
    },
}

impl ListError {
    /// Whether no position leads beyond a place in it: what lies there is shown by another listing, if at all.
    pub fn is_limit(&self) -> bool {
        matches!(self, Self::PositionLimit { .. } | Self::Broken { .. })
    }

    /// Whether a later attempt may well get farther.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Broken { .. })
    }

    /// Whether it broke off and can be gone on with.
    pub fn is_broken_off(&self) -> bool {
        matches!(self, Self::BrokenOff { .. })
    }

    /// The failure of the attempt behind it, if it was one.
    pub fn api_error(&self) -> Option<&ApiError> {
        match self {
            Self::Request(error) => Some(&error.source),
            // A refusal of a part says nothing about the object.
            Self::Refused { .. }
            | Self::PositionLimit { .. }
            | Self::Broken { .. }
            | Self::BrokenOff { .. }
            | Self::Cut { .. } => None,
        }
    }
}
