//! One configured stream while it is being read: its state, what failed, what was left out.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
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
        earlier.fold(since, DateTime::min)
    }

    /// The same for a page that was found below another: that one may be tried again from an older cursor.
    pub(super) fn since_below(&self, page: Uuid, top: Uuid, inventory: &Inventory) -> DateTime<Utc> {
        let since = self.since(page, inventory);
        if self.state.retry().pages.contains_key(&top) {
            since.min(self.since(top, inventory))
        } else {
            since
        }
    }

    /// Whether the stream reads this page, as it is now.
    pub(super) fn wants(&self, page: &PageRef, inventory: &Inventory) -> bool {
        self.wants_below(page, page, inventory)
    }

    /// The same for a page that was found below another: it was done when that one was, and not before.
    pub(super) fn wants_below(&self, page: &PageRef, top: &PageRef, inventory: &Inventory) -> bool {
        let Some(reader) = self.page_reader() else { return false };
        if self.is_stopped() {
            return false;
        }
        let retry = self.state.retry();
        let is_retried = retry.pages.contains_key(&page.id)
            || retry.pages.contains_key(&top.id)
            || inventory
                .retried_data_source(page.id)
                .is_some_and(|source| retry.data_sources.contains_key(&source));
        if self.state.is_done(top) && !is_retried {
            return false;
        }
        let since = match reader.scope() {
            PageScope::Edited => self.since_below(page.id, top.id, inventory),
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
    pub(super) fn fail_page(&self, page: Uuid, error: &ReadError, reached: Option<Resume>) {
        let is_full = {
            let mut retry = self.retry.borrow_mut();
            let is_full = retry.pages.len() + retry.data_sources.len() >= MAX_RETRY_LIST;
            if !is_full {
                retry.pages.entry(page).or_insert_with(|| self.state.cursor_for_retry(page));
            }
            is_full
        };
        self.note(error);
        if is_full {
            self.stop(&ReadError::TooManyFailures { limit: MAX_RETRY_LIST }, reached);
        }
    }

    /// Keeps a page on the retry list although nothing of this stream failed: what is below it may be missing.
    pub(super) fn remember_page(&self, page: Uuid) {
        if self.stream.spec().cursor_field.is_some() {
            let since = self.state.cursor_for_retry(page);
            self.retry.borrow_mut().pages.entry(page).or_insert(since);
        }
    }

    /// Puts a data source whose rows cannot be listed on the retry list.
    pub(super) fn fail_data_source(&self, data_source: Uuid, error: &ReadError) {
        let since = self.state.cursor_for_retry(data_source);
        self.retry.borrow_mut().data_sources.entry(data_source).or_insert(since);
        self.note(error);
    }

    /// Takes a page off the retry list.
    pub(super) fn page_succeeded(&self, page: Uuid) {
        self.retry.borrow_mut().pages.remove(&page);
    }

    /// Takes a data source off the retry list.
    pub(super) fn data_source_succeeded(&self, data_source: Uuid) {
        self.retry.borrow_mut().data_sources.remove(&data_source);
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
            (reached, _) => reached,
        }
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
