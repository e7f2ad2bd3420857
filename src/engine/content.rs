//! The content of pages while it is being read: which pages are due, and how far each reading is.
//!
//! A reading belongs to one page and has parts: its block tree, and a listing or a request for each stream that has one for
//! every page. A version is delivered when a part is done, after its last record was queued.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::job::{Job, Step, Subject};
use crate::{
    client::{Listing, NotionClient, ResultPage},
    streams::PageContext,
    workspace::{Minute, Node, NodeListing, SyncedCopy, TreeReading},
};

/// So many nodes of a page's tree may wait before its listings wait for them: a bound on memory.
const MAX_WAITING_NODES: usize = 10_000;

/// So many copies of synced blocks may keep readings open before they are asked for.
const MAX_PARKED: usize = 1_000;

/// A page whose content is due for some streams.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct DuePage {
    pub(super) id: Uuid,
    pub(super) edited: Option<Minute>,
    pub(super) created: Option<Minute>,
    /// The version's checksum, where the page says no time.
    pub(super) checksum: u32,
    /// The streams, each a bit by its index among those that read content.
    pub(super) streams: u32,
    /// When it was asked longest ago, for pages that were not edited.
    pub(super) asked: Option<Minute>,
    /// Whether it is due for its edit.
    pub(super) is_edited: bool,
}

/// The block tree of a page being read.
#[derive(Debug)]
pub(super) struct TreePart {
    pub(super) context: PageContext,
    pub(super) reading: TreeReading,
    /// Jobs that wait or run.
    open: usize,
    /// Nodes among them that wait.
    waiting: usize,
    /// Copies of synced blocks of which it is not known whose content they show.
    parked: usize,
    pub(super) has_failed: bool,
    /// Whether Notion does not show the page itself.
    pub(super) is_refused: bool,
    /// Whether Notion did not show the children of a block that it had just shown: the page may have been unshared or in the
    /// trash for a moment, which no time tells.
    pub(super) is_doubtful: bool,
}

/// The listing that a stream has for a page, being read.
#[derive(Debug)]
pub(super) struct ListPart {
    pub(super) stream: usize,
    pub(super) context: PageContext,
    pub(super) asked_at: Option<DateTime<Utc>>,
    /// What was listed, until it is known whether it is to be sent.
    pub(super) kept: Vec<KeptPage>,
    pub(super) kept_bytes: usize,
    /// The entries of this listing; it is asked for one page only, so they are few.
    pub(super) seen: HashSet<Uuid>,
    pub(super) fingerprint: u32,
    pub(super) count: u64,
    /// The latest time of an entry.
    pub(super) newest: Option<DateTime<Utc>>,
    /// Whether some of it was sent already, for it is much.
    pub(super) is_sent: bool,
}

/// A result page that is kept.
#[derive(Debug)]
pub(super) struct KeptPage {
    pub(super) results: ResultPage,
    /// The places of entries that came before.
    pub(super) is_again: Vec<usize>,
}

impl ListPart {
    /// Forgets what was listed: the listing begins again.
    pub(super) fn restart(&mut self) {
        self.kept.clear();
        self.seen.clear();
        self.kept_bytes = 0;
        (self.fingerprint, self.count, self.newest) = (0, 0, None);
    }
}

/// A page being read.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) page: DuePage,
    pub(super) tree: Option<TreePart>,
    pub(super) lists: Vec<ListPart>,
    /// Requests of streams that have one for each page.
    pub(super) objects: Vec<(usize, PageContext)>,
}

impl Reading {
    fn is_done(&self) -> bool {
        self.tree.is_none() && self.lists.is_empty() && self.objects.is_empty()
    }
}

/// Where the content of a synced block belongs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Home {
    /// It is being asked for.
    Asked,
    /// To this page.
    Page(Uuid),
    /// Notion does not show the original.
    Hidden,
    /// Asking for it failed.
    Failed,
}

/// All content that is due or being read.
#[derive(Debug, Default)]
pub(super) struct Content {
    /// The next one is at the end.
    due: Vec<DuePage>,
    readings: HashMap<Uuid, Reading>,
    /// In which pages the originals of synced blocks stand.
    pub(super) homes: HashMap<Uuid, Home>,
    /// Copies that wait for their originals' pages, with the pages that they stand in.
    pub(super) parked: Vec<(Uuid, SyncedCopy)>,
    done: usize,
    total: usize,
}

impl Content {
    /// Queues pages: the latest edits first, then those that were asked longest ago.
    pub(super) fn queue(&mut self, mut pages: Vec<DuePage>) {
        self.total += pages.len();
        let key = |page: &DuePage| {
            let asked = page.asked.filter(|_| !page.is_edited);
            (page.is_edited, page.edited.filter(|_| page.is_edited), std::cmp::Reverse(asked), page.id)
        };
        pages.sort_unstable_by_key(key);
        self.due.append(&mut pages);
    }

    /// Takes the next page to begin with, unless it is being read at this moment.
    pub(super) fn next_due(&mut self) -> Option<DuePage> {
        // One that was edited while it is being read is due in the next run: what is being delivered is the older version.
        while let Some(page) = self.due.pop() {
            if !self.readings.contains_key(&page.id) {
                return Some(page);
            }
            self.done += 1;
        }
        None
    }

    /// Counts a page as done that is not due any more.
    pub(super) fn skip_due(&mut self) {
        self.done += 1;
    }

    /// Begins to read a page.
    pub(super) fn begin(&mut self, reading: Reading) {
        self.readings.insert(reading.page.id, reading);
    }

    /// The reading of a page.
    pub(super) fn reading(&mut self, page: Uuid) -> Option<&mut Reading> {
        self.readings.get_mut(&page)
    }

    /// The tree of a page being read.
    pub(super) fn tree(&mut self, page: Uuid) -> Option<&mut TreePart> {
        self.readings.get_mut(&page)?.tree.as_mut()
    }

    /// Ends the reading of a page once all its parts are done.
    pub(super) fn finish_if_done(&mut self, page: Uuid) {
        if self.readings.get(&page).is_some_and(Reading::is_done) {
            self.readings.remove(&page);
            self.done += 1;
        }
    }

    /// Whether nothing is due, and only parked copies keep readings open.
    pub(super) fn is_idle(&self) -> bool {
        self.due.is_empty()
    }

    /// Whether so many readings are kept open by copies of synced blocks that these are to be asked for.
    pub(super) fn is_crowded(&self) -> bool {
        self.parked.len() > MAX_PARKED
    }

    /// Pages that are done, of all.
    pub(super) fn progress(&self) -> (usize, usize) {
        (self.done, self.total)
    }

    /// Notes that Notion does not show the original of a synced block.
    pub(super) fn hide_original(&mut self, original: Uuid) {
        self.homes.insert(original, Home::Hidden);
    }

    /// Ends a node of a page's tree that nobody wants any more.
    pub(super) fn drop_node(&mut self, page: Uuid) {
        let Some(reading) = self.readings.get_mut(&page) else { return };
        if let Some(tree) = &mut reading.tree {
            tree.has_failed = true;
            tree.closed();
        }
        reading.tree.take_if(|tree| tree.is_done());
        self.finish_if_done(page);
    }

    /// Drops everything that is due or being read.
    pub(super) fn clear(&mut self) {
        self.due.clear();
        self.readings.clear();
        self.parked.clear();
    }
}

impl TreePart {
    pub(super) fn new(context: PageContext) -> Self {
        Self {
            context,
            reading: TreeReading::default(),
            open: 0,
            waiting: 0,
            parked: 0,
            has_failed: false,
            is_refused: false,
            is_doubtful: false,
        }
    }

    /// The job that begins to list a node.
    pub(super) fn node_job(&mut self, client: &NotionClient, page: Uuid, node: Node) -> Job {
        self.open += 1;
        self.waiting += 1;
        children_job(page, NodeListing::new(client, node))
    }

    /// Notes that a node's first request was answered.
    pub(super) fn begun(&mut self) {
        self.waiting = self.waiting.saturating_sub(1);
    }

    /// Notes that the listing of a node is over.
    pub(super) fn closed(&mut self) {
        self.open -= 1;
    }

    /// Whether the listings are to wait until some of the nodes below them are read.
    pub(super) fn is_wide(&self) -> bool {
        self.waiting > MAX_WAITING_NODES
    }

    /// Notes that a copy waits for its original's page.
    pub(super) fn park(&mut self) {
        self.parked += 1;
    }

    /// Notes that a copy waits no more.
    pub(super) fn unpark(&mut self) {
        self.parked = self.parked.saturating_sub(1);
    }

    /// Whether all of it was read.
    pub(super) fn is_done(&self) -> bool {
        self.open == 0 && self.parked == 0
    }
}

/// The job that goes on listing a node.
pub(super) fn children_job(page: Uuid, listing: NodeListing) -> Job {
    let node = &listing.node;
    let subject =
        Subject::Children { page, node: node.id, kind: node.kind.clone(), has_begun: listing.has_begun };
    Job { subject, step: Step::Children(Box::new(listing)) }
}

/// The job that goes on listing what a stream has for a page.
pub(super) fn page_listing_job(stream: usize, page: Uuid, listing: Box<Listing>) -> Job {
    Job { subject: Subject::PageListing { stream, page }, step: Step::Listing(listing) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(number: u128, edited: &str, asked: Option<&str>) -> DuePage {
        let minute = |text: &str| Minute::of(text.parse().unwrap());
        DuePage {
            id: Uuid::from_u128(number),
            edited: minute(edited),
            is_edited: asked.is_none(),
            asked: asked.and_then(minute),
            ..DuePage::default()
        }
    }

    #[test]
    fn the_latest_edits_come_first_and_then_what_was_asked_longest_ago() {
        let mut content = Content::default();
        content.queue(vec![
            page(1, "2026-01-01T00:00:00Z", None),
            page(2, "2026-03-01T00:00:00Z", Some("2026-05-02T00:00:00Z")),
            page(3, "2026-02-01T00:00:00Z", None),
            page(4, "2026-04-01T00:00:00Z", Some("2026-05-01T00:00:00Z")),
        ]);
        let order: Vec<u128> =
            std::iter::from_fn(|| content.next_due()).map(|page| page.id.as_u128()).collect();
        assert_eq!(order, [3, 1, 4, 2]);
    }
}
