//! Takes in what the enumeration finds: records of new and wanted objects, and what they lead to.

use std::rc::Rc;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{
    PageRef, ReadError,
    enumerate::object_with_id,
    inventory::Sighting,
    run::{Completing, Run, Task},
    stream_run::StreamRun,
    walk::Root,
};
use crate::{
    client::{ApiError, ResultPage},
    protocol::RecordBatch,
    streams::{Completion, ObjectKind, RawObject, complete_page, computed_properties, truncated_values},
};

/// How many pages are kept while they wait for their cut values. Of more only the ids are, so that the listing need not
/// wait: its position expires.
const MAX_COMPLETING: usize = 200;

impl Run {
    /// Takes in the results of a listing; returns their times, in order.
    pub(super) async fn observe_results(
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
                self.note_way_to(object.id("id"), data_source, under);
                self.observe_data_source(object, under, &mut batches);
            } else {
                self.observe_page(object, data_source, under, &mut batches);
            }
        }
        batches.send(self).await?;
        Ok(times)
    }

    /// Notes whether search shows a data source. One that only the query of a wiki shows is not shown by the next one,
    /// which asks for what was edited.
    fn note_way_to(&self, id: Option<Uuid>, wiki: Option<Uuid>, under: Option<&Rc<Root>>) {
        match (id, wiki, under) {
            (None, _, _) => {}
            (Some(id), None, _) => self.inventory.borrow_mut().list_data_source(id),
            (Some(id), Some(_wiki), Some(root)) => root.found_data_source(id),
            (Some(id), Some(_wiki), None) => self.inventory.borrow_mut().meet_in_wiki(id),
        }
    }

    /// Takes in a page: a record if it is new and wanted, and its parents.
    pub(super) fn observe_page(
        &self,
        page: RawObject<'_>,
        data_source: Option<Uuid>,
        under: Option<&Rc<Root>>,
        batches: &mut Batches,
    ) {
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
                return;
            }
            if sighting == Sighting::New {
                if let Some(root) = under {
                    self.walk_found(PageRef { last_edited_time: seen_as, id }, root);
                }
                if time.is_some_and(|time| self.page_streams().all(|stream| time < stream.state().start())) {
                    self.pages_before_start.set(self.pages_before_start.get() + 1);
                }
            }
        } else {
            self.skip_object(ObjectKind::Page, "page without a valid id, whose content cannot be read");
        }
        let Some((index, stream)) = self.running_stream_of(ObjectKind::Page) else { return };
        let since = match (id, under) {
            (Some(id), Some(root)) => stream.since_below(id, root.top().page.id, &self.inventory.borrow()),
            (Some(id), None) => stream.since(id, &self.inventory.borrow()),
            (None, _) => stream.state().start(),
        };
        if !stream.includes(time, since) {
            return;
        }
        let truncated = if self.complete_properties { truncated_values(&page) } else { Vec::new() };
        match id {
            Some(id) if !truncated.is_empty() => {
                let is_kept = self.completing.get() < MAX_COMPLETING;
                let page = is_kept.then(|| (page.into_owned(), truncated));
                self.begin_completing(Completing {
                    stream: index,
                    id,
                    since,
                    page,
                    under: under.map(Rc::clone),
                });
            }
            _ => {
                batches.pages.push_record(self, stream, page);
                batches.whole.extend(id.filter(|id| stream.retry().pages.contains_key(id)));
            }
        }
    }

    /// Takes in a data source: a record if it is new and wanted, and its rows.
    pub(super) fn observe_data_source(
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
                self.push_queries(id, under);
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
            && stream.includes(time, since.unwrap_or(stream.state().since(None)))
        {
            batches.data_sources.push_record(self, stream, data_source);
        }
    }

    pub(super) fn stream_run_of(&self, kind: ObjectKind) -> Option<&StreamRun> {
        self.stream_of(kind).and_then(|index| self.streams.get(index))
    }

    fn running_stream_of(&self, kind: ObjectKind) -> Option<(usize, &StreamRun)> {
        let index = self.stream_of(kind)?;
        self.streams.get(index).filter(|stream| !stream.is_stopped()).map(|stream| (index, stream))
    }

    /// Has a page completed by whoever is free.
    fn begin_completing(&self, completing: Completing) {
        if completing.page.is_some() {
            self.completing.set(self.completing.get() + 1);
        }
        if let Some(root) = &completing.under {
            root.begin();
        }
        self.queue.push(Task::Complete(Box::new(completing)));
    }

    /// Completes the cut values of a page and emits it.
    pub(super) async fn complete(&self, completing: Completing) -> Result<(), ReadError> {
        let Completing { stream, id, since, page, .. } = completing;
        if page.is_some() {
            self.completing.set(self.completing.get() - 1);
        }
        let Some(stream) = self.streams.get(stream).filter(|stream| !stream.is_stopped()) else {
            return Ok(());
        };
        let (page, truncated) = if let Some(kept) = page {
            kept
        } else {
            let text = stream.client.get(format!("/v1/pages/{id}")).await?.body;
            let page = object_with_id(&text, id)?;
            let truncated = truncated_values(&page);
            (page.into_owned(), truncated)
        };
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
            if matches!(error.api_error(), Some(ApiError::Forbidden { .. })) {
                lasting = self.assert_content_is_readable(&stream.client).await.err().or(lasting);
            } else if !error.is_about_one_object() {
                lasting = Some(error);
            }
        }
        // The page is emitted as far as it is known; the next sync completes it.
        let mut batch = self.emitter.batch(&stream.name, 0);
        add_record(&mut batch, stream, page);
        self.emit(stream, batch).await?;
        if let Some(error) = lasting {
            if error.ends_everything() {
                return Err(error);
            }
            stream.fail_page(id, since, &error, || self.position());
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
}

/// Records that were met on one result page.
pub(super) struct Batches {
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
    pub(super) fn new(run: &Run) -> Self {
        let of = |kind| ObjectBatch { stream: run.stream_of(kind), batch: None };
        Self { pages: of(ObjectKind::Page), data_sources: of(ObjectKind::DataSource), whole: Vec::new() }
    }

    pub(super) async fn send(self, run: &Run) -> Result<(), ReadError> {
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
    fn push_record(&mut self, run: &Run, stream: &StreamRun, object: RawObject<'_>) {
        let batch = self.batch.get_or_insert_with(|| run.emitter.batch(&stream.name, 0));
        add_record(batch, stream, object);
    }
}

/// Changes an object into the stream's record and adds it.
pub(super) fn add_record(batch: &mut RecordBatch, stream: &StreamRun, mut object: RawObject<'_>) {
    stream.stream.transform(&mut object);
    stream.add(batch, &object);
}
