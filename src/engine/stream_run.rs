//! One configured stream while it is being read: its state, what failed, what was left out.

use std::{
    cell::{Cell, OnceCell, RefCell},
    collections::{BTreeMap, HashSet},
    fmt,
    sync::Arc,
};

use chrono::{DateTime, Utc};
use tracing::warn;
use uuid::Uuid;

use super::{
    PageRef, ReadError, Resume, RetryList, StreamState, Unlisted, inventory::Inventory, walk::Reached,
};
use crate::{
    client::NotionClient,
    error::{Failure, describe_read_error},
    protocol::RecordBatch,
    streams::{PageReader, PageScope, RawObject, SchemaDrift, Source, SourceStream},
};

/// How many objects of a stream may fail before it is stopped.
const MAX_RETRY_LIST: usize = 100;

/// How many reasons of skipping are told apart; more would be a flood of block types.
const MAX_SKIP_REASONS: usize = 100;

/// How far a run is, as a state may say it.
#[derive(Clone, Debug, Default)]
pub(super) struct Position {
    /// How far the walk got.
    pub(super) walk: Reached,
    /// What is known of objects that no listing shows.
    pub(super) unlisted: Unlisted,
}

/// One configured stream.
pub(super) struct StreamRun {
    pub(super) stream: &'static dyn SourceStream,
    pub(super) name: Arc<str>,
    pub(super) client: NotionClient,
    /// The state that the run began with.
    initial: StreamState,
    /// The state after the walk that an earlier run began, once it is finished and the pages done then are asked again.
    caught_up: OnceCell<StreamState>,
    retry: RefCell<RetryList>,
    /// Pages and data sources that failed in this sync.
    failed_now: RefCell<HashSet<Uuid>>,
    failure: RefCell<Option<Failure>>,
    /// Whether more is missing than what is on the retry list.
    misses_more: Cell<bool>,
    is_listing_partial: Cell<bool>,
    /// The position in the state that was sent last.
    sent_at: Cell<Option<Resume>>,
    /// How far the run was when the stream was stopped; nothing is read for it after that.
    stopped: RefCell<Option<Position>>,
    is_running: Cell<bool>,
    /// Whether its last state and status are queued or sent.
    is_finished: Cell<bool>,
    record_count: Cell<u64>,
    byte_count: Cell<u64>,
    excluded: Cell<u64>,
    skipped: RefCell<BTreeMap<String, u64>>,
    drift: RefCell<SchemaDrift>,
    /// The latest time of a record that was seen.
    newest_record: Cell<Option<DateTime<Utc>>>,
}

impl fmt::Debug for StreamRun {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("StreamRun").field("name", &self.name).finish_non_exhaustive()
    }
}

impl StreamRun {
    pub(super) fn new(stream: &'static dyn SourceStream, client: &NotionClient, state: StreamState) -> Self {
        let spec = stream.spec();
        Self {
            stream,
            name: Arc::from(spec.name),
            client: client.on_behalf_of(&spec.name.into()),
            retry: RefCell::new(state.retry().clone()),
            sent_at: Cell::new(state.resume()),
            initial: state,
            caught_up: OnceCell::new(),
            failure: RefCell::new(None),
            failed_now: RefCell::default(),
            misses_more: Cell::new(false),
            is_listing_partial: Cell::new(false),
            stopped: RefCell::default(),
            is_running: Cell::new(false),
            is_finished: Cell::new(false),
            record_count: Cell::new(0),
            byte_count: Cell::new(0),
            excluded: Cell::new(0),
            skipped: RefCell::new(BTreeMap::new()),
            drift: RefCell::new(SchemaDrift::new(&spec.schema)),
            newest_record: Cell::new(None),
        }
    }

    /// The state that the stream goes on from.
    pub(super) fn state(&self) -> &StreamState {
        self.caught_up.get().unwrap_or(&self.initial)
    }

    /// How the stream reads pages, if it does.
    pub(super) fn page_reader(&self) -> Option<&'static dyn PageReader> {
        match self.stream.source() {
            Source::Pages(reader) => Some(reader),
            Source::Listing(_) | Source::Enumeration(_) => None,
        }
    }

    /// The time from which records of a page are wanted.
    pub(super) fn since(&self, page: Uuid, inventory: &Inventory) -> DateTime<Utc> {
        let of_source =
            inventory.early_source(page).and_then(|source| self.since_of_source(source, inventory));
        of_source.into_iter().fold(self.since_of_page(page, inventory), DateTime::min)
    }

    /// The same, whatever data source the page is a row of: the cursor, an older one where the page is tried again,
    /// or the start where the stream has never known of it.
    pub(super) fn since_of_page(&self, page: Uuid, inventory: &Inventory) -> DateTime<Utc> {
        if self.is_found_page(page, inventory) {
            return self.state().start();
        }
        let since = self.state().since(Some(page));
        let retried = self.state().retry().pages.get(&page);
        retried.map_or(since, |cursor| self.or_start(*cursor).min(since))
    }

    /// The time from which rows of a data source are wanted; `is_below`: it was found below a page, as only what no
    /// earlier sync knew is.
    pub(super) fn since_of_rows(&self, source: Uuid, is_below: bool, inventory: &Inventory) -> DateTime<Utc> {
        if is_below {
            return self.state().start();
        }
        self.since_of_source(source, inventory).unwrap_or(self.state().since_any())
    }

    /// The time from which rows of a data source are wanted, where it is earlier than for others: it is tried again,
    /// or the stream has never known of it.
    pub(super) fn since_of_source(&self, source: Uuid, inventory: &Inventory) -> Option<DateTime<Utc>> {
        if self.is_found_source(source, inventory) {
            return Some(self.state().start());
        }
        self.state().retry().data_sources.get(&source).map(|cursor| self.or_start(*cursor))
    }

    /// Whether no listing showed a page to an earlier run, and this stream's state does not know of it: another
    /// stream's does. A position in the walk then says nothing about it.
    fn is_found_page(&self, page: Uuid, inventory: &Inventory) -> bool {
        inventory.is_unlisted(page) && !self.state().unlisted().pages.contains(&page)
    }

    /// The same for a data source and its rows.
    fn is_found_source(&self, source: Uuid, inventory: &Inventory) -> bool {
        inventory.is_found_data_source(source) && !self.state().unlisted().data_sources.contains(&source)
    }

    /// The time from which the record of a data source is wanted; `is_below`: it was met in a page's tree.
    pub(super) fn since_for_data_source(
        &self,
        id: Uuid,
        is_below: bool,
        inventory: &Inventory,
    ) -> DateTime<Utc> {
        let since = self.state().since(None);
        if is_below && !self.state().unlisted().data_sources.contains(&id) {
            return self.state().start();
        }
        self.since_of_source(id, inventory).map_or(since, |earlier| earlier.min(since))
    }

    fn or_start(&self, cursor: Option<DateTime<Utc>>) -> DateTime<Utc> {
        cursor.map_or(self.state().start(), |cursor| cursor.max(self.state().start()))
    }

    /// The time from which records of a page that was found below another are wanted: that one may be tried again
    /// from an older cursor, and what no state knows is read whole.
    pub(super) fn since_below(&self, page: Uuid, top: Uuid, inventory: &Inventory) -> DateTime<Utc> {
        let since = self.since(page, inventory);
        if page != top && !self.state().unlisted().pages.contains(&page) {
            return self.state().start();
        }
        if self.retries(top) { since.min(self.since(top, inventory)) } else { since }
    }

    /// Whether a page is on the retry list that the run began with.
    pub(super) fn retries(&self, page: Uuid) -> bool {
        self.state().retry().pages.contains_key(&page)
    }

    /// Whether the stream reads this page, as it is now.
    pub(super) fn wants(&self, page: &PageRef, inventory: &Inventory) -> bool {
        !self.is_passed_over(page, inventory) && self.wants_below(page, page.id, inventory)
    }

    /// Whether an earlier run has done this page in the walk that this one finishes.
    fn is_passed_over(&self, page: &PageRef, inventory: &Inventory) -> bool {
        let is_early = || {
            let source = inventory.early_source(page.id);
            source.is_some_and(|source| self.since_of_source(source, inventory).is_some())
        };
        self.state().is_done(page)
            && !self.retries(page.id)
            && !self.is_found_page(page.id, inventory)
            && !is_early()
    }

    /// Whether the pages that an earlier run has done are still to be asked again: what is read there does not move
    /// a page's time, so it may be new.
    pub(super) fn must_catch_up(&self) -> bool {
        let is_synced = self.page_reader().is_some_and(|reader| reader.scope() == PageScope::Synced);
        is_synced && self.state().resume().is_some() && !self.is_stopped() && self.misses_only_retried()
    }

    /// Whether a page is to be asked again for that.
    pub(super) fn catches_up_with(&self, page: &PageRef, inventory: &Inventory) -> bool {
        self.must_catch_up()
            && self.is_passed_over(page, inventory)
            && self.wants_below(page, page.id, inventory)
    }

    /// Goes on from this state: everything was read once, as of its cursor.
    pub(super) fn catch_up_from(&self, state: StreamState) {
        self.caught_up.set(state).expect("a run catches up once");
    }

    /// The same for a page that was found below another. It is a part of that one, which is being read, so an
    /// unfinished walk has not done it, whatever its time.
    pub(super) fn wants_below(&self, page: &PageRef, top: Uuid, inventory: &Inventory) -> bool {
        let Some(reader) = self.page_reader() else { return false };
        if self.is_stopped() {
            return false;
        }
        let since = match reader.scope() {
            PageScope::Edited => self.since_below(page.id, top, inventory),
            PageScope::Synced => self.state().start(),
        };
        page.last_edited_time >= since
    }

    /// Notes a failure after which nobody knows what is missing.
    pub(super) fn fail(&self, error: &ReadError) {
        self.misses_more.set(true);
        self.note(error);
    }

    /// Whether what could not be read is all on the retry list.
    pub(super) fn misses_only_retried(&self) -> bool {
        !self.misses_more.get()
    }

    pub(super) fn sent_at(&self) -> Option<Resume> {
        self.sent_at.get()
    }

    pub(super) fn set_sent_at(&self, position: Option<Resume>) {
        self.sent_at.set(position);
    }

    /// Notes a failure of which the retry list knows; the first one is shown.
    pub(super) fn note(&self, error: &ReadError) {
        let failure = describe_read_error(error, self.stream.spec().capability);
        warn!(stream = &*self.name, "A part of the stream could not be read: {error}.");
        self.failure.borrow_mut().get_or_insert(failure);
    }

    /// Ends the stream: nothing is read for it any more, and its state stays at this position.
    pub(super) fn stop(&self, error: &ReadError, position: Position) {
        self.fail(error);
        self.stopped.borrow_mut().get_or_insert(position);
    }

    /// Notes that a listing does not show everything: a position in the walk then says nothing about what it hid.
    pub(super) fn fail_listing(&self, error: &ReadError) {
        self.is_listing_partial.set(true);
        self.fail(error);
    }

    /// Puts a page on the retry list; stops the stream when the list is full.
    ///
    /// `since` is the time from which records of the page were wanted.
    pub(super) fn fail_page(
        &self,
        page: Uuid,
        since: DateTime<Utc>,
        error: &ReadError,
        position: impl FnOnce() -> Position,
    ) {
        let is_listed = self.retry.borrow().pages.contains_key(&page);
        let is_full = !is_listed && self.has_failed_too_often();
        if !is_full {
            self.retry.borrow_mut().pages.entry(page).or_insert(self.to_remember(since));
            self.failed_now.borrow_mut().insert(page);
        }
        self.note(error);
        if is_full {
            self.stop(&ReadError::TooManyFailures { limit: MAX_RETRY_LIST }, position());
        }
    }

    /// Keeps a page on the retry list although nothing of this stream failed: what is below it may be missing.
    pub(super) fn remember_page(&self, page: Uuid, inventory: &Inventory) {
        if self.stream.spec().cursor_field.is_some() {
            let since = self.to_remember(self.since(page, inventory));
            self.retry.borrow_mut().pages.entry(page).or_insert(since);
        }
    }

    /// Puts a data source that cannot be read, or whose rows cannot be listed, on the retry list; stops the stream
    /// when the list is full.
    ///
    /// `since` is the time from which its rows were wanted.
    pub(super) fn fail_data_source(
        &self,
        data_source: Uuid,
        since: DateTime<Utc>,
        error: &ReadError,
        position: impl FnOnce() -> Position,
    ) {
        let is_listed = self.retry.borrow().data_sources.contains_key(&data_source);
        let is_full = !is_listed && self.has_failed_too_often();
        if !is_full {
            self.retry.borrow_mut().data_sources.entry(data_source).or_insert(self.to_remember(since));
            self.failed_now.borrow_mut().insert(data_source);
        }
        self.note(error);
        if is_full {
            self.stop(&ReadError::TooManyFailures { limit: MAX_RETRY_LIST }, position());
        }
    }

    /// Whether the retry list may not grow by failures of this stream's own; what it remembers for others is bounded
    /// by theirs.
    fn has_failed_too_often(&self) -> bool {
        self.failed_now.borrow().len() >= MAX_RETRY_LIST
    }

    /// The cursor to remember for what failed; none is the start date.
    fn to_remember(&self, since: DateTime<Utc>) -> Option<DateTime<Utc>> {
        (since > self.state().start()).then_some(since)
    }

    /// Takes a page off the retry list, unless it failed in this very sync.
    pub(super) fn page_succeeded(&self, page: Uuid) {
        if !self.failed_now.borrow().contains(&page) {
            self.retry.borrow_mut().pages.remove(&page);
        }
    }

    /// Takes a data source off the retry list.
    pub(super) fn data_source_succeeded(&self, data_source: Uuid) {
        self.retry.borrow_mut().data_sources.remove(&data_source);
    }

    /// The retry list after everything was read: without the data sources that were listed this time.
    pub(super) fn retry_when_finished(&self, inventory: &Inventory) -> RetryList {
        let mut retry = self.retry();
        let failed_now = self.failed_now.borrow();
        retry.data_sources.retain(|id, _since| !inventory.has_data_source(*id) || failed_now.contains(id));
        retry
    }

    /// What no listing shows, as far as an unfinished state may know it: what only other streams knew, and a data source
    /// that was found late, is unknown until everything old of it is read.
    pub(super) fn unlisted_so_far(&self, unlisted: &Unlisted, inventory: &Inventory) -> Unlisted {
        let stopped = self.stopped.borrow();
        let mut unlisted = stopped.as_ref().map_or(unlisted, |position| &position.unlisted).clone();
        if self.state().has_cursor() || self.state().resume().is_some() {
            unlisted.pages.retain(|id| !self.is_found_page(*id, inventory));
            unlisted.data_sources.retain(|id| !self.is_found_source(*id, inventory));
        }
        unlisted
    }

    pub(super) fn retry(&self) -> RetryList {
        self.retry.borrow().clone()
    }

    /// The retry list while pages are still being read that a state has gone past.
    pub(super) fn retry_with(&self, stragglers: &[Uuid], inventory: &Inventory) -> RetryList {
        let mut retry = self.retry();
        for page in stragglers {
            retry.pages.entry(*page).or_insert_with(|| self.to_remember(self.since(*page, inventory)));
        }
        retry
    }

    pub(super) fn failure(&self) -> Option<Failure> {
        self.failure.borrow().clone()
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.borrow().is_some()
    }

    /// How far the walk got, as the stream's state may show it.
    pub(super) fn reached(&self, walk: &Reached) -> Reached {
        let Some(reader) = self.page_reader() else { return Reached::default() };
        let stored = self.state().resume();
        let as_before = || Reached { resume: stored, stragglers: Vec::new() };
        if self.is_listing_partial.get() {
            return as_before();
        }
        let stopped = self.stopped.borrow();
        let Reached { resume, stragglers } = stopped.as_ref().map_or(walk, |position| &position.walk);
        let resume = match (*resume, stored) {
            // A position behind the stored one would only read pages again.
            (Some(reached), Some(stored)) if reached.mark < stored.mark => return as_before(),
            (None, Some(_stored)) => return as_before(),
            // What was done by an earlier run was not looked at since, and new comments do not move a page's time.
            (Some(reached), Some(stored)) if reader.scope() == PageScope::Synced => {
                Some(Resume { until: reached.until.min(stored.until), ..reached })
            }
            (reached, _) => reached,
        };
        Reached { resume, stragglers: stragglers.clone() }
    }

    /// The latest cursor that the stream may get, where an earlier run has done a part of its walk.
    pub(super) fn latest_cursor(&self) -> Option<DateTime<Utc>> {
        let is_synced = self.page_reader().is_some_and(|reader| reader.scope() == PageScope::Synced);
        self.state().resume().filter(|_| is_synced).map(|resume| resume.until)
    }

    /// Whether this is the first record; from then on the stream is running.
    pub(super) fn start_running(&self) -> bool {
        !self.is_running.replace(true)
    }

    /// Notes that the last state and status are queued: nothing may follow, whatever happens meanwhile.
    pub(super) fn set_finished(&self) {
        self.is_finished.set(true);
    }

    pub(super) fn is_finished(&self) -> bool {
        self.is_finished.get()
    }

    pub(super) fn count_records(&self, records: u64, bytes: u64) {
        self.record_count.set(self.record_count.get() + records);
        self.byte_count.set(self.byte_count.get() + bytes);
    }

    pub(super) fn record_count(&self) -> u64 {
        self.record_count.get()
    }

    pub(super) fn byte_count(&self) -> u64 {
        self.byte_count.get()
    }

    /// Whether a record of this time is wanted; counts it when it is not.
    pub(super) fn includes(&self, time: Option<DateTime<Utc>>, since: DateTime<Utc>) -> bool {
        self.newest_record.set(self.newest_record.get().max(time));
        // A record without a time cannot be told old, so it is never left out.
        let is_included = time.is_none_or(|time| time >= since);
        if !is_included {
            self.excluded.set(self.excluded.get() + 1);
        }
        is_included
    }

    /// Adds a record to a batch, and compares some with the schema.
    pub(super) fn add(&self, batch: &mut RecordBatch, record: &RawObject<'_>) {
        let mut drift = self.drift.borrow_mut();
        batch.push(|out| {
            let start = out.len();
            record.write(out);
            if !drift.is_due() {
                return;
            }
            for path in drift.look_at(out.get(start..).unwrap_or_default()) {
                warn!(
                    stream = &*self.name,
                    "Notion sends a field that the schema does not know, so destinations may drop it: {path}."
                );
            }
        });
    }

    /// The fields that the schema does not know, each with the records it was met in, and the records looked at.
    pub(super) fn unknown_fields(&self) -> (BTreeMap<String, u64>, u64) {
        let drift = self.drift.borrow();
        (drift.unknown().clone(), drift.looked_at())
    }

    pub(super) fn newest_record(&self) -> Option<DateTime<Utc>> {
        self.newest_record.get()
    }

    pub(super) fn excluded(&self) -> u64 {
        self.excluded.get()
    }

    /// Counts something that is left out.
    pub(super) fn skip(&self, reason: &str) {
        let mut skipped = self.skipped.borrow_mut();
        let reason = if skipped.len() < MAX_SKIP_REASONS { reason } else { "other reasons" };
        *skipped.entry(reason.to_owned()).or_default() += 1;
    }

    pub(super) fn skipped(&self) -> BTreeMap<String, u64> {
        self.skipped.borrow().clone()
    }
}
