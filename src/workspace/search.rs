//! Search, read to its end (<https://developers.notion.com/reference/post-search>).
//!
//! A search is several passes. The first goes from the latest edit to the earliest. Where Notion ends it at its limit of
//! results, a second one comes from the other end until both meet. Then the head is read again until nothing new comes:
//! what is edited while a listing is being read jumps to its head.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value, json};
use tracing::info;

use super::ObjectKind;
use crate::client::{ListError, ListRequest, Listing, NotionClient, ResultPage};

/// How far search may lag behind the edits.
const INDEX_LAG: TimeDelta = TimeDelta::minutes(10);

/// How often the head of search is read again.
const MAX_HEAD_PASSES: usize = 10;

/// After so many passes over the head that brought nothing new it is taken to stand still.
const IDLE_HEAD_PASSES: usize = 2;

/// What neither end of search showed.
#[derive(Debug)]
pub struct Gap {
    /// The latest time that may be missing.
    pub newest: DateTime<Utc>,
    /// The earliest time that may be missing.
    pub oldest: DateTime<Utc>,
    /// Why, where it was not Notion's limit of results.
    pub cause: Option<ListError>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    /// From the latest edit to the earliest.
    Whole,
    /// From the earliest edit until the pass reaches this time.
    FromTheEnd(DateTime<Utc>),
    /// From the latest edit until a result page is older than this time.
    Head(DateTime<Utc>),
    Over,
}

/// A search being read, one result page after the other.
#[derive(Debug)]
pub struct Search {
    client: NotionClient,
    kind: ObjectKind,
    in_trash: bool,
    stage: Stage,
    listing: Listing,
    pass: Pass,
    head_passes: usize,
    idle_head_passes: usize,
    gap: Option<Gap>,
    /// Why the last pass that was cut got no farther, unless that was Notion's named limit.
    broken: Option<ListError>,
    /// When the first request was sent, by Notion's clock.
    began: Option<DateTime<Utc>>,
}

/// What the present pass showed.
#[derive(Debug, Default)]
struct Pass {
    newest: Option<DateTime<Utc>>,
    oldest: Option<DateTime<Utc>>,
    /// The last time that is old enough to say where in the listing it stands.
    last_settled: Option<DateTime<Utc>>,
    result_pages: usize,
    /// Notion ended it at its limit of results.
    is_cut: bool,
    has_news: bool,
    /// The rest is of no use.
    is_over: bool,
}

impl Search {
    /// Searches for everything of a kind.
    pub fn new(client: NotionClient, kind: ObjectKind) -> Self {
        Self::start(client, kind, false)
    }

    /// Searches the trash; its result pages say with `in_trash` what really lies there.
    pub fn of_trash(client: NotionClient, kind: ObjectKind) -> Self {
        Self::start(client, kind, true)
    }

    fn start(client: NotionClient, kind: ObjectKind, in_trash: bool) -> Self {
        let listing = client.list(request(kind, in_trash, "descending"));
        let (stage, pass) = (Stage::Whole, Pass::default());
        Self {
            client,
            kind,
            in_trash,
            stage,
            listing,
            pass,
            head_passes: 0,
            idle_head_passes: 0,
            gap: None,
            broken: None,
            began: None,
        }
    }

    /// Returns the next result page, or none when the search is over. [`Self::take_in`] must follow each result page.
    pub async fn next(&mut self) -> Result<Option<ResultPage>, ListError> {
        while self.stage != Stage::Over {
            if !self.pass.is_over {
                match self.listing.next().await {
                    Ok(Some(page)) => {
                        self.began.get_or_insert(page.asked_at);
                        return Ok(Some(page));
                    }
                    Ok(None) => {}
                    // No position leads beyond a certain place: a limit of results without the name.
                    Err(error) if self.pass.result_pages > 0 && error.is_limit() => {
                        self.pass.is_cut = true;
                        self.broken = Some(error);
                    }
                    Err(error) => return Err(error),
                }
            }
            self.begin_next_pass();
        }
        Ok(None)
    }

    /// Notes what a result page showed: the times of its results, and whether any was new.
    pub fn take_in(&mut self, page: &ResultPage, times: &[DateTime<Utc>], has_news: bool) {
        let pass = &mut self.pass;
        let (newest, oldest) = (times.iter().copied().max(), times.iter().copied().min());
        pass.result_pages += 1;
        pass.is_cut |= page.is_incomplete;
        pass.has_news |= has_news;
        pass.newest = newest.max(pass.newest);
        pass.oldest = [oldest, pass.oldest].into_iter().flatten().min();
        // What was edited just now may stand at its old place with its new time, which says nothing of the place.
        let settled = self.began.map(|began| began - INDEX_LAG);
        let last_settled = times.iter().rfind(|time| settled.is_none_or(|settled| **time < settled));
        pass.last_settled = last_settled.copied().max(pass.last_settled);
        let is_beyond = match self.stage {
            Stage::FromTheEnd(until) => pass.last_settled.or(oldest).is_some_and(|last| last > until),
            Stage::Head(until) => times.last().is_some_and(|last| *last < until),
            Stage::Whole | Stage::Over => false,
        };
        if is_beyond {
            // The rest would be read in vain, so it does not matter whether it would be cut.
            (pass.is_over, pass.is_cut) = (true, false);
        }
    }

    /// What neither end showed.
    pub fn gap(&mut self) -> Option<Gap> {
        self.gap.take()
    }

    fn begin_next_pass(&mut self) {
        let pass = std::mem::take(&mut self.pass);
        match self.stage {
            Stage::Whole if self.in_trash => self.stage = Stage::Over,
            Stage::Whole => match pass.oldest.filter(|_| pass.is_cut) {
                Some(oldest) => {
                    info!(
                        "Notion ended the search at its limit of results, so it is read from its other end too."
                    );
                    // Search shows no more of the head than this pass did.
                    self.begin(Stage::FromTheEnd(oldest), "ascending");
                }
                None => self.read_head_again(&pass),
            },
            Stage::FromTheEnd(newest) => {
                if let Some(oldest) = pass.last_settled.or(pass.newest).filter(|_| pass.is_cut) {
                    self.gap = Some(Gap { newest, oldest: oldest.min(newest), cause: self.broken.take() });
                }
                self.read_head_again(&Pass {
                    result_pages: usize::MAX,
                    newest: self.began,
                    ..Pass::default()
                });
            }
            Stage::Head(_) => {
                self.head_passes += 1;
                self.idle_head_passes = if pass.has_news { 0 } else { self.idle_head_passes + 1 };
                self.read_head_again(&pass);
            }
            Stage::Over => {}
        }
    }

    /// One result page is a snapshot; of more, the head may have moved while the rest was read.
    fn read_head_again(&mut self, pass: &Pass) {
        let is_still = self.idle_head_passes == IDLE_HEAD_PASSES || self.head_passes == MAX_HEAD_PASSES;
        let until = pass.newest.min(self.began);
        match until.filter(|_| pass.result_pages > 1 && !is_still) {
            Some(until) => self.begin(Stage::Head(until), "descending"),
            None => self.stage = Stage::Over,
        }
    }

    fn begin(&mut self, stage: Stage, direction: &str) {
        self.stage = stage;
        self.listing = self.client.list(request(self.kind, self.in_trash, direction));
    }
}

fn request(kind: ObjectKind, in_trash: bool, direction: &str) -> ListRequest {
    let object = match kind {
        ObjectKind::Page => "page",
        ObjectKind::DataSource => "data_source",
    };
    let mut filter = Map::new();
    filter.insert("property".to_owned(), json!("object"));
    filter.insert("value".to_owned(), json!(object));
    if in_trash {
        filter.insert("in_trash".to_owned(), json!(true));
    }
    let mut body = Map::new();
    body.insert("filter".to_owned(), Value::Object(filter));
    body.insert("sort".to_owned(), json!({"timestamp": "last_edited_time", "direction": direction}));
    ListRequest::post("/v1/search", body)
}
