//! What an answer means that is not a success.

use std::{
    borrow::Cow,
    time::{Duration, SystemTime},
};

use super::ApiError;
use crate::record::RawObject;

/// A longer `Retry-After` is a mistake: no sync waits for weeks, and none is expected to.
const LONGEST_RETRY_AFTER: Duration = Duration::from_hours(7 * 24);

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
#[derive(Clone, Copy, Default)]
pub(super) struct ErrorAnswer<'a> {
    pub(super) status: u16,
    pub(super) retry_after: Option<&'a str>,
    /// Notion's time, if it was told.
    pub(super) date: Option<SystemTime>,
    pub(super) ray: Option<&'a str>,
    pub(super) body: &'a [u8],
    /// What it may quote and nobody may see.
    pub(super) secrets: &'a [&'a str],
}

impl ErrorAnswer<'_> {
    /// How long Notion asks to wait: in the header, or else in the body.
    fn wait(&self, in_body: Option<&str>) -> Option<Duration> {
        let now = self.date.unwrap_or_else(SystemTime::now);
        let parse = |text| parse_retry_after(text, now);
        self.retry_after.and_then(parse).or_else(|| in_body.and_then(parse))
    }
}

impl ApiError {
    /// Finds the error in an answer that claims to be a success, as some gateways send it.
    pub(super) fn from_success(answer: &ErrorAnswer<'_>) -> Option<Self> {
        const LARGEST: usize = 16 * 1024;
        if answer.body.len() > LARGEST || memchr::memmem::find(answer.body, b"\"error\"").is_none() {
            return None;
        }
        let text = String::from_utf8_lossy(answer.body);
        let body = RawObject::parse(&text).filter(|body| body.text("object").as_deref() == Some("error"))?;
        let status = text_or_number(&body, "status").and_then(|status| status.parse().ok());
        let status =
            status.filter(|status| (400..600).contains(status)).unwrap_or_else(|| usual_status(&body));
        Some(Self::from_answer(&ErrorAnswer { status, ..*answer }))
    }

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
            408 | 409 | 500..529 | 530..600 => {
                Self::Unavailable { status, code, retry_after: answer.wait(retry_after.as_deref()) }
            }
            429 | 529 => {
                if rate_limit_reason.as_deref() == Some("public_api_request_blocked") {
                    return Self::Blocked { message };
                }
                Self::RateLimited { status, retry_after: answer.wait(retry_after.as_deref()) }
            }
            // "The start_cursor provided is invalid: ..." is the documented text of this one.
            400 if message.contains("start_cursor provided is invalid") => Self::InvalidCursor,
            400..=499 => Self::Rejected { status, code: code.into(), message },
            _ => Self::Unexpected { status },
        }
    }
}

/// The status of an error by its code (<https://developers.notion.com/reference/status-codes>).
fn usual_status(body: &RawObject<'_>) -> u16 {
    match body.text("code").as_deref() {
        Some("unauthorized") => 401,
        Some("restricted_resource") => 403,
        Some("object_not_found") => 404,
        Some("rate_limited") => 429,
        Some("service_overload") => 529,
        Some(
            "invalid_json"
            | "invalid_request"
            | "invalid_request_url"
            | "missing_version"
            | "validation_error",
        ) => 400,
        _unknown => 500,
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

/// Reads seconds or an HTTP date (RFC 9110, 10.2.3), which is one by Notion's clock. What is past, negative or no wait
/// that anyone can mean says nothing.
fn parse_retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    let wait = match text.parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok()?,
        Err(_no_number) => httpdate::parse_http_date(text).ok()?.duration_since(now).ok()?,
    };
    (wait <= LONGEST_RETRY_AFTER).then_some(wait)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn classify(status: u16, body: &str) -> ApiError {
        ApiError::from_answer(&ErrorAnswer { status, body: body.as_bytes(), ..ErrorAnswer::default() })
    }

    #[test]
    fn retry_after_is_read_in_every_form() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        let parse = |text| parse_retry_after(text, now);
        assert_eq!(parse("7"), Some(Duration::from_secs(7)));
        assert_eq!(parse(" 0.5 "), Some(Duration::from_millis(500)));
        assert_eq!(parse("86400"), Some(Duration::from_hours(24)));
        assert_eq!(parse("Sun, 06 Nov 1994 08:50:37 GMT"), Some(Duration::from_mins(1)));
        let nonsense = ["-1", "soon", "", "NaN", "inf", "604801", "999999999999999999999999"];
        let dates = ["Sun, 06 Nov 1994 08:49:36 GMT", "Wed, 06 Nov 2094 08:49:37 GMT"];
        for text in nonsense.into_iter().chain(dates) {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_date_to_wait_for_is_read_by_the_clock_of_the_answer() {
        let date = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").ok();
        let retry_after = Some("Sun, 06 Nov 1994 08:50:07 GMT");
        for status in [429, 503, 529] {
            let answer = ErrorAnswer { status, retry_after, date, ..ErrorAnswer::default() };
            let wait = match ApiError::from_answer(&answer) {
                ApiError::RateLimited { retry_after, .. } | ApiError::Unavailable { retry_after, .. } => {
                    retry_after
                }
                _other => None,
            };
            assert_eq!(wait, Some(Duration::from_secs(30)), "{status}");
        }
    }

    #[test]
    fn an_error_in_a_success_is_what_it_says() {
        let find = |body: &str| {
            ApiError::from_success(&ErrorAnswer {
                status: 200,
                body: body.as_bytes(),
                ..ErrorAnswer::default()
            })
        };
        let error = find(r#"{"object":"error","status":503,"code":"service_unavailable","message":"m"}"#);
        assert!(matches!(error, Some(ApiError::Unavailable { status: 503, .. })), "{error:?}");
        let error = find(r#"{"object":"error","code":"object_not_found","message":"m"}"#);
        assert!(matches!(error, Some(ApiError::NotFound { .. })), "{error:?}");
        let error = find(r#"{"object":"error","status":200}"#);
        assert!(matches!(error, Some(ApiError::Unavailable { status: 500, .. })), "{error:?}");
        // A page may hold such a text, and an object.
        for body in [
            r#"{"object":"page","title":"error"}"#,
            r#"{"object":"list","results":[{"object":"error","status":503}]}"#,
        ] {
            assert!(find(body).is_none(), "{body}");
        }
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
        let secrets = &["secret_token"];
        let answer = ErrorAnswer { status: 401, body: body.as_bytes(), secrets, ..ErrorAnswer::default() };
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
