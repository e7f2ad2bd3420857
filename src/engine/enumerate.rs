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
    PageRef, ReadError,
    inventory::Sighting,
    run::{Completing, Run, Task},
    stream_run::StreamRun,
    walk::Root,
};
use crate::{
    client::{ApiError, ListRequest, NotionClient, ResultPage},
    protocol::RecordBatch,
    streams::{Completion, ObjectKind, RawObject, complete_page, computed_properties, truncated_values},
};

/// How often the head of search is looked at again for pages that were edited meanwhile.
const MAX_SEARCH_PASSES: usize = 10;

/// How many pages may wait for their cut values before the enumeration waits for them.
const MAX_COMPLETING: usize = 200;

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
        let mut inventory = self.inventory.borrow_mut();
        // What search did not know yet when it was found, and lists now, needs no asking any more.
        self.unlisted.borrow_mut().pages.retain(|id| !inventory.is_listed_page(*id));
        let unlisted = self.unlisted.borrow();
        let readers = self.page_streams().chain(self.stream_run_of(ObjectKind::DataSource));
        let retried: BTreeSet<Uuid> =
            readers.flat_map(|stream| stream.retry().data_sources.into_keys()).collect();
        let mut is_any = false;
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
                self.queue.push(Task::FetchPage { id: *id, under: None });
                is_any = true;
            }
        }
        is_any
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
        for _again in 0..MAX_SEARCH_PASSES {
            if pass.result_pages <= 1 {
                break;
            }
            pass = self.search_pass(kind, Direction::Descending, pass.newest).await?;
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
        while let Some(page) = listing.next().await? {
            pass.result_pages += 1;
            pass.is_cut |= page.is_incomplete;
            let times = self.observe_results(&page, None, None).await?;
            pass.newest = times.iter().copied().chain(pass.newest).max();
            pass.oldest = times.iter().copied().chain(pass.oldest).min();
            let is_beyond = |until| match direction {
                Direction::Descending => times.last().is_some_and(|time| *time < until),
                Direction::Ascending => times.last().is_some_and(|time| *time > until),
            };
            if until.is_some_and(is_beyond) {
                // The rest is of no use, so whether it would be cut does not matter.
                pass.is_cut = false;
                break;
            }
        }
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
            if window.is_none_or(|window| last_created > window) {
                window = Some(last_created);
            } else {
                // A whole listing within one minute: what is beyond its limit cannot be reached. The rest can.
                crowded.get_or_insert(last_created);
                window = Some(last_created + TimeDelta::minutes(1));
            }
        }
        crowded.map_or(Ok(()), |minute| Err(ReadError::CrowdedMinute { data_source, minute }))
    }

    /// Asks for a page that no listing shows.
    pub(super) async fn fetch_page(&self, id: Uuid, under: Option<&Rc<Root>>) -> Result<(), ReadError> {
        let text = self.enumeration_client(ObjectKind::Page).get(format!("/v1/pages/{id}")).await?;
        let Some(page) = RawObject::parse(&text) else { return Ok(()) };
        let mut batches = Batches::new(self);
        self.observe_page(page, None, under, &mut batches).await?;
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
        let text =
            self.enumeration_client(ObjectKind::DataSource).get(format!("/v1/data_sources/{id}")).await?;
        let Some(data_source) = RawObject::parse(&text) else { return Ok(()) };
        let mut batches = Batches::new(self);
        if under.is_none() {
            self.inventory.borrow_mut().see_fetched_data_source(id);
        }
        self.observe_data_source(data_source, under, &mut batches);
        match under {
            Some(root) => root.found_data_source(id),
            None => {
                self.unlisted.borrow_mut().data_sources.insert(id);
            }
        }
        batches.send(self).await
    }

    /// Asks which data sources a database has, and for those that are not known.
    pub(super) async fn fetch_database(&self, id: Uuid, under: &Rc<Root>) -> Result<(), ReadError> {
        let text = self.enumeration_client(ObjectKind::DataSource).get(format!("/v1/databases/{id}")).await?;
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
        stream.map_or_else(|| self.client.on_behalf_of("enumeration"), |stream| stream.client.clone())
    }

    /// From when rows of a data source are wanted; earlier than others when it is being tried again, or when no
    /// listing showed it before.
    fn query_since(&self, data_source: Uuid, under: Option<&Rc<Root>>) -> DateTime<Utc> {
        let inventory = self.inventory.borrow();
        let earlier = self.page_streams().filter_map(|stream| match under {
            // Only what no earlier sync knew is found below a page.
            Some(_root) => Some(stream.state.start()),
            None => stream.since_of_source(data_source, &inventory),
        });
        earlier.fold(self.scope.since, DateTime::min)
    }

    /// Takes in the results of a listing; returns their times, in order.
    async fn observe_results(
        &self,
        page: &ResultPage,
        data_source: Option<Uuid>,
        under: Option<&Rc<Root>>,
    ) -> Result<Vec<DateTime<Utc>>, ReadError> {
        let mut batches = Batches::new(self);
        let mut times = Vec::new();
        for result in page.results() {
            let Some(object) = result else {
                self.skip_object(ObjectKind::Page, "result that is not an object");
                continue;
            };
            times.extend(object.time("last_edited_time"));
            if object.text("object").as_deref() == Some("data_source") {
                self.observe_data_source(object, under, &mut batches);
            } else {
                self.observe_page(object, data_source, under, &mut batches).await?;
            }
        }
        batches.send(self).await?;
        Ok(times)
    }

    /// Takes in a page: a record if it is new and wanted, and its parents.
    async fn observe_page(
        &self,
        page: RawObject<'_>,
        data_source: Option<Uuid>,
        under: Option<&Rc<Root>>,
        batches: &mut Batches,
    ) -> Result<(), ReadError> {
        let id = page.id("id");
        let time = page.time("last_edited_time");
        if let Some(id) = id {
            // A page without a time cannot be told old: it counts as edited now.
            let seen_as = time.unwrap_or(self.began());
            let (sighting, is_first_early) = {
                let mut inventory = self.inventory.borrow_mut();
                let parent = page.object("parent").and_then(|parent| parent.id("data_source_id"));
                inventory.see_parents(parent);
                let is_early = |source: &Uuid| {
                    self.page_streams().any(|stream| stream.since_of_source(*source, &inventory).is_some())
                };
                let source = data_source.or(parent).filter(is_early);
                let is_first_early = source.is_some_and(|source| inventory.see_early_row(id, source));
                (inventory.see_page(id, seen_as), is_first_early)
            };
            // A row that search showed before its data source was known may have been left out as too old.
            let was_left_out = || {
                let stream = self.stream_run_of(ObjectKind::Page);
                is_first_early
                    && stream
                        .is_some_and(|stream| seen_as < stream.since_of_page(id, &self.inventory.borrow()))
            };
            if sighting == Sighting::Known && !was_left_out() {
                return Ok(());
            }
            if sighting == Sighting::New {
                if let Some(root) = under {
                    self.walk_found(PageRef { last_edited_time: seen_as, id }, root);
                }
                if time.is_some_and(|time| self.page_streams().all(|stream| time < stream.state.start())) {
                    self.pages_before_start.set(self.pages_before_start.get() + 1);
                }
            }
        } else {
            self.skip_object(ObjectKind::Page, "page without a valid id, whose content cannot be read");
        }
        let Some((index, stream)) = self.running_stream_of(ObjectKind::Page) else { return Ok(()) };
        let since = match (id, under) {
            (Some(id), Some(root)) => stream.since_below(id, root.top().page.id, &self.inventory.borrow()),
            (Some(id), None) => stream.since(id, &self.inventory.borrow()),
            (None, _) => stream.state.start(),
        };
        if !stream.includes(time, since) {
            return Ok(());
        }
        let truncated = if self.complete_properties { truncated_values(&page) } else { Vec::new() };
        match id {
            Some(id) if !truncated.is_empty() => {
                let page = page.into_owned();
                let under = under.map(Rc::clone);
                let completing = Completing { stream: index, id, page, truncated, under };
                self.begin_completing(completing).await
            }
            _ => {
                batches.pages.push_record(stream, page);
                batches.whole.extend(id.filter(|id| stream.retry().pages.contains_key(id)));
                Ok(())
            }
        }
    }

    /// Takes in a data source: a record if it is new and wanted, and its rows.
    fn observe_data_source(
        &self,
        data_source: RawObject<'_>,
        under: Option<&Rc<Root>>,
        batches: &mut Batches,
    ) {
        let time = data_source.time("last_edited_time");
        let Some(id) = data_source.id("id") else {
            self.skip_object(
                ObjectKind::DataSource,
                "data source without a valid id, whose rows cannot be listed",
            );
            self.add_data_source(data_source, time, None, batches);
            return;
        };
        let sighting = self.inventory.borrow_mut().see_data_source(id, time.unwrap_or(self.began()));
        if sighting == Sighting::Known {
            return;
        }
        if sighting == Sighting::New && self.scope.rows {
            // Search shows trashed data sources, but their rows are gone.
            if data_source.is_true("in_trash") {
                self.skip_object(ObjectKind::Page, "rows of a data source in the trash");
            } else {
                for archived in [true, false] {
                    if let Some(root) = under {
                        root.begin();
                    }
                    let under = under.map(Rc::clone);
                    self.queue.push(Task::Query { data_source: id, archived, under });
                }
            }
        }
        let since = self
            .stream_run_of(ObjectKind::DataSource)
            .map(|stream| stream.since_for_data_source(id, under.is_some(), &self.inventory.borrow()));
        self.add_data_source(data_source, time, since, batches);
    }

    fn add_data_source(
        &self,
        data_source: RawObject<'_>,
        time: Option<DateTime<Utc>>,
        since: Option<DateTime<Utc>>,
        batches: &mut Batches,
    ) {
        if let Some((_index, stream)) = self.running_stream_of(ObjectKind::DataSource)
            && stream.includes(time, since.unwrap_or(stream.state.since(None)))
        {
            batches.data_sources.push_record(stream, data_source);
        }
    }

    fn stream_run_of(&self, kind: ObjectKind) -> Option<&StreamRun> {
        self.stream_of(kind).and_then(|index| self.streams.get(index))
    }

    fn running_stream_of(&self, kind: ObjectKind) -> Option<(usize, &StreamRun)> {
        let index = self.stream_of(kind)?;
        self.streams.get(index).filter(|stream| !stream.is_stopped()).map(|stream| (index, stream))
    }

    /// Has a page completed by whoever is free, or here and now when too many are waiting.
    async fn begin_completing(&self, completing: Completing) -> Result<(), ReadError> {
        if self.completing.get() >= MAX_COMPLETING {
            return self.complete(completing).await;
        }
        self.completing.set(self.completing.get() + 1);
        if let Some(root) = &completing.under {
            root.begin();
        }
        self.queue.push(Task::Complete(Box::new(completing)));
        Ok(())
    }

    /// Completes the cut values of a page and emits it.
    pub(super) async fn complete(&self, completing: Completing) -> Result<(), ReadError> {
        let Completing { stream, id, page, truncated, .. } = completing;
        let Some(stream) = self.streams.get(stream) else { return Ok(()) };
        if truncated.iter().any(crate::streams::TruncatedValue::is_relation) {
            let mut incomplete = self.incomplete.borrow_mut();
            for name in computed_properties(&page) {
                *incomplete.entry(name).or_default() += 1;
            }
        }
        let Completion { page, failed } = complete_page(&stream.client, id, page, &truncated).await;
        let mut lasting = None;
        for (name, error) in failed {
            *self.incomplete.borrow_mut().entry(name).or_default() += 1;
            let error = ReadError::from(error);
            if !error.is_about_one_object() {
                lasting = Some(error);
            }
        }
        // The page is emitted as far as it is known; the next sync completes it.
        let mut batch = RecordBatch::new(&stream.name);
        add_record(&mut batch, stream, page);
        self.emit(stream, batch).await?;
        if let Some(error) = lasting {
            if error.ends_everything() {
                return Err(error);
            }
            stream.fail_page(id, &error, None, &self.inventory.borrow());
        } else {
            self.page_is_whole(stream, id);
        }
        Ok(())
    }

    /// The record of a page was sent as a whole: it is not tried again, unless for what may be below it.
    fn page_is_whole(&self, stream: &StreamRun, id: Uuid) {
        let mut readers = self.streams.iter().filter(|other| other.page_reader().is_some());
        if !readers.any(|reader| reader.retry().pages.contains_key(&id)) {
            stream.page_succeeded(id);
        }
    }

    /// A data source whose rows cannot be listed.
    pub(super) fn fail_query(&self, data_source: Uuid, archived: bool, error: &ReadError) {
        match error.api_error() {
            Some(ApiError::NotFound { .. } | ApiError::Forbidden { .. }) => {
                self.skip_object(ObjectKind::Page, "rows of a data source that is not found or not shared");
                self.page_streams().for_each(|stream| stream.data_source_succeeded(data_source));
            }
            Some(ApiError::Rejected { .. }) => {
                let which = if archived { "archived rows" } else { "rows" };
                warn!(%data_source, "Notion refuses to list the {which} of a data source: {error}.");
                self.skip_object(
                    ObjectKind::Page,
                    &format!("{which} of a data source that Notion refuses to list"),
                );
            }
            _ => {
                let inventory = self.inventory.borrow();
                self.page_streams()
                    .for_each(|stream| stream.fail_data_source(data_source, error, &inventory));
            }
        }
    }
}

/// Records that were met on one result page.
struct Batches {
    pages: ObjectBatch,
    data_sources: ObjectBatch,
    /// Pages that were to be tried again, and that are whole.
    whole: Vec<Uuid>,
}

/// Records of one stream, if it is read.
struct ObjectBatch {
    stream: Option<usize>,
    batch: Option<RecordBatch>,
}

impl Batches {
    fn new(run: &Run) -> Self {
        let of = |kind| ObjectBatch { stream: run.stream_of(kind), batch: None };
        Self { pages: of(ObjectKind::Page), data_sources: of(ObjectKind::DataSource), whole: Vec::new() }
    }

    async fn send(self, run: &Run) -> Result<(), ReadError> {
        for ObjectBatch { stream, batch } in [self.data_sources, self.pages] {
            if let (Some(stream), Some(batch)) = (stream.and_then(|index| run.streams.get(index)), batch) {
                run.emit(stream, batch).await?;
            }
        }
        if let Some(stream) = run.stream_run_of(ObjectKind::Page) {
            self.whole.into_iter().for_each(|id| run.page_is_whole(stream, id));
        }
        Ok(())
    }
}

impl ObjectBatch {
    fn push_record(&mut self, stream: &StreamRun, object: RawObject<'_>) {
        let batch = self.batch.get_or_insert_with(|| RecordBatch::new(&stream.name));
        add_record(batch, stream, object);
    }
}

/// Changes an object into the stream's record and adds it.
pub(super) fn add_record(batch: &mut RecordBatch, stream: &StreamRun, mut object: RawObject<'_>) {
    stream.stream.transform(&mut object);
    stream.add(batch, &object);
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
