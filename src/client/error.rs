//! Everything that can go wrong between a request and its answer.

use std::{borrow::Cow, time::Duration};

use super::Method;
use crate::record::RawObject;

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
        code: String,
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
    /// The body is larger than any answer of the API.
    #[error("the answer is larger than {limit} bytes")]
    TooLarge {
        /// The bound.
        limit: usize,
    },
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
#[error("{method} {path}: {source} (attempts: {attempts}, {}, request id: {})",
    format_args!("{:.1} s", elapsed.as_secs_f64()), request_id.as_deref().unwrap_or("none"))]
pub struct RequestError {
    /// The method.
    pub method: Method,
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
    /// Notion cut it at its limit of results.
    #[error("{path}: Notion cut the listing at its limit of results")]
    Cut {
        /// The path, without the query.
        path: String,
    },
}

impl ListError {
    /// The failure of the attempt behind it, if it was one.
    pub fn api_error(&self) -> Option<&ApiError> {
        match self {
            Self::Request(error) => Some(&error.source),
            Self::Broken { .. } | Self::Cut { .. } => None,
        }
    }
}

/// Notion's error body (<https://developers.notion.com/reference/status-codes>), each part read on its own: one of
/// another kind than the documented one is missing, and the others are not.
#[derive(Debug, Default)]
struct ErrorBody {
    /// Whether it is Notion's: others say what is wrong in JSON too.
    is_notion: bool,
    code: Option<String>,
    message: Option<String>,
    rate_limit_reason: Option<String>,
    retry_after: Option<String>,
}

impl ErrorBody {
    fn parse(body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(body);
        let Some(body) = RawObject::parse(&text) else { return Self::default() };
        let has_code = body.text("code").is_some();
        let additional_data = body.object("additional_data");
        let additional = |name| text_or_number(additional_data.as_ref()?, name);
        Self {
            is_notion: has_code || body.text("object").as_deref() == Some("error"),
            code: text_or_number(&body, "code"),
            message: text_or_number(&body, "message"),
            rate_limit_reason: additional("rate_limit_reason"),
            retry_after: additional("retry_after"),
        }
    }
}

/// A field's value as a text, if it is one or a number.
fn text_or_number(object: &RawObject<'_>, name: &str) -> Option<String> {
    let is_number = |json: &&str| json.starts_with(|first: char| first == '-' || first.is_ascii_digit());
    let number = || object.get(name).filter(is_number).map(str::to_owned);
    object.text(name).map(Cow::into_owned).or_else(number)
}

/// The parts of an answer that is not a success.
pub(super) struct ErrorAnswer<'a> {
    pub(super) status: u16,
    pub(super) retry_after: Option<&'a str>,
    pub(super) ray: Option<&'a str>,
    pub(super) body: &'a [u8],
    /// What it may quote and nobody may see.
    pub(super) secrets: &'a [&'a str],
}

impl ApiError {
    /// Classifies an answer that is not a success: the only place where a status gets a meaning.
    pub(super) fn from_answer(answer: &ErrorAnswer<'_>) -> Self {
        let status = answer.status;
        let ErrorBody { is_notion, code, message, rate_limit_reason, retry_after } =
            ErrorBody::parse(answer.body);
        // A secret is taken out first: half of one would not be known for one any more.
        let shown = |text: Option<String>, missing: &str| {
            text.map_or_else(|| missing.to_owned(), |text| shorten(without(answer.secrets, text)))
        };
        let (message, code) = (shown(message, "no message"), shown(code, "no code"));
        match status {
            401 => Self::Unauthorized { message },
            403 if is_notion => Self::Forbidden { message },
            403 => Self::EdgeBlocked { status, ray: answer.ray.unwrap_or("none").to_owned() },
            // An answer without Notion's body says nothing about Notion's objects: a proxy or the edge sent it.
            400..=499 if !is_notion && !matches!(status, 408 | 409 | 429) => {
                Self::NotJson { detail: format!("status {status} without Notion's error body") }
            }
            404 => Self::NotFound { message },
            408 | 409 => Self::Unavailable { status, code },
            429 | 529 => {
                if rate_limit_reason.as_deref() == Some("public_api_request_blocked") {
                    return Self::Blocked { message };
                }
                let in_header = answer.retry_after.and_then(parse_retry_after);
                let in_body = || retry_after.as_deref().and_then(parse_retry_after);
                Self::RateLimited { status, retry_after: in_header.or_else(in_body) }
            }
            // "The start_cursor provided is invalid: ..." is the documented text of this one.
            400 if message.contains("start_cursor provided is invalid") => Self::InvalidCursor,
            400..=499 => Self::Rejected { status, code, message },
            500..=599 => Self::Unavailable { status, code },
            _ => Self::Unexpected { status },
        }
    }
}

/// The text with each secret taken out.
fn without(secrets: &[&str], text: String) -> String {
    secrets.iter().filter(|secret| !secret.is_empty()).fold(text, |text, secret| text.replace(secret, "[…]"))
}

/// Notion's messages can quote a request; a log line needs no more than this.
fn shorten(message: String) -> String {
    const LIMIT: usize = 300;
    if message.chars().count() <= LIMIT {
        return message;
    }
    message.chars().take(LIMIT).chain("…".chars()).collect()
}

/// Reads seconds or an HTTP date (RFC 9110, 10.2.3). A date in the past means no wait.
fn parse_retry_after(text: &str) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        return (seconds >= 0.0).then(|| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX));
    }
    let at = httpdate::parse_http_date(text).ok()?;
    Some(at.duration_since(std::time::SystemTime::now()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn classify(status: u16, body: &str) -> ApiError {
        ApiError::from_answer(&ErrorAnswer {
            status,
            retry_after: None,
            ray: None,
            body: body.as_bytes(),
            secrets: &[],
        })
    }

    #[test]
    fn retry_after_is_read_in_every_form() {
        assert_eq!(parse_retry_after("7"), Some(Duration::from_secs(7)));
        assert_eq!(parse_retry_after(" 0.5 "), Some(Duration::from_millis(500)));
        assert_eq!(parse_retry_after("999999999999999999999999"), Some(Duration::MAX));
        assert_eq!(parse_retry_after("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        assert_eq!(parse_retry_after("-1"), None);
        assert_eq!(parse_retry_after("soon"), None);
        let later = httpdate::fmt_http_date(std::time::SystemTime::now() + Duration::from_mins(1));
        assert!(parse_retry_after(&later).unwrap() > Duration::from_secs(50));
    }

    #[test]
    fn the_delay_in_the_body_serves_where_the_header_is_missing() {
        let body = r#"{"code":"rate_limited","additional_data":{"retry_after":"12"}}"#;
        let error = classify(429, body);
        assert!(
            matches!(error, ApiError::RateLimited { retry_after: Some(d), .. } if d == Duration::from_secs(12))
        );
    }

    #[test]
    fn recorded_errors_are_classified_by_what_they_are() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/recordings/objects/errors.jsonl");
        let Ok(recorded) = std::fs::read_to_string(path) else { return };
        for line in recorded.lines() {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            let status = u16::try_from(line["status"].as_u64().unwrap()).unwrap();
            let error = classify(status, &line["object"].to_string());
            let fits = match status {
                400 | 409 => matches!(
                    error,
                    ApiError::Rejected { .. } | ApiError::InvalidCursor | ApiError::Unavailable { .. }
                ),
                401 => matches!(error, ApiError::Unauthorized { .. }),
                403 => matches!(error, ApiError::Forbidden { .. }),
                404 => matches!(error, ApiError::NotFound { .. }),
                429 => matches!(error, ApiError::RateLimited { .. }),
                500.. => matches!(error, ApiError::Unavailable { .. }),
                _other => false,
            };
            assert!(fits, "{line}: {error:?}");
        }
    }

    #[test]
    fn a_blocked_connection_is_not_a_rate_limit() {
        let body = r#"{"code":"rate_limited","message":"m",
            "additional_data":{"rate_limit_reason":"public_api_request_blocked"}}"#;
        assert!(matches!(classify(429, body), ApiError::Blocked { .. }));
    }

    #[test]
    fn a_secret_is_taken_out_before_a_message_is_shortened() {
        let body = format!(r#"{{"code":"unauthorized","message":"{}secret_token"}}"#, "x".repeat(295));
        let answer = ErrorAnswer {
            status: 401,
            retry_after: None,
            ray: None,
            body: body.as_bytes(),
            secrets: &["secret_token"],
        };
        let error = ApiError::from_answer(&answer).to_string();
        assert!(error.ends_with("x[…]"), "{error}");
    }

    #[test]
    fn a_403_of_the_edge_is_told_from_notions() {
        assert!(matches!(classify(403, "<html>"), ApiError::EdgeBlocked { .. }));
        // Nothing is gone because a proxy says so.
        for status in [400, 404, 407, 413, 451] {
            assert!(matches!(classify(status, "<html>"), ApiError::NotJson { .. }), "{status}");
        }
        assert!(matches!(classify(404, r#"{"code":"object_not_found"}"#), ApiError::NotFound { .. }));
        assert!(matches!(classify(403, r#"{"code":"restricted_resource"}"#), ApiError::Forbidden { .. }));
    }

    #[test]
    fn a_part_of_another_kind_harms_no_other() {
        let body = json!({"object": "error", "status": 403, "code": "restricted_resource", "message": "m",
            "additional_data": {"rate_limit_reason": "a_reason", "retry_after": "12"}});
        let parts =
            ["/status", "/code", "/message", "/additional_data", "/additional_data/rate_limit_reason"];
        let kinds = [json!(null), json!(7), json!("text"), json!([]), json!({}), json!(true)];
        for (part, kind) in parts.iter().flat_map(|part| kinds.iter().map(move |kind| (*part, kind))) {
            let mut body = body.clone();
            *body.pointer_mut(part).unwrap() = kind.clone();
            let body = body.to_string();
            assert!(matches!(classify(403, &body), ApiError::Forbidden { .. }), "{body}");
            assert!(matches!(classify(404, &body), ApiError::NotFound { .. }), "{body}");
            let delay = (part != "/additional_data").then_some(Duration::from_secs(12));
            let limited = classify(429, &body);
            assert!(
                matches!(limited, ApiError::RateLimited { retry_after, .. } if retry_after == delay),
                "{body}"
            );
        }
        let unpaired = r#"{"code":"restricted_resource","message":"\ud800"}"#;
        assert!(matches!(classify(403, unpaired), ApiError::Forbidden { .. }));
    }

    #[test]
    fn a_number_as_the_code_alone_does_not_make_a_body_notions() {
        // Gateways say it like this, and nothing is gone because they do.
        let body = r#"{"code":404,"message":"no route"}"#;
        assert!(matches!(classify(404, body), ApiError::NotJson { .. }));
        assert!(matches!(classify(403, body), ApiError::EdgeBlocked { .. }));
    }

    #[test]
    fn an_expired_position_is_told_from_other_rejections() {
        let body = r#"{"code":"validation_error","message":"The start_cursor provided is invalid: x"}"#;
        assert!(matches!(classify(400, body), ApiError::InvalidCursor));
        assert!(matches!(classify(400, r#"{"code":"validation_error"}"#), ApiError::Rejected { .. }));
    }
}
