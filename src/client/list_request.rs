//! What a listing asks for, and how one of its result pages is asked for.

use serde_json::{Map, Value, json};

use super::{Method, Request};

/// Which objects to list.
#[derive(Clone, Debug)]
pub struct ListRequest {
    method: Method,
    /// Path and fixed query.
    target: String,
    /// The fixed part of a POST body.
    body: Map<String, Value>,
    /// Whether it is a search or query: whoever reads these knows what to do when Notion cuts them at its limit of
    /// results.
    is_query: bool,
    /// Whether the listing begins again by itself when its position expires.
    restarts: bool,
    /// The largest size of its result pages.
    page_size: u32,
}

impl ListRequest {
    /// A GET listing of this path and query.
    pub fn get(target: impl Into<String>) -> Self {
        Self::new(Method::Get, target.into(), Map::new())
    }

    /// A POST listing with this body: a search or a query.
    pub fn post(target: impl Into<String>, body: Map<String, Value>) -> Self {
        Self::new(Method::Post, target.into(), body)
    }

    fn new(method: Method, target: String, body: Map<String, Value>) -> Self {
        Self { method, target, body, is_query: method == Method::Post, restarts: true, page_size: u32::MAX }
    }

    /// The same, but the listing ends with [`super::ListError::BrokenOff`] when its position expires: whoever reads it
    /// knows a better place to go on from than its beginning.
    #[must_use]
    pub fn without_restarts(self) -> Self {
        Self { restarts: false, ..self }
    }

    /// The same, with at most this many results on a page.
    #[must_use]
    pub fn with_page_size(self, page_size: u32) -> Self {
        Self { page_size, ..self }
    }

    /// Whether the listing begins again by itself when its position expires.
    pub(super) fn restarts(&self) -> bool {
        self.restarts
    }

    /// The path without the query, to be logged.
    pub(super) fn path(&self) -> &str {
        self.target.split_once('?').map_or(self.target.as_str(), |(path, _query)| path)
    }

    /// Whether it is a search or query.
    pub(super) fn is_query(&self) -> bool {
        self.is_query
    }

    /// The request for one result page.
    pub(super) fn at(&self, start_cursor: Option<&str>, page_size: u32) -> Request {
        let page_size = page_size.min(self.page_size);
        match self.method {
            Method::Get => {
                let separator = if self.target.contains('?') { '&' } else { '?' };
                let mut target = format!("{}{separator}page_size={page_size}", self.target);
                if let Some(cursor) = start_cursor {
                    target.push_str("&start_cursor=");
                    target.push_str(&percent_encoded(cursor));
                }
                Request::get(target)
            }
            Method::Post => {
                let mut body = self.body.clone();
                body.insert("page_size".to_owned(), json!(page_size));
                if let Some(cursor) = start_cursor {
                    body.insert("start_cursor".to_owned(), json!(cursor));
                }
                let body = Some(Value::Object(body).to_string());
                Request { method: Method::Post, target: self.target.clone(), body }
            }
        }
    }
}

/// A text or its bytes as a part of a URL.
pub(super) fn percent_encoded(text: impl AsRef<[u8]>) -> String {
    let text = text.as_ref();
    let mut encoded = String::with_capacity(text.len());
    for byte in text.iter().copied() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(byte.into()),
            _ => {
                use std::fmt::Write as _;
                write!(encoded, "%{byte:02X}").expect("writing to a string cannot fail");
            }
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_goes_where_the_method_wants_it() {
        let get = ListRequest::get("/v1/comments?block_id=x").at(Some("a b"), 100);
        assert_eq!(get.target, "/v1/comments?block_id=x&page_size=100&start_cursor=a%20b");
        let post = ListRequest::post("/v1/search", Map::new()).at(Some("c"), 50);
        assert_eq!(post.body.as_deref(), Some(r#"{"page_size":50,"start_cursor":"c"}"#));
    }
}
