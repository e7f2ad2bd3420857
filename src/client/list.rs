//! Pagination: a listing ends at `has_more: false` and at nothing else.

use std::{borrow::Cow, collections::HashSet, fmt, hash::BuildHasher};

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tracing::warn;
use uuid::Uuid;

use super::{ApiError, ListError, Method, NotionClient, Request, notion::not_json};
use crate::record::{ObjectPlaces, OpenedArray, RawObject};

/// The largest and default size of a result page
/// (<https://developers.notion.com/reference/intro#pagination>).
const MAX_PAGE_SIZE: u32 = 100;

/// Below this a smaller page does not make a slow query faster.
const MIN_PAGE_SIZE: u32 = 10;

/// After so many result pages in a row without anything new a listing is taken to be endless.
const MAX_IDLE_PAGES: u32 = 200;

/// How often in a row a listing whose positions expire is started again without anything new in between.
const MAX_IDLE_RESTARTS: u32 = 5;

/// How often it is started again at all: it may grow as fast as its positions expire.
const MAX_RESTARTS: u32 = 20;

/// Which objects to list.
#[derive(Clone, Debug)]
pub struct ListRequest {
    method: Method,
    /// Path and fixed query.
    target: String,
    /// The fixed part of a POST body.
    body: Map<String, Value>,
    /// Whether it is a search or query: these shrink their pages on a 503 or 504, and whoever reads them knows what to do
    /// when Notion cuts them at its limit of results.
    is_query: bool,
}

impl ListRequest {
    /// A GET listing of this path and query.
    pub fn get(target: impl Into<String>) -> Self {
        Self { method: Method::Get, target: target.into(), body: Map::new(), is_query: false }
    }

    /// A POST listing with this body; such listings can be too slow for a full page, and then shrink.
    pub fn post(target: impl Into<String>, body: Map<String, Value>) -> Self {
        Self { method: Method::Post, target: target.into(), body, is_query: true }
    }

    fn path(&self) -> &str {
        self.target.split_once('?').map_or(self.target.as_str(), |(path, _query)| path)
    }

    fn at(&self, start_cursor: Option<&str>, page_size: u32) -> Request {
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

fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
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

/// One answer of a listing; the results stay as they came. Its `Debug` shows none of them.
pub struct ResultPage {
    body: String,
    results: ObjectPlaces,
    has_more: bool,
    next_cursor: Option<String>,
    /// A lower bound of the time by Notion's clock at which the page was asked for.
    pub asked_at: DateTime<Utc>,
    /// Whether Notion cut the listing at its limit of results (`request_status`).
    pub is_incomplete: bool,
}

impl fmt::Debug for ResultPage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { body: _records, results, has_more, next_cursor: _, asked_at, is_incomplete } = self;
        formatter
            .debug_struct("ResultPage")
            .field("results", &results.len())
            .field("has_more", has_more)
            .field("asked_at", asked_at)
            .field("is_incomplete", is_incomplete)
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    results: OpenedArray,
    has_more: bool,
    #[serde(default)]
    next_cursor: Option<Cow<'a, str>>,
    #[serde(default)]
    request_status: Option<RequestStatus>,
}

#[derive(Deserialize)]
struct RequestStatus {
    #[serde(default, rename = "type")]
    kind: Option<String>,
}

impl ResultPage {
    fn parse(body: String) -> Result<Self, ApiError> {
        let envelope: Envelope<'_> = serde_json::from_str(&body).map_err(|error| not_json(&error))?;
        let results = envelope.results.in_text(&body);
        let has_more = envelope.has_more;
        let next_cursor = envelope.next_cursor.map(Cow::into_owned);
        let is_incomplete =
            envelope.request_status.is_some_and(|status| status.kind.as_deref() == Some("incomplete"));
        let asked_at = DateTime::UNIX_EPOCH;
        Ok(Self { body, results, has_more, next_cursor, asked_at, is_incomplete })
    }

    /// The results, opened; none for one that is not an object.
    pub fn results(&self) -> impl Iterator<Item = Option<RawObject<'_>>> {
        self.results.open(&self.body)
    }

    /// About how many bytes its records take, each with what is put around it.
    pub fn record_room(&self) -> usize {
        const AROUND: usize = 320;
        self.body.len() + self.results.len() * AROUND
    }

    /// Whether another page follows.
    pub fn has_more(&self) -> bool {
        self.has_more
    }
}

/// A listing being read, one result page after the other.
///
/// Unless it has a single page, it remembers every result and, since its last restart, every position: as much as the
/// listing has, for one that goes on without anything new ends.
#[derive(Debug)]
pub struct Listing {
    client: NotionClient,
    request: ListRequest,
    page_size: u32,
    start_cursor: Option<String>,
    used_cursors: HashSet<String>,
    /// What was returned.
    seen: HashSet<Uuid>,
    /// What the result page just returned brought, less what was asked for with [`Self::is_new`].
    new: HashSet<Uuid>,
    restarts: u32,
    /// Restarts since the last one that something new came before.
    idle_restarts: u32,
    /// How much was seen at the last restart.
    seen_at_restart: usize,
    results_since_restart: usize,
    pages_since_restart: u32,
    /// Result pages since the last one that was of use.
    idle_pages: u32,
    is_done: bool,
    is_single_page: bool,
    /// Notion cut it where nobody expects that.
    is_cut: bool,
}

impl Listing {
    pub(super) fn new(client: NotionClient, request: ListRequest) -> Self {
        Self {
            client,
            request,
            page_size: MAX_PAGE_SIZE,
            start_cursor: None,
            used_cursors: HashSet::new(),
            seen: HashSet::new(),
            new: HashSet::new(),
            restarts: 0,
            idle_restarts: 0,
            seen_at_restart: 0,
            results_since_restart: 0,
            pages_since_restart: 0,
            idle_pages: 0,
            is_done: false,
            is_single_page: false,
            is_cut: false,
        }
    }

    /// Returns the next result page, or none after the last.
    ///
    /// When the position expires or repeats, the listing starts again from its beginning, a bounded number of times
    /// and of times without progress; [`Self::is_new`] tells what was seen before.
    pub async fn next(&mut self) -> Result<Option<ResultPage>, ListError> {
        if self.is_cut {
            return Err(ListError::Cut { path: self.request.path().to_owned() });
        }
        while !self.is_done {
            match self.page().await {
                Ok(page) => {
                    self.is_cut = page.is_incomplete && !self.request.is_query;
                    self.pages_since_restart = self.pages_since_restart.saturating_add(1);
                    self.is_single_page = !page.has_more && self.start_cursor.is_none() && self.restarts == 0;
                    if !self.is_single_page {
                        self.remember(&page);
                    }
                    if let Some(cause) = self.advance(&page) {
                        self.restart(cause)?;
                    }
                    return Ok(Some(page));
                }
                Err(ListError::Request(error))
                    if matches!(error.source, ApiError::InvalidCursor) && self.start_cursor.is_some() =>
                {
                    self.restart("its position expired")?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// How often it was started again so far.
    pub fn restarts(&self) -> u32 {
        self.restarts
    }

    /// Whether the result page just returned is the first after a restart.
    pub fn has_restarted(&self) -> bool {
        self.restarts > 0 && self.pages_since_restart == 1
    }

    /// Whether the result page just returned is the first to have this id, and it was not asked for before.
    pub fn is_new(&mut self, id: Uuid) -> bool {
        self.is_single_page || self.new.remove(&id)
    }

    /// Takes in what a page brings, and whether that is something.
    fn remember(&mut self, page: &ResultPage) {
        self.new.clear();
        for result in page.results().flatten() {
            // Entries of a property have no id of their own.
            let id = result
                .id("id")
                .unwrap_or_else(|| Uuid::from_u64_pair(0, self.seen.hasher().hash_one(result.to_json())));
            if self.seen.insert(id) {
                self.new.insert(id);
            }
        }
        self.results_since_restart += page.results.len();
        // After a restart everything seen comes again, and that is no standstill.
        let comes_again = page.results.len() > 0 && self.results_since_restart <= self.seen.len();
        self.idle_pages = if comes_again || !self.new.is_empty() { 0 } else { self.idle_pages + 1 };
    }

    async fn page(&mut self) -> Result<ResultPage, ListError> {
        let Self { client, request, page_size, start_cursor, .. } = self;
        let build = |failure: Option<&ApiError>| {
            // Notion's advice for these two is to ask for less
            // (https://developers.notion.com/reference/query-a-data-source).
            if request.is_query && matches!(failure, Some(ApiError::Unavailable { status: 503 | 504, .. })) {
                *page_size = (*page_size / 2).max(MIN_PAGE_SIZE);
            }
            request.at(start_cursor.as_deref(), *page_size)
        };
        let (mut page, asked_at) = client.send(build, ResultPage::parse).await?;
        page.asked_at = asked_at;
        self.page_size = (self.page_size * 2).min(MAX_PAGE_SIZE);
        Ok(page)
    }

    /// Moves behind the page; returns why that is not possible.
    fn advance(&mut self, page: &ResultPage) -> Option<&'static str> {
        if !page.has_more {
            self.is_done = true;
            return None;
        }
        let Some(next) = &page.next_cursor else {
            return Some("has_more was true without a next position");
        };
        if !self.used_cursors.insert(next.clone()) {
            return Some("a position was given twice");
        }
        if self.idle_pages > MAX_IDLE_PAGES {
            return Some("page after page brought nothing new");
        }
        self.start_cursor = Some(next.clone());
        None
    }

    fn restart(&mut self, cause: &'static str) -> Result<(), ListError> {
        let path = self.request.path();
        let is_idle = self.seen.len() == self.seen_at_restart;
        self.idle_restarts = if is_idle { self.idle_restarts + 1 } else { 0 };
        if self.idle_restarts > MAX_IDLE_RESTARTS || self.restarts == MAX_RESTARTS {
            return Err(ListError::Broken { path: path.to_owned(), restarts: self.restarts, cause });
        }
        self.restarts += 1;
        self.seen_at_restart = self.seen.len();
        self.results_since_restart = 0;
        self.pages_since_restart = 0;
        warn!(path, restart = self.restarts, "A listing starts again because {cause}.");
        self.start_cursor = None;
        self.idle_pages = 0;
        self.used_cursors.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_leave_as_they_came() {
        let body = r#"{"object":"list","results":[{"a" : "\ud800"},{"b":1.50}],"has_more":false}"#;
        let page = ResultPage::parse(body.to_owned()).unwrap();
        let results: Vec<String> = page.results().map(|result| result.unwrap().to_json()).collect();
        assert_eq!(results, [r#"{"a" : "\ud800"}"#, r#"{"b":1.50}"#]);
        assert!(!page.has_more() && !page.is_incomplete);
        assert_eq!(
            format!("{page:?}"),
            "ResultPage { results: 2, has_more: false, asked_at: 1970-01-01T00:00:00Z, is_incomplete: false, .. }"
        );
    }

    #[test]
    fn an_answer_without_results_or_has_more_is_no_result_page() {
        for body in
            [r#"{"has_more":false}"#, r#"{"results":[]}"#, r#"{"results":null,"has_more":false}"#, "[]"]
        {
            let error = ResultPage::parse(body.to_owned()).unwrap_err();
            assert!(matches!(error, ApiError::UnknownShape { .. }), "{body}: {error:?}");
        }
        for body in [r#"{"results":[],"has_mo"#, "<html>", ""] {
            let error = ResultPage::parse(body.to_owned()).unwrap_err();
            assert!(matches!(error, ApiError::NotJson { .. }), "{body}: {error:?}");
        }
    }

    #[test]
    fn what_a_shape_error_says_quotes_no_value() {
        let error =
            ResultPage::parse(r#"{"results":"a secret, expected nothing","has_more":false}"#.to_owned());
        let words = error.unwrap_err().to_string();
        assert!(words.contains("expected a sequence") && !words.contains("secret"), "{words}");
    }

    #[test]
    fn recorded_envelopes_are_result_pages() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/recordings/objects/list_envelopes.jsonl");
        let Ok(recorded) = std::fs::read_to_string(path) else { return };
        for line in recorded.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            let envelope = &line["object"];
            let page = ResultPage::parse(envelope.to_string()).unwrap();
            assert_eq!(Some(page.has_more()), envelope["has_more"].as_bool(), "{line}");
            assert_eq!(page.next_cursor.as_deref(), envelope["next_cursor"].as_str(), "{line}");
        }
    }

    #[test]
    fn a_cursor_goes_where_the_method_wants_it() {
        let get = ListRequest::get("/v1/comments?block_id=x").at(Some("a b"), 100);
        assert_eq!(get.target, "/v1/comments?block_id=x&page_size=100&start_cursor=a%20b");
        let post = ListRequest::post("/v1/search", Map::new()).at(Some("c"), 50);
        assert_eq!(post.body.as_deref(), Some(r#"{"page_size":50,"start_cursor":"c"}"#));
    }
}
