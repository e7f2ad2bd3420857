//! The rows of a data source (<https://developers.notion.com/reference/query-a-data-source>).
//!
//! Rows come in the order of their creation, which never changes. Where Notion ends the query at its limit of results, or
//! refuses a position because it expired, the rows go on in a window that begins with the last creation time
//! (<https://developers.notion.com/guides/data-apis/query-large-data-sources>).

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Map, json};
use uuid::Uuid;

use crate::client::{ListError, ListRequest, Listing, NotionClient, ResultPage};

/// How often in a row a window may expire without a row of it having come.
const MAX_IDLE_WINDOWS: u32 = 5;

/// The rows of one data source being listed, one result page after the other.
#[derive(Debug)]
pub struct Rows {
    client: NotionClient,
    data_source: Uuid,
    is_archived: bool,
    /// None after the last result page.
    listing: Option<Listing>,
    /// From when rows of this window were created; none in the first one.
    window: Option<DateTime<Utc>>,
    last_created: Option<DateTime<Utc>>,
    is_cut: bool,
    idle_windows: u32,
    has_expired: bool,
    crowded: Option<DateTime<Utc>>,
}

impl Rows {
    /// Lists the rows of a data source: the archived ones, or the others.
    pub fn new(client: NotionClient, data_source: Uuid, is_archived: bool) -> Self {
        let listing = client.list(request(data_source, is_archived, None));
        Self {
            client,
            data_source,
            is_archived,
            listing: Some(listing),
            window: None,
            last_created: None,
            is_cut: false,
            idle_windows: 0,
            has_expired: false,
            crowded: None,
        }
    }

    /// Returns the next result page, or none after the last. After a window was begun anew, rows may come again.
    pub async fn next(&mut self) -> Result<Option<ResultPage>, ListError> {
        while let Some(listing) = &mut self.listing {
            match listing.next().await {
                Ok(Some(page)) => {
                    self.take_in(&page);
                    return Ok(Some(page));
                }
                Ok(None) if self.is_cut => self.begin_window_after_limit(),
                Ok(None) => self.listing = None,
                Err(error) if error.is_broken_off() => self.begin_window_after_expiry(error)?,
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// The first minute in which more rows were created than one query lists; some of them are missing.
    pub fn crowded_minute(&self) -> Option<DateTime<Utc>> {
        self.crowded
    }

    /// Whether a position has expired since this was asked last.
    pub fn take_expiry(&mut self) -> bool {
        std::mem::take(&mut self.has_expired)
    }

    fn take_in(&mut self, page: &ResultPage) {
        self.is_cut |= page.is_incomplete;
        let created = page.results().flatten().filter_map(|row| row.time("created_time")).max();
        if created > self.last_created {
            (self.last_created, self.idle_windows) = (created, 0);
        }
    }

    fn begin_window_after_limit(&mut self) {
        let Some(last_created) = self.last_created else {
            // Rows without a creation time leave nothing to go on from.
            self.crowded.get_or_insert(self.window.unwrap_or_default());
            self.listing = None;
            return;
        };
        match self.window {
            // A whole window within one minute: what is beyond its limit cannot be reached. The rest can.
            Some(begun) if last_created == begun => {
                self.crowded.get_or_insert(begun);
                self.begin_window(begun + TimeDelta::minutes(1));
            }
            // Nothing of the window, and yet it is cut: no window leads any farther.
            Some(begun) if last_created < begun => {
                self.crowded.get_or_insert(begun);
                self.listing = None;
            }
            _further => self.begin_window(last_created),
        }
    }

    fn begin_window_after_expiry(&mut self, error: ListError) -> Result<(), ListError> {
        self.has_expired = true;
        self.idle_windows += 1;
        if self.idle_windows > MAX_IDLE_WINDOWS {
            return Err(error);
        }
        match self.last_created {
            Some(last_created) => self.begin_window(last_created),
            None => self.list(),
        }
        Ok(())
    }

    fn begin_window(&mut self, from: DateTime<Utc>) {
        (self.window, self.is_cut) = (Some(from), false);
        self.list();
    }

    fn list(&mut self) {
        self.listing = Some(self.client.list(request(self.data_source, self.is_archived, self.window)));
    }
}

fn request(data_source: Uuid, is_archived: bool, created_from: Option<DateTime<Utc>>) -> ListRequest {
    let mut body = Map::new();
    body.insert("sorts".to_owned(), json!([{"timestamp": "created_time", "direction": "ascending"}]));
    if let Some(from) = created_from {
        let from = from.to_rfc3339_opts(SecondsFormat::Millis, true);
        let filter = json!({"timestamp": "created_time", "created_time": {"on_or_after": from}});
        body.insert("filter".to_owned(), filter);
    }
    if is_archived {
        body.insert("is_archived".to_owned(), json!(true));
    }
    ListRequest::post(format!("/v1/data_sources/{data_source}/query"), body).without_restarts()
}
