//! One request, taken apart.

use axum::http::{HeaderMap, request::Parts};
use serde_json::Value;
use uuid::{Uuid, Variant};

use crate::route::Route;

/// A request with its path, query and body parsed.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) number: u64,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    /// `Err` when there was a body and it was not JSON.
    pub(crate) body: Result<Option<Value>, ()>,
    pub(crate) route: Route,
}

impl Call {
    pub(crate) fn new(parts: Parts, bytes: &[u8]) -> Self {
        let path = parts.uri.path().to_owned();
        let query = parse_query(parts.uri.query().unwrap_or_default());
        let body = match bytes {
            [] => Ok(None),
            bytes => serde_json::from_slice(bytes).map(Some).map_err(|_| ()),
        };
        let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        let block_id = query.iter().find(|(name, _)| name == "block_id").map(|(_, value)| value.as_str());
        let route = Route::of(parts.method.as_str(), &segments, block_id);
        Self { number: 0, method: parts.method.to_string(), path, query, headers: parts.headers, body, route }
    }

    /// The path segment at `index`, as it was sent.
    pub(crate) fn segment(&self, index: usize) -> &str {
        self.path.split('/').filter(|segment| !segment.is_empty()).nth(index).unwrap_or_default()
    }

    /// The value of a query parameter.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A top-level field of the body.
    pub(crate) fn field(&self, name: &str) -> Option<&Value> {
        self.body.as_ref().ok()?.as_ref()?.get(name).filter(|value| !value.is_null())
    }

    /// The text of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The `start_cursor`, wherever the method wants it.
    pub(crate) fn start_cursor(&self) -> Option<&str> {
        if self.method == "POST" {
            self.field("start_cursor").and_then(Value::as_str)
        } else {
            self.parameter("start_cursor")
        }
    }

    /// What stays the same from one page of a listing to the next.
    pub(crate) fn list_name(&self) -> String {
        let mut name = self.path.clone();
        for key in ["filter", "sort", "sorts", "query", "is_archived", "result_type"] {
            if let Some(value) = self.field(key) {
                name.push_str(key);
                name.push_str(&value.to_string());
            }
        }
        name.push_str(self.parameter("block_id").unwrap_or_default());
        name
    }

    /// Replaces the `start_cursor`.
    pub(crate) fn set_start_cursor(&mut self, cursor: Option<String>) {
        if self.method == "POST" {
            if let Ok(Some(body)) = &mut self.body {
                body["start_cursor"] = cursor.into();
            }
        } else {
            self.query.retain(|(name, _)| name != "start_cursor");
            self.query.extend(cursor.map(|cursor| ("start_cursor".to_owned(), cursor)));
        }
    }
}

/// Reads an id with or without dashes; `None` for anything that the API refuses as a UUID.
pub(crate) fn parse_uuid(text: &str) -> Option<Uuid> {
    let id = Uuid::try_parse(text).ok()?;
    (matches!(text.len(), 32 | 36) && (id.is_nil() || id.get_variant() == Variant::RFC4122)).then_some(id)
}

/// Decodes percent signs once.
pub(crate) fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let decoded = match tail {
            [high, low, ..] if *first == b'%' => hex(*high).zip(hex(*low)),
            _ => None,
        };
        if let Some((high, low)) = decoded {
            bytes.push(high * 16 + low);
            rest = &tail[2..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

fn parse_query(text: &str) -> Vec<(String, String)> {
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (percent_decode(&name.replace('+', " ")), percent_decode(&value.replace('+', " ")))
        })
        .collect()
}
