//! Answers before they become HTTP: JSON objects and refusals.

use serde_json::{Value, json};
use uuid::Uuid;

/// A refused request: an error body in the API's shape.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) additional_data: Option<Box<Value>>,
}

impl Refusal {
    pub(crate) fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        let (code, message) = (code.to_owned(), message.into());
        Self { status, code, message, headers: Vec::new(), additional_data: None }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "validation_error", message)
    }

    pub(crate) fn invalid_cursor(cursor: &str) -> Self {
        Self::invalid(format!("The start_cursor provided is invalid: {cursor}"))
    }

    pub(crate) fn rate_limited(retry_after: Option<&str>, reason: Option<&str>) -> Self {
        let message = "You have been rate limited. Please try again in a few minutes.";
        let mut additional_data = json!({});
        if let Some(reason) = reason {
            additional_data["rate_limit_reason"] = reason.into();
        }
        let mut refusal = Self::new(429, "rate_limited", message);
        if let Some(seconds) = retry_after {
            additional_data["retry_after"] = seconds.into();
            refusal.headers.push(("retry-after".to_owned(), seconds.to_owned()));
        }
        refusal.additional_data = (additional_data != json!({})).then(|| Box::new(additional_data));
        refusal
    }
}

/// A complete answer, before encoding and delivery.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) content_type: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The object `text` with its request id; an object that brings one keeps it.
    pub(crate) fn object(mut text: String, request_id: Uuid) -> Self {
        if !text.contains("\"request_id\":") && text.ends_with('}') {
            text.pop();
            let comma = if text == "{" { "" } else { "," };
            text.push_str(comma);
            text.push_str("\"request_id\":\"");
            text.push_str(&request_id.to_string());
            text.push_str("\"}");
        }
        Self::json(200, text, request_id)
    }

    pub(crate) fn refusal(refusal: Refusal, request_id: Uuid) -> Self {
        let mut body = json!({
            "object": "error",
            "status": refusal.status,
            "code": refusal.code,
            "message": refusal.message,
        });
        if let Some(additional_data) = refusal.additional_data {
            body["additional_data"] = *additional_data;
        }
        body["request_id"] = request_id.to_string().into();
        let mut answer = Self::json(refusal.status, body.to_string(), request_id);
        answer.headers.extend(refusal.headers);
        answer
    }

    fn json(status: u16, text: String, request_id: Uuid) -> Self {
        Self {
            status,
            headers: vec![("x-notion-request-id".to_owned(), request_id.to_string())],
            content_type: "application/json; charset=utf-8".to_owned(),
            body: text.into_bytes(),
        }
    }
}
