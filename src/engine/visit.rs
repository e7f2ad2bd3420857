//! What a stream may do while it reads a page: list, emit, go on, skip.

use std::{collections::hash_map::Entry, rc::Rc};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{
    ReadError,
    run::{EnteredOriginal, Run, Task},
    stream_run::StreamRun,
    walk::Root,
};
use crate::{
    client::{ListRequest, Listing, ResultPage},
    protocol::RecordBatch,
    streams::RawObject,
};

/// A node of a page's tree whose children are to be read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Node {
    /// The block, or the page itself.
    pub id: Uuid,
    /// The depth of its children; 1 is directly in the page.
    pub depth: u8,
    /// What to read in its place when it cannot be listed itself.
    pub instead: Vec<Self>,
    /// The block's type, for the report.
    pub kind: String,
}

impl Node {
    /// The page itself.
    pub(super) fn page(id: Uuid) -> Self {
        Self { id, depth: 1, instead: Vec::new(), kind: "page".to_owned() }
    }
}

/// One node being read for one stream.
#[derive(Debug)]
pub struct Visit<'a> {
    pub(super) run: &'a Run,
    pub(super) stream_index: usize,
    pub(super) stream: &'a StreamRun,
    pub(super) root: &'a Rc<Root>,
    pub(super) since: DateTime<Utc>,
}

impl Visit<'_> {
    /// The page that is read.
    pub fn page_id(&self) -> Uuid {
        self.root.page.id
    }

    /// The pages edited last, other than this one.
    pub fn other_pages(&self, most: usize) -> Vec<Uuid> {
        let inventory = self.run.inventory.borrow();
        let others = inventory.pages().filter(|(id, _time)| *id != self.page_id());
        let mut others: Vec<(DateTime<Utc>, Uuid)> = others.map(|(id, time)| (time, id)).collect();
        others.sort_unstable_by(|one, other| other.cmp(one));
        others.into_iter().map(|(_time, id)| id).take(most).collect()
    }

    /// Starts a listing on behalf of the stream.
    pub fn list(&self, request: ListRequest) -> Listing {
        self.stream.client.list(request)
    }

    /// The results of a page; one that is no object cannot be a record and is counted.
    pub fn results<'p>(&self, page: &'p ResultPage) -> impl Iterator<Item = RawObject<'p>> {
        page.results().filter_map(|result| {
            if result.is_none() {
                self.skip("result that is not an object");
            }
            result
        })
    }

    /// Fails when the integration may read no content at all: then a refusal was not about one object.
    pub async fn assert_content_is_readable(&self) -> Result<(), ReadError> {
        self.run.assert_content_is_readable(&self.stream.client).await
    }

    /// Starts a batch for the records of a result page.
    pub fn batch(&self, page: &ResultPage) -> RecordBatch {
        self.run.emitter.batch(&self.stream.name, page.record_room())
    }

    /// Adds a record, unless it is older than what is wanted.
    pub fn add(&self, batch: &mut RecordBatch, record: &RawObject<'_>, time: Option<DateTime<Utc>>) {
        if self.stream.includes(time, self.since) {
            self.stream.add(batch, record);
        }
    }

    /// Sends records; waits while the output is slow.
    pub async fn emit(&self, batch: RecordBatch) -> Result<(), ReadError> {
        Ok(self.run.emit(self.stream, batch).await?)
    }

    /// Counts something that cannot be read.
    pub fn skip(&self, reason: &str) {
        self.stream.skip(reason);
    }

    /// Has a node of the same page read.
    pub fn push(&self, node: Node) {
        self.root.begin();
        self.run.queue.push(Task::Visit { stream: self.stream_index, root: Rc::clone(self.root), node });
    }

    /// Whether a block of the page is entered for the first time: a tree that leads back into itself ends there.
    pub fn enter(&self, block: Uuid) -> bool {
        self.root.enter(self.stream_index, block)
    }

    /// Whether the children of a synced original are to be read: not if this run has read them, unless from a later time.
    ///
    /// In its own page an original is read again while the page with the copy through which it was entered is not done:
    /// should that one fail, and the copy be gone by the next sync, nothing else would lead to it.
    pub fn enter_original(&self, block: Uuid, is_own: bool) -> bool {
        let entered = EnteredOriginal { since: self.since, root: Rc::clone(self.root) };
        match self.run.originals.borrow_mut().entry((self.stream_index, block)) {
            Entry::Vacant(entry) => {
                entry.insert(entered);
                true
            }
            Entry::Occupied(mut entry) => {
                let EnteredOriginal { since, root } = entry.get();
                let is_safe = Rc::ptr_eq(root, self.root) || root.is_read_by(self.stream_index);
                let is_wanted = self.since < *since || (is_own && !is_safe);
                if is_wanted {
                    entry.insert(entered);
                }
                is_wanted
            }
        }
    }

    /// Takes back that a synced original was entered: it could not be read, and another copy may be another way.
    pub fn leave_original(&self, block: Uuid) {
        self.run.originals.borrow_mut().remove(&(self.stream_index, block));
    }

    /// Tells of a page met in the tree, and when its block was last edited.
    pub fn found_page(&self, id: Uuid, time: Option<DateTime<Utc>>) {
        let mut inventory = self.run.inventory.borrow_mut();
        if inventory.has_page(id) {
            // It is known because it was asked for.
            if !inventory.is_listed_page(id) {
                self.root.found_page(id);
            }
        } else if self.may_be_missing(time) && inventory.ask(id) {
            self.root.begin();
            self.run.queue.push(Task::FetchPage { id, under: Some(Rc::clone(self.root)) });
        }
    }

    /// Tells of a database met in the tree, and when its block was last edited.
    ///
    /// A database that is known may have data sources that are not.
    pub fn found_database(&self, id: Uuid, time: Option<DateTime<Utc>>) {
        let mut inventory = self.run.inventory.borrow_mut();
        if self.may_be_missing(time) && inventory.ask(id) {
            self.root.begin();
            self.run.queue.push(Task::FetchDatabase { id, under: Rc::clone(self.root) });
        }
    }

    /// Whether the listings would not have shown an object of this time anyway: they leave out old ones in an
    /// incremental sync, and whatever no listing shows is in the state; unless this page was never read.
    fn may_be_missing(&self, time: Option<DateTime<Utc>>) -> bool {
        let since = self.run.scope.since.min(self.since);
        let top = self.root.top().page.id;
        self.run.scope.is_full
            || time.is_none_or(|time| time >= since)
            || self.run.streams.iter().any(|stream| stream.retries(top))
    }
}
