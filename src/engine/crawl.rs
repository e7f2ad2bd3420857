//! The crawl of the workspace, and who gets what it finds: the state that all phases of a run work on.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{
    job::{CutPage, Job, Step, Subject},
    ledger::Kind,
    lookups::Lookups,
    output::Output,
    queue::Queue,
    read_clock::ReadClock,
    stream_reader::StreamReader,
};
use crate::{
    client::NotionClient,
    error::ReadError,
    streams::Source,
    workspace::{Inventory, Minute, ObjectKind, Origin, Rows, Search},
};

/// What a run was asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options {
    /// Objects edited before this time are left out; cut to the minute.
    pub(super) start: DateTime<Utc>,
    pub(super) complete_properties: bool,
    /// How long the comments of a page may rest.
    pub(super) comments_every: TimeDelta,
    pub(super) report_deletions: bool,
    pub(super) worker_count: usize,
}

/// Whether what is found may be sent yet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Guard {
    /// So many known pages have to be shown before it is certain that this is the workspace that the ledgers know.
    Undecided { missing: usize },
    /// It is.
    Open,
}

/// Objects that are due and may not be sent yet.
#[derive(Debug, Default)]
pub(super) struct Held {
    pub(super) objects: Vec<HeldObject>,
    pub(super) bytes: usize,
    /// Of what is beyond the bound only the ids are kept: they are asked for again.
    pub(super) ids: Vec<(ObjectKind, Uuid)>,
}

impl Held {
    /// Whether nothing is held.
    pub(super) fn is_empty(&self) -> bool {
        self.objects.is_empty() && self.ids.is_empty()
    }
}

/// An object that was found and may not be sent yet.
#[derive(Debug)]
pub(super) struct HeldObject {
    pub(super) text: String,
    pub(super) kind: ObjectKind,
    pub(super) origin: Origin,
    pub(super) asked_at: DateTime<Utc>,
    pub(super) checksum: u32,
}

/// How the listing of a data source's rows stands.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Table {
    /// Whether its rows were asked for.
    is_listed: bool,
    /// Whether its archived rows were asked for.
    is_archived_listed: bool,
}

/// The crawl.
#[derive(Debug)]
pub(super) struct Crawl {
    pub(super) options: Options,
    pub(super) client: NotionClient,
    /// Counts for what no selected stream is made of.
    pub(super) listing_client: NotionClient,
    pub(super) streams: Vec<StreamReader>,
    pub(super) inventory: Inventory,
    pub(super) queue: Queue,
    pub(super) lookups: Lookups,
    pub(super) output: Output,
    pub(super) guard: Guard,
    pub(super) held: Held,
    pub(super) clock: ReadClock,
    pub(super) tables: HashMap<Uuid, Table>,
    /// Data sources that rows name.
    pub(super) parents: HashSet<Uuid>,
    /// Whether archived rows are asked for.
    pub(super) reads_archived: bool,
    /// When the listing began, by Notion's clock.
    pub(super) began: Option<DateTime<Utc>>,
    /// Pages that were edited before the start date.
    pub(super) pages_before_start: u64,
    /// Properties that stay incomplete, and in how many pages.
    pub(super) incomplete: BTreeMap<String, u64>,
    /// Pages that wait for their cut values.
    pub(super) completing: usize,
    /// The versions of pages whose cut values were asked for: each is asked for once in a run.
    pub(super) completions: HashSet<(Uuid, Option<Minute>, u32)>,
    /// Pages whose content may have become due since the content was queued.
    pub(super) late_pages: Vec<Uuid>,
    pub(super) is_content_queued: bool,
}

impl Crawl {
    /// The client that counts for the stream of a kind, or for the listing in general.
    pub(super) fn client_of(&self, kind: ObjectKind) -> NotionClient {
        let is_of = |stream: &&StreamReader| matches!(stream.source, Source::Objects(of) if of == kind);
        self.streams.iter().find(is_of).map_or(&self.listing_client, |stream| &stream.client).clone()
    }

    /// The streams that read pages or what belongs to them, as far as they are still read.
    pub(super) fn page_streams(&mut self) -> impl Iterator<Item = &mut StreamReader> {
        self.streams.iter_mut().filter(|stream| stream.is_read() && stream.source.reads_pages())
    }

    /// The streams that need the workspace to be listed, as far as they are still read.
    pub(super) fn listed_streams(&mut self) -> impl Iterator<Item = &mut StreamReader> {
        self.streams.iter_mut().filter(|stream| stream.is_read() && stream.has_ledger())
    }

    /// Whether any stream reads block trees.
    pub(super) fn reads_trees(&self) -> bool {
        self.streams.iter().any(|stream| stream.is_read() && matches!(stream.source, Source::Blocks))
    }

    /// Whether any stream reads pages.
    pub(super) fn reads_pages(&self) -> bool {
        self.streams.iter().any(|stream| stream.is_read() && stream.source.reads_pages())
    }

    /// Whether any stream needs the workspace to be listed.
    pub(super) fn lists_workspace(&self) -> bool {
        self.streams.iter().any(|stream| stream.is_read() && stream.has_ledger())
    }

    /// Fails the streams that miss something of a kind; what leads to pages leads to what belongs to them.
    pub(super) fn fail_objects(&mut self, kind: ObjectKind, error: &ReadError) {
        let misses = |stream: &StreamReader| match stream.source {
            Source::Listing(_) => false,
            Source::Objects(of) => of == kind || kind == ObjectKind::DataSource,
            Source::Blocks | Source::PageListing(_) | Source::PageObject(_) => true,
        };
        self.streams.iter_mut().filter(|stream| misses(stream)).for_each(|stream| stream.fail(error));
    }

    /// Fails the streams of what could be found below a page whose tree was not read.
    pub(super) fn fail_tree(&mut self, error: &ReadError) {
        let misses = |stream: &StreamReader| matches!(stream.source, Source::Blocks | Source::Objects(_));
        self.streams.iter_mut().filter(|stream| misses(stream)).for_each(|stream| stream.fail(error));
    }

    /// Counts and names something of a kind that is left out.
    pub(super) fn skip(&mut self, kind: ObjectKind, reason: &str, name: Option<Uuid>) {
        let own = |stream: &StreamReader| matches!(stream.source, Source::Objects(of) if of == kind);
        let index = self.streams.iter().position(own);
        let index = index.or_else(|| self.streams.iter().position(|stream| stream.source.reads_pages()));
        let Some(stream) = self.streams.get_mut(index.unwrap_or_default()) else { return };
        match name {
            Some(name) => stream.tally.skip_named(&stream.name, reason, &name.to_string()),
            None => stream.tally.skip(reason),
        }
    }

    /// Queues the searches of a run.
    pub(super) fn queue_searches(&mut self) {
        // The last one comes first: rows can be listed while pages are searched.
        for kind in [ObjectKind::Page, ObjectKind::DataSource] {
            let step = Step::Search(Box::new(Search::new(self.client_of(kind), kind)));
            self.queue.push_listing(Job { subject: Subject::Search { kind }, step });
        }
    }

    /// Has the rows of a data source listed, each kind of rows once in a run.
    pub(super) fn queue_rows(&mut self, data_source: Uuid) {
        if !self.reads_pages() {
            return;
        }
        self.page_streams().for_each(|stream| stream.state.ledger.know(Kind::DataSource, data_source));
        if self.reads_archived {
            self.queue_archived_rows(data_source);
        }
        let table = self.tables.entry(data_source).or_default();
        if !std::mem::replace(&mut table.is_listed, true) {
            self.push_rows(data_source, false);
        }
    }

    /// Has the archived rows of a data source listed, once in a run.
    pub(super) fn queue_archived_rows(&mut self, data_source: Uuid) {
        let table = self.tables.entry(data_source).or_default();
        if !std::mem::replace(&mut table.is_archived_listed, true) {
            self.push_rows(data_source, true);
        }
    }

    fn push_rows(&mut self, data_source: Uuid, is_archived: bool) {
        let rows = Rows::new(self.client_of(ObjectKind::Page), data_source, is_archived);
        let subject = Subject::Rows { data_source, is_archived };
        self.queue.push_listing(Job { subject, step: Step::Rows(Box::new(rows)) });
    }

    /// Asks for an object by its id, once in a run; returns whether it was not asked for before.
    pub(super) fn look_up(&mut self, kind: Kind, id: Uuid, is_beside: bool) -> bool {
        if !self.lookups.claim(id) {
            return false;
        }
        self.lookups.open(id);
        let (subject, path, of) = match kind {
            Kind::Page => (Subject::Page { id }, "pages", ObjectKind::Page),
            Kind::DataSource => (Subject::DataSource { id }, "data_sources", ObjectKind::DataSource),
            Kind::Database => (Subject::Database { id }, "databases", ObjectKind::DataSource),
        };
        let job = Job { subject, step: Step::Get(self.client_of(of), format!("/v1/{path}/{id}")) };
        if is_beside {
            self.queue.push_lookup(job);
        } else {
            self.queue.push(job);
        }
        true
    }

    /// Queues the completion of a page's cut values.
    pub(super) fn complete(&mut self, cut: CutPage) {
        self.completing += 1;
        let edited = cut.page.time("last_edited_time").and_then(Minute::of);
        self.completions.insert((cut.id, edited, cut.checksum));
        let subject = Subject::Completion { id: cut.id };
        self.queue
            .push(Job { subject, step: Step::Complete(self.client_of(ObjectKind::Page), Box::new(cut)) });
    }
}
