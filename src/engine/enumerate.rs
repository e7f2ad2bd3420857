//! The enumeration of the workspace: complete by union.
//!
//! Search is no inventory
//! (<https://developers.notion.com/reference/search-optimizations-and-limitations>), so pages are the union of
//! search, of a query of every data source, of what block trees show, and of what earlier syncs found nowhere else.

use std::{collections::BTreeSet, rc::Rc};

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tracing::{info, warn};
use uuid::Uuid;

use super::{
    ReadError, Unlisted,
    observe::Batches,
    run::{Run, Task},
    stream_run::StreamRun,
    walk::Root,
};
use crate::{
    client::{ApiError, ListRequest, NotionClient},
    streams::{ObjectKind, RawObject},
};

/// How often the head of search is looked at again for pages that were edited meanwhile.
const MAX_SEARCH_PASSES: usize = 10;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Direction {
    Descending,
    Ascending,
}

/// What a pass over search saw.
#[derive(Debug, Default)]
struct Pass {
    newest: Option<DateTime<Utc>>,
    oldest: Option<DateTime<Utc>>,
    result_pages: usize,
    /// Notion cut it at its limit of results.
    is_cut: bool,
    /// Something was met in the meantime that was not known, or not as it is now.
    has_news: bool,
}

#[derive(Deserialize)]
struct Database {
    #[serde(default)]
    data_sources: Option<Vec<DataSourceName>>,
}

#[derive(Deserialize)]
struct DataSourceName {
    #[serde(default)]
    id: Value,
}

impl Run {
    /// The first tasks of a run.
    pub(super) fn begin_enumeration(&self) {
        if !self.scope.is_wanted {
            return;
        }
        // Last in, first out: data sources come first, their rows can be listed while pages are searched.
        self.queue.push(Task::Search(ObjectKind::Page));
        self.queue.push(Task::Search(ObjectKind::DataSource));
    }

    /// What the listings did not show and has to be asked for one by one; whether there is any. More may follow
    /// from the answers.
    pub(super) fn ask_for_unlisted(&self) -> bool {
        let mut is_any = self.ask_again_in_wikis();
        self.forget_listed();
        let mut inventory = self.inventory.borrow_mut();
        let unlisted = self.unlisted.borrow();
        let readers = self.page_streams().chain(self.stream_run_of(ObjectKind::DataSource));
        let retried: BTreeSet<Uuid> =
            readers.flat_map(|stream| stream.retry().data_sources.into_keys()).collect();
        let parents = inventory.unknown_parents();
        for id in unlisted.data_sources.iter().chain(&retried).chain(&parents) {
            if !inventory.has_data_source(*id) && inventory.ask(*id) {
                self.queue.push(Task::FetchDataSource { id: *id, under: None });
                is_any = true;
            }
        }
        // A page whose values could not be completed has not changed, so no listing of changes shows it.
        let incomplete = self.stream_run_of(ObjectKind::Page);
        let incomplete = incomplete.map(|stream| stream.retry().pages).unwrap_or_default();
        for id in unlisted.pages.iter().chain(incomplete.keys()) {
            if !inventory.has_page(*id) && inventory.ask(*id) {
                // It may be one that only a tree shows, and that readers of trees do not know yet.
                inventory.find_page(*id);
                self.queue.push(Task::FetchPage { id: *id, under: None });
                is_any = true;
            }
        }
        is_any
    }

    /// Forgets as unlisted what search lists now, so that it is not asked for any more, once every stream knows of it: one
    /// that does not reads it whole, and the next run has to be told so too if this one does not get there.
    fn forget_listed(&self) {
        let inventory = self.inventory.borrow();
        let all_know = |is_in: &dyn Fn(&Unlisted) -> bool| {
            let mut readers =
                self.streams.iter().filter(|stream| stream.stream.spec().cursor_field.is_some());
            readers.all(|stream| {
                let state = stream.state();
                let reads_everything = !state.has_cursor() && state.resume().is_none();
                reads_everything || is_in(state.unlisted())
            })
        };
        let mut unlisted = self.unlisted.borrow_mut();
        unlisted
            .pages
            .retain(|id| !inventory.is_listed_page(*id) || !all_know(&|known| known.pages.contains(id)));
        unlisted.data_sources.retain(|id| {
            !inventory.is_listed_data_source(*id) || !all_know(&|known| known.data_sources.contains(id))
        });
    }

    /// Remembers the data sources that only wikis show, and has those listed from the start that a stream never knew.
    fn ask_again_in_wikis(&self) -> bool {
        let mut is_any = false;
        let only_in_wikis = self.inventory.borrow_mut().take_only_in_wikis();
        for id in only_in_wikis {
            self.unlisted.borrow_mut().data_sources.insert(id);
            let is_new = |stream: &StreamRun| {
                stream.state().has_cursor() && !stream.state().unlisted().data_sources.contains(&id)
            };
            if self.page_streams().any(is_new) {
                self.inventory.borrow_mut().find_data_source(id);
                self.push_queries(id, None);
                is_any = true;
            }
        }
        is_any
    }

    /// Has the rows of a data source listed.
    pub(super) fn push_queries(&self, data_source: Uuid, under: Option<&Rc<Root>>) {
        for archived in [true, false] {
            if let Some(root) = under {
                root.begin();
            }
            self.queue.push(Task::Query { data_source, archived, under: under.map(Rc::clone) });
        }
    }

    /// Lists everything of a kind through search.
    pub(super) async fn search(&self, kind: ObjectKind) -> Result<(), ReadError> {
        // A data source's time does not move with its rows, so all of them are listed every time.
        let until = (kind == ObjectKind::Page && !self.scope.is_full).then_some(self.scope.since);
        let first = self.search_pass(kind, Direction::Descending, until).await?;
        if first.is_cut {
            self.close_gap(kind, &first).await?;
        }
        // An object that was edited while the listing was being read jumped to its head, which was read already.
        let mut pass = first;
        let mut passes_without_news = 0;
        for _again in 0..MAX_SEARCH_PASSES {
            // What evades one pass may evade another one, but hardly a third.
            if pass.result_pages <= 1 || passes_without_news == 2 {
                break;
            }
            // Search may show a new time at an old place, so the newest one says little of what came to the head since.
            let until = pass.newest.map(|newest| newest.min(self.until()));
            pass = self.search_pass(kind, Direction::Descending, until).await?;
            passes_without_news = if pass.has_news { 0 } else { passes_without_news + 1 };
        }
        Ok(())
    }

    /// Search was cut at its limit: goes on from the other end until both meet.
    async fn close_gap(&self, kind: ObjectKind, first: &Pass) -> Result<(), ReadError> {
        let Some(newest) = first.oldest else { return Ok(()) };
        info!("Notion's search was cut at its limit of results, so it is read from its other end too.");
        let second = self.search_pass(kind, Direction::Ascending, Some(newest)).await?;
        match second.newest {
            // Cut before it went beyond: even within the same minute something may lie between both ends.
            Some(oldest) if second.is_cut => Err(ReadError::SearchGap { newest, oldest }),
            _met => Ok(()),
        }
    }

    /// Reads search from one end until its end, or until what lies beyond `until`.
    async fn search_pass(
        &self,
        kind: ObjectKind,
        direction: Direction,
        until: Option<DateTime<Utc>>,
    ) -> Result<Pass, ReadError> {
        let direction_name = match direction {
            Direction::Descending => "descending",
            Direction::Ascending => "ascending",
        };
        let object = match kind {
            ObjectKind::Page => "page",
            ObjectKind::DataSource => "data_source",
        };
        let body = json!({
            "filter": {"property": "object", "value": object},
            "sort": {"timestamp": "last_edited_time", "direction": direction_name},
        });
        let client = self.enumeration_client(kind);
        let mut listing = client.list(ListRequest::post("/v1/search", object_of(body)));
        let mut pass = Pass::default();
        let known = self.inventory.borrow().news();
        while let Some(page) = listing.next().await? {
            pass.result_pages += 1;
            pass.is_cut |= page.is_incomplete;
            let times = self.observe_results(&page, None, None).await?;
            pass.newest = times.iter().copied().chain(pass.newest).max();
            pass.oldest = times.iter().copied().chain(pass.oldest).min();
            let is_beyond = |until| match direction {
                Direction::Descending => times.last().is_some_and(|time| *time < until),
                // An object that was just edited may stand at its old place with its new time, which says nothing.
                Direction::Ascending => {
                    let settled = times.iter().filter(|time| **time < self.until());
                    settled.last().or(times.iter().min()).is_some_and(|time| *time > until)
                }
            };
            if until.is_some_and(is_beyond) {
                // The rest is of no use, so whether it would be cut does not matter.
                pass.is_cut = false;
                break;
            }
        }
        pass.has_news = self.inventory.borrow().news() > known;
        Ok(pass)
    }

    /// Lists the rows of a data source, in windows of their creation times where Notion cuts the listing
    /// (<https://developers.notion.com/guides/data-apis/query-large-data-sources>).
    pub(super) async fn query(
        &self,
        data_source: Uuid,
        archived: bool,
        under: Option<&Rc<Root>>,
    ) -> Result<(), ReadError> {
        let client = self.enumeration_client(ObjectKind::Page);
        let since = self.query_since(data_source, under);
        let mut window: Option<DateTime<Utc>> = None;
        let mut crowded = None;
        loop {
            let body = query_body(since, window, archived);
            let target = format!("/v1/data_sources/{data_source}/query");
            let mut listing = client.list(ListRequest::post(target, body));
            let (mut is_cut, mut last_created) = (false, None);
            while let Some(page) = listing.next().await? {
                is_cut |= page.is_incomplete;
                last_created = page
                    .results()
                    .flatten()
                    .filter_map(|row| row.time("created_time"))
                    .max()
                    .max(last_created);
                self.observe_results(&page, Some(data_source), under).await?;
            }
            if !is_cut {
                break;
            }
            let Some(last_created) = last_created else {
                // Rows without a creation time leave nothing to go on from.
                crowded.get_or_insert(window.unwrap_or(since));
                break;
            };
            match window {
                // A whole listing within one minute: what is beyond its limit cannot be reached. The rest can.
                Some(begun) if last_created == begun => {
                    crowded.get_or_insert(begun);
                    window = Some(begun + TimeDelta::minutes(1));
                }
                // Nothing of the window: it was not asked for in vain, but it is not answered.
                Some(begun) if last_created < begun => {
                    crowded.get_or_insert(begun);
                    break;
                }
                _further => window = Some(last_created),
            }
        }
        crowded.map_or(Ok(()), |minute| Err(ReadError::CrowdedMinute { data_source, minute }))
    }

    /// Asks for a page that no listing shows.
    pub(super) async fn fetch_page(&self, id: Uuid, under: Option<&Rc<Root>>) -> Result<(), ReadError> {
        let text = self.enumeration_client(ObjectKind::Page).get(format!("/v1/pages/{id}")).await?.body;
        let page = object_with_id(&text, id)?;
        if page.is_true("in_trash") {
            // By its id it is still answered; no listing shows it any more.
            self.forget_page(id, "page in the trash");
            return Ok(());
        }
        let mut batches = Batches::new(self);
        self.observe_page(page, None, under, &mut batches);
        // Asked for otherwise, it is known to be unlisted, or is only tried again.
        if let Some(root) = under {
            root.found_page(id);
        }
        batches.send(self).await
    }

    /// Asks for a data source that no listing shows.
    pub(super) async fn fetch_data_source(
        &self,
        id: Uuid,
        under: Option<&Rc<Root>>,
    ) -> Result<(), ReadError> {
        if under.is_none() {
            // Before the request: one that fails is tried again from where these streams knew it.
            self.inventory.borrow_mut().find_data_source(id);
        }
        let text =
            self.enumeration_client(ObjectKind::DataSource).get(format!("/v1/data_sources/{id}")).await?.body;
        let data_source = object_with_id(&text, id)?;
        let is_in_trash = data_source.is_true("in_trash");
        let mut batches = Batches::new(self);
        self.observe_data_source(data_source, under, &mut batches);
        match under {
            Some(root) => root.found_data_source(id),
            None if is_in_trash => {
                self.unlisted.borrow_mut().data_sources.remove(&id);
            }
            None => {
                self.unlisted.borrow_mut().data_sources.insert(id);
            }
        }
        batches.send(self).await
    }

    /// Asks which data sources a database has, and for those that are not known.
    pub(super) async fn fetch_database(&self, id: Uuid, under: &Rc<Root>) -> Result<(), ReadError> {
        let text =
            self.enumeration_client(ObjectKind::DataSource).get(format!("/v1/databases/{id}")).await?.body;
        object_with_id(&text, id)?;
        let database: Option<Database> = serde_json::from_str(&text).ok();
        let names = database.and_then(|database| database.data_sources).unwrap_or_default();
        if names.is_empty() {
            self.skip_object(
                ObjectKind::DataSource,
                "database without data sources of its own (a linked view)",
            );
        }
        for source in names.iter().filter_map(|source| Uuid::try_parse(source.id.as_str()?).ok()) {
            let is_missing = {
                let mut inventory = self.inventory.borrow_mut();
                !inventory.has_data_source(source) && inventory.ask(source)
            };
            if is_missing {
                under.begin();
                self.queue.push(Task::FetchDataSource { id: source, under: Some(Rc::clone(under)) });
            }
        }
        Ok(())
    }

    /// Counts a page that is not to be asked for any more.
    pub(super) fn forget_page(&self, id: Uuid, reason: &str) {
        self.unlisted.borrow_mut().pages.remove(&id);
        self.skip_object(ObjectKind::Page, reason);
        self.page_streams().for_each(|stream| stream.page_succeeded(id));
    }

    /// Counts an object that is left out, for the stream of its kind or, without it, for those that need it.
    pub(super) fn skip_object(&self, kind: ObjectKind, reason: &str) {
        let own = self.stream_run_of(kind);
        if let Some(stream) = own.or_else(|| self.page_streams().next()).or_else(|| self.streams.first()) {
            stream.skip(reason);
        }
    }

    /// The client that counts for the stream of a kind, or for the enumeration in general.
    fn enumeration_client(&self, kind: ObjectKind) -> NotionClient {
        let stream = self.stream_run_of(kind);
        stream.map_or_else(|| self.client.on_behalf_of(&"enumeration".into()), |stream| stream.client.clone())
    }

    /// From when rows of a data source are wanted; earlier than others when it is being tried again, or when no
    /// listing showed it before.
    fn query_since(&self, data_source: Uuid, under: Option<&Rc<Root>>) -> DateTime<Utc> {
        let inventory = self.inventory.borrow();
        let earlier = self.page_streams().filter_map(|stream| match under {
            // Only what no earlier sync knew is found below a page.
            Some(_root) => Some(stream.state().start()),
            None => stream.since_of_source(data_source, &inventory),
        });
        earlier.fold(self.scope.since, DateTime::min)
    }

    /// A data source whose rows cannot be listed.
    pub(super) fn fail_query(&self, data_source: Uuid, archived: bool, is_below: bool, error: &ReadError) {
        match error.api_error() {
            Some(ApiError::NotFound { .. } | ApiError::Forbidden { .. }) => {
                self.skip_object(ObjectKind::Page, "rows of a data source that is not found or not shared");
                self.page_streams().for_each(|stream| stream.data_source_succeeded(data_source));
            }
            // An API that does not know archived rows has none.
            Some(ApiError::Rejected { .. }) if archived => {
                warn!(%data_source, "Notion refuses to list the archived rows of a data source: {error}.");
                self.skip_object(
                    ObjectKind::Page,
                    "archived rows of a data source that Notion refuses to list",
                );
            }
            _ => {
                let inventory = self.inventory.borrow();
                for stream in self.page_streams() {
                    let since = stream.since_of_rows(data_source, is_below, &inventory);
                    stream.fail_data_source(data_source, since, error, || self.position());
                }
            }
        }
    }
}

/// Opens an answer about one object; fails when it is about another, or about none.
pub(super) fn object_with_id(text: &str, id: Uuid) -> Result<RawObject<'_>, ReadError> {
    let object = RawObject::parse(text).filter(|object| object.id("id") == Some(id));
    object.ok_or(ReadError::OtherObject { id })
}

fn object_of(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        _other => Map::new(),
    }
}

/// The body of a query: rows edited since a time, oldest first, from a window on.
fn query_body(since: DateTime<Utc>, window: Option<DateTime<Utc>>, archived: bool) -> Map<String, Value> {
    let written = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Millis, true);
    let edited =
        json!({"timestamp": "last_edited_time", "last_edited_time": {"on_or_after": written(since)}});
    let filter = match window {
        None => edited,
        Some(window) => {
            let created =
                json!({"timestamp": "created_time", "created_time": {"on_or_after": written(window)}});
            json!({"and": [edited, created]})
        }
    };
    let mut body = object_of(json!({
        "filter": filter,
        "sorts": [{"timestamp": "created_time", "direction": "ascending"}],
    }));
    if archived {
        // Archived rows come only when asked for, and then alone.
        body.insert("is_archived".to_owned(), json!(true));
    }
    body
}
