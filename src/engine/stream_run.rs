//! One configured stream while it is being read: its state, what failed, what was left out.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use chrono::{DateTime, Utc};
use tracing::warn;
use uuid::Uuid;

use super::{PageRef, ReadError, Resume, RetryList, StreamState, inventory::Inventory};
use crate::{
    client::NotionClient,
    error::{Failure, describe_read_error},
    streams::{PageReader, PageScope, Source, SourceStream},
};

/// How many objects of a stream may fail before it is stopped.
const MAX_RETRY_LIST: usize = 100;

/// How many reasons of skipping are told apart; more would be a flood of block types.
const MAX_SKIP_REASONS: usize = 100;

/// One configured stream.
pub(super) struct StreamRun {
    pub(super) stream: &'static dyn SourceStream,
    pub(super) name: Arc<str>,
    pub(super) client: NotionClient,
    pub(super) state: StreamState,
    retry: RefCell<RetryList>,
    /// What was put on the retry list in this run.
    failed: RefCell<BTreeSet<Uuid>>,
    failure: RefCell<Option<Failure>>,
    /// Whether more is missing than what is on the retry list.
    misses_more: Cell<bool>,
    /// The position in the state that was sent last.
    sent_at: Cell<Option<Resume>>,
    /// The walk's position when the stream was stopped; nothing is read for it after that.
    stopped_at: Cell<Option<Option<Resume>>>,
    is_running: Cell<bool>,
    record_count: Cell<u64>,
    byte_count: Cell<u64>,
    excluded: Cell<u64>,
    skipped: RefCell<BTreeMap<String, u64>>,
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
            client: client.on_behalf_of(spec.name),
            retry: RefCell::new(state.retry().clone()),
            failed: RefCell::default(),
            sent_at: Cell::new(state.resume()),
            state,
            failure: RefCell::new(None),
            misses_more: Cell::new(false),
            stopped_at: Cell::new(None),
            is_running: Cell::new(false),
            record_count: Cell::new(0),
            byte_count: Cell::new(0),
            excluded: Cell::new(0),
            skipped: RefCell::new(BTreeMap::new()),
            newest_record: Cell::new(None),
        }
    }

    /// How the stream reads pages, if it does.
    pub(super) fn page_reader(&self) -> Option<&'static dyn PageReader> {
        match self.stream.source() {
            Source::Pages(reader) => Some(reader),
            Source::Listing(_) | Source::Enumeration(_) => None,
        }
    }

    /// The time from which records of a page are wanted, the retry list included.
    pub(super) fn since(&self, page: Uuid, inventory: &Inventory) -> DateTime<Utc> {
        let since = self.state.since(Some(page));
        let start = self.state.start();
        let retry = self.state.retry();
        let of_page = retry.pages.get(&page);
        let of_source =
            inventory.retried_data_source(page).and_then(|source| retry.data_sources.get(&source));
        let earlier = of_page.into_iter().chain(of_source).map(|cursor| cursor.unwrap_or(start).max(start));
        let since = earlier.fold(since, DateTime::min);
        if inventory.is_unlisted(page) { since.min(self.since_found()) } else { since }
    }

    /// The time from which records of an object are wanted that no listing shows: it may have been found below any
    /// of the pages that are tried again.
    pub(super) fn since_found(&self) -> DateTime<Utc> {
        let start = self.state.start();
        let retried = self.state.retry().pages.values();
        retried.map(|cursor| cursor.unwrap_or(start).max(start)).fold(self.state.since(None), DateTime::min)
    }

    /// Whether a page is on the retry list that the run began with.
    pub(super) fn retries(&self, page: Uuid) -> bool {
        self.state.retry().pages.contains_key(&page)
    }

    /// The same for a page that was found below another: that one may be tried again from an older cursor.
    pub(super) fn since_below(&self, page: Uuid, top: Uuid, inventory: &Inventory) -> DateTime<Utc> {
        let since = self.since(page, inventory);
        if self.is_retried(top, inventory) { since.min(self.since(top, inventory)) } else { since }
    }

    /// Whether a page is tried again, by itself, with all rows of its data source or below another page.
    pub(super) fn is_retried(&self, page: Uuid, inventory: &Inventory) -> bool {
        let retry = self.state.retry();
        let source = inventory.retried_data_source(page);
        retry.pages.contains_key(&page)
            || source.is_some_and(|id| retry.data_sources.contains_key(&id))
            || (!retry.pages.is_empty() && inventory.is_unlisted(page))
    }

    /// Whether the stream reads this page, as it is now.
    pub(super) fn wants(&self, page: &PageRef, inventory: &Inventory) -> bool {
        self.wants_below(page, page.id, inventory)
    }

    /// The same for a page that was found below another.
    pub(super) fn wants_below(&self, page: &PageRef, top: Uuid, inventory: &Inventory) -> bool {
        let Some(reader) = self.page_reader() else { return false };
        if self.is_stopped() {
            return false;
        }
        // The mark tells of enumerated pages. One that is found below another was not among them, nor one that only
        // another stream's state names.
        let was_enumerated =
            page.id == top && (!inventory.is_unlisted(top) || self.state.unlisted().pages.contains(&top));
        if was_enumerated && self.state.is_done(page) && !self.is_retried(top, inventory) {
            return false;
        }
        let since = match reader.scope() {
            PageScope::Edited => self.since_below(page.id, top, inventory),
            PageScope::Synced => self.state.start(),
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

    /// Notes a failure; the first one is shown.
    fn note(&self, error: &ReadError) {
        let failure = describe_read_error(error, self.stream.spec().capability);
        warn!(stream = &*self.name, "A part of the stream could not be read: {error}.");
        self.failure.borrow_mut().get_or_insert(failure);
    }

    /// Ends the stream: nothing is read for it any more, and its state stays where the walk is now.
    pub(super) fn stop(&self, error: &ReadError, reached: Option<Resume>) {
        self.fail(error);
        if self.stopped_at.get().is_none() {
            self.stopped_at.set(Some(reached));
        }
    }

    /// Puts a page on the retry list; stops the stream when the list is full.
    pub(super) fn fail_page(
        &self,
        page: Uuid,
        error: &ReadError,
        reached: Option<Resume>,
        inventory: &Inventory,
    ) {
        self.failed.borrow_mut().insert(page);
        let is_full = {
            let mut retry = self.retry.borrow_mut();
            let is_full = retry.pages.len() + retry.data_sources.len() >= MAX_RETRY_LIST;
            if !is_full {
                retry.pages.entry(page).or_insert_with(|| self.cursor_for_retry(page, inventory));
            }
            is_full
        };
        self.note(error);
        if is_full {
            self.stop(&ReadError::TooManyFailures { limit: MAX_RETRY_LIST }, reached);
        }
    }

    /// Keeps a page on the retry list although nothing of this stream failed: what is below it may be missing.
    pub(super) fn remember_page(&self, page: Uuid, inventory: &Inventory) {
        if self.stream.spec().cursor_field.is_some() {
            let since = self.cursor_for_retry(page, inventory);
            self.retry.borrow_mut().pages.entry(page).or_insert(since);
        }
    }

    /// The cursor to remember for a page that cannot be read now: a row of a data source that is tried again has
    /// never been read with the present one.
    fn cursor_for_retry(&self, page: Uuid, inventory: &Inventory) -> Option<DateTime<Utc>> {
        let own = self.state.cursor_for_retry(page);
        let source = inventory.retried_data_source(page);
        match source.and_then(|source| self.state.retry().data_sources.get(&source)) {
            Some(of_source) => own.zip(*of_source).map(|(own, of_source)| own.min(of_source)),
            None => own,
        }
    }

    /// Puts a data source whose rows cannot be listed on the retry list.
    pub(super) fn fail_data_source(&self, data_source: Uuid, error: &ReadError) {
        self.failed.borrow_mut().insert(data_source);
        let since = self.state.cursor_for_retry(data_source);
        self.retry.borrow_mut().data_sources.entry(data_source).or_insert(since);
        self.note(error);
    }

    /// Takes a page off the retry list, unless another part of it failed in this run.
    pub(super) fn page_succeeded(&self, page: Uuid) {
        if self.failed.borrow().contains(&page) {
            return;
        }
        self.retry.borrow_mut().pages.remove(&page);
    }

    /// Takes a data source off the retry list.
    pub(super) fn data_source_succeeded(&self, data_source: Uuid) {
        self.retry.borrow_mut().data_sources.remove(&data_source);
    }

    /// Takes all data sources off the retry list whose rows were listed: to be called when these have been read, too.
    pub(super) fn data_sources_were_read(&self) {
        let failed = self.failed.borrow();
        self.retry.borrow_mut().data_sources.retain(|id, _since| failed.contains(id));
    }

    pub(super) fn retry(&self) -> RetryList {
        self.retry.borrow().clone()
    }

    pub(super) fn failure(&self) -> Option<Failure> {
        self.failure.borrow().clone()
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped_at.get().is_some()
    }

    /// The walk's position that the stream's state may show.
    pub(super) fn reached(&self, walk: Option<Resume>) -> Option<Resume> {
        let reached = self.stopped_at.get().unwrap_or(walk);
        // A position behind the stored one would only read pages again.
        match (reached, self.state.resume()) {
            (Some(reached), Some(stored)) if reached.mark < stored.mark => Some(stored),
            (None, stored) => stored,
            (Some(Resume { mark, until }), _) => {
                Some(Resume { mark, until: self.unseen_since().map_or(until, |since| since.min(until)) })
            }
        }
    }

    /// From when something new may lie in the pages that an earlier run did: where such things move no page's
    /// time, this run does not look there.
    pub(super) fn unseen_since(&self) -> Option<DateTime<Utc>> {
        let looks_everywhere = self.page_reader().is_some_and(|reader| reader.scope() == PageScope::Synced);
        self.state.resume().filter(|_| looks_everywhere).map(|resume| resume.until)
    }

    /// Whether this is the first record; from then on the stream is running.
    pub(super) fn start_running(&self) -> bool {
        !self.is_running.replace(true)
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
