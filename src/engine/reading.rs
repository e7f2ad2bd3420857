//! Reads the content of pages: begins readings, takes in their answers, and delivers versions.

use std::collections::HashSet;

use chrono::{DateTime, SecondsFormat, Utc};
use uuid::Uuid;

use super::{
    content::{
        Content, DuePage, Home, KeptPage, ListPart, Reading, TreePart, children_job, page_listing_job,
    },
    crawl::Crawl,
    job::{Job, Step, Subject},
    ledger::{Delivery, Kind, Trust, Version},
    output::Batches,
    read_clock,
    stream_reader::StreamReader,
};
use crate::{
    client::{Answer, Listing, ResultPage},
    error::ReadError,
    protocol::Emitter,
    record::RawObject,
    streams::{Context, PageContext, Source},
    workspace::{Met, Minute, Node, NodeListing, ObjectKind, Seen, SyncedCopy, entry_hash},
};

/// So many bytes of what a page's listing shows are kept until it is known whether they are to be sent.
const MAX_KEPT_BYTES: usize = 4 * 1024 * 1024;

impl Content {
    /// Queues every page whose content is due for some stream.
    pub(super) fn queue_all(&mut self, crawl: &mut Crawl) {
        let pages: Vec<(Uuid, Seen)> = crawl.inventory.of_kind(ObjectKind::Page).collect();
        let due = pages.into_iter().filter_map(|(id, seen)| due_page(crawl, id, &seen)).collect();
        self.queue(due);
        crawl.is_content_queued = true;
    }

    /// Queues the pages that were found since and whose content is due.
    pub(super) fn queue_late(&mut self, crawl: &mut Crawl) {
        let late = std::mem::take(&mut crawl.late_pages);
        let due: Vec<DuePage> =
            late.into_iter().filter_map(|id| due_page(crawl, id, &crawl.inventory.seen(id)?)).collect();
        if !due.is_empty() {
            self.queue(due);
        }
    }

    /// Begins to read the next page; returns its jobs.
    pub(super) fn begin_next(&mut self, crawl: &mut Crawl) -> Vec<Job> {
        let Some(page) = self.next_due() else { return Vec::new() };
        // Meanwhile it may have been read, edited or found gone.
        let seen = crawl.inventory.seen(page.id);
        let Some(page) = seen.and_then(|seen| due_page(crawl, page.id, &seen)) else {
            self.skip_due();
            return Vec::new();
        };
        let edited = page.edited.map(|edited| edited.start().to_rfc3339_opts(SecondsFormat::Millis, true));
        let read_at = crawl.clock.next(Utc::now(), crawl.client.notion_time());
        let context = PageContext::new(page.id, edited.as_deref(), &read_clock::shown(read_at));
        let mut reading = Reading { page, tree: None, lists: Vec::new(), objects: Vec::new() };
        let mut jobs = Vec::new();
        for (index, stream) in due_streams(&crawl.streams, page.streams) {
            match stream.source {
                Source::Blocks => {
                    let tree = reading.tree.get_or_insert_with(|| TreePart::new(context.clone()));
                    if jobs.iter().all(|job: &Job| !matches!(job.subject, Subject::Children { .. })) {
                        jobs.push(tree.node_job(&stream.client, page.id, Node::page(page.id)));
                    }
                }
                Source::PageListing(request) => {
                    reading.lists.push(ListPart::new(index, context.clone()));
                    let listing = Box::new(stream.client.list(request(page.id)));
                    jobs.push(page_listing_job(index, page.id, listing));
                }
                Source::PageObject(target) => {
                    reading.objects.push((index, context.clone()));
                    let subject = Subject::PageObject { stream: index, page: page.id };
                    jobs.push(Job { subject, step: Step::Get(stream.client.clone(), target(page.id)) });
                }
                Source::Listing(_) | Source::Objects(_) => {}
            }
        }
        self.begin(reading);
        self.finish_if_done(page.id);
        jobs
    }

    /// Takes in a result page of a node's children, or the end of the listing.
    pub(super) fn children_came(
        &mut self,
        crawl: &mut Crawl,
        page: Uuid,
        mut listing: NodeListing,
        results: Option<&ResultPage>,
    ) {
        let Some(tree) = self.tree(page) else { return };
        let Some(results) = results else {
            let nodes = tree.reading.end(&mut listing, false);
            return self.close_node(crawl, page, nodes);
        };
        if !listing.has_begun {
            tree.begun();
        }
        let mut sink = TreeSink::default();
        let mut batches = Batches::new(crawl.streams.len());
        let (context, reading) = (tree.context.clone(), &mut tree.reading);
        let nodes = reading.take_in(&mut listing, results, |met| match met {
            Met::Block(block, place) => {
                let context = Context { page: Some(&context), place: Some(place) };
                add_to_tree_streams(
                    &mut crawl.streams,
                    &crawl.output.emitter,
                    &mut batches,
                    &block,
                    &context,
                );
            }
            Met::ChildPage(id) => sink.pages.push(id),
            Met::ChildDatabase(id) => sink.databases.push(id),
            Met::Original(id) => sink.originals.push(id),
            Met::Copy(copy) => sink.copies.push(copy),
            Met::Skipped(reason) => sink.skipped.push(reason),
        });
        let client = tree_client(crawl);
        let jobs: Vec<Job> = nodes.into_iter().map(|node| tree.node_job(&client, page, node)).collect();
        let next = children_job(page, listing);
        // The listing goes on before what is below it, unless very much waits already.
        if tree.is_wide() {
            crawl.queue.push(next);
            jobs.into_iter().rev().for_each(|job| crawl.queue.push(job));
        } else {
            jobs.into_iter().rev().for_each(|job| crawl.queue.push(job));
            crawl.queue.push(next);
        }
        self.take_in_sink(crawl, page, sink);
        batches.send(&mut crawl.streams, &mut crawl.output);
    }

    /// What a tree showed beside blocks.
    fn take_in_sink(&mut self, crawl: &mut Crawl, page: Uuid, sink: TreeSink) {
        for reason in sink.skipped {
            let name = page.to_string();
            for stream in crawl.streams.iter_mut().filter(|stream| matches!(stream.source, Source::Blocks)) {
                stream.tally.skip_named(&stream.name, reason, &format!("page {name}"));
            }
        }
        for (ids, kind) in [(sink.pages, Kind::Page), (sink.databases, Kind::Database)] {
            for id in ids {
                if !crawl.inventory.has(id) {
                    crawl.remember_met(kind, id);
                    crawl.look_up(kind, id, false);
                }
            }
        }
        self.homes.extend(sink.originals.into_iter().map(|original| (original, Home::Page(page))));
        for copy in sink.copies {
            // A copy in the page of its original shows what that page shows anyway.
            if let Some(tree) = self.tree(page) {
                tree.park();
                self.parked.push((page, copy));
            }
        }
    }

    /// Ends the listing of a node; `rest` is what is still to be read of it.
    fn close_node(&mut self, crawl: &mut Crawl, page: Uuid, rest: Vec<Node>) {
        let client = tree_client(crawl);
        if let Some(tree) = self.tree(page) {
            for node in rest {
                crawl.queue.push(tree.node_job(&client, page, node));
            }
            tree.closed();
        }
        self.finish_tree(crawl, page);
    }

    /// Takes in that a node's first result page was refused; returns whether there is another way to its children.
    pub(super) fn children_refused(
        &mut self,
        crawl: &mut Crawl,
        page: Uuid,
        mut listing: NodeListing,
    ) -> bool {
        let Some(tree) = self.tree(page) else { return false };
        tree.begun();
        tree.is_refused |= listing.node.id == page;
        let rest = tree.reading.end(&mut listing, true);
        let has_other_way = !rest.is_empty();
        tree.is_doubtful |= !has_other_way;
        self.close_node(crawl, page, rest);
        has_other_way
    }

    /// Takes in that a node's children could not be read.
    pub(super) fn children_failed(&mut self, crawl: &mut Crawl, page: Uuid, error: &ReadError) {
        crawl.fail_tree(error);
        if let Some(tree) = self.tree(page) {
            tree.has_failed = true;
            tree.closed();
        }
        self.finish_tree(crawl, page);
    }

    /// Delivers the version of a page's tree once all of it was read.
    fn finish_tree(&mut self, crawl: &mut Crawl, page: Uuid) {
        let Some(reading) = self.reading(page) else { return };
        let Some(tree) = reading.tree.take_if(|tree| tree.is_done()) else { return };
        let due = reading.page;
        if !tree.has_failed && !tree.is_refused {
            let has_content = tree.reading.has_blocks;
            let asked_at = tree.reading.asked_at.unwrap_or(DateTime::UNIX_EPOCH);
            let is_running = due.edited.is_some_and(|edited| !edited.is_over(asked_at));
            let version = Version { edited: due.edited, checksum: due.checksum };
            let of_trees: Vec<usize> = due_streams(&crawl.streams, due.streams)
                .into_iter()
                .filter(|(_index, stream)| matches!(stream.source, Source::Blocks))
                .map(|(index, _stream)| index)
                .collect();
            for index in of_trees {
                let state = &crawl.streams[index].state;
                // What is refused again is refused for good.
                let is_second = state
                    .ledger
                    .delivered(page)
                    .is_some_and(|before| before.version == version && before.is_unsettled);
                let is_unsettled = is_running || (tree.is_doubtful && !is_second);
                if !has_content && state.may_have_content(page, due.created) {
                    crawl.send_marker(index, &tree.context);
                }
                crawl.deliver_content(index, page, Delivery { version, is_unsettled, has_content });
            }
        }
        self.finish_if_done(page);
    }

    /// Settles, as far as can be told, whose content the copies of synced blocks show; asks for the rest.
    ///
    /// Called when no other content is due: by then most originals were met in their own pages.
    pub(super) fn settle_copies(&mut self, crawl: &mut Crawl) -> bool {
        let mut is_any = false;
        for (page, copy) in std::mem::take(&mut self.parked) {
            match self.home_of(crawl, &copy) {
                Settled::Asked => self.parked.push((page, copy)),
                settled => {
                    is_any = true;
                    self.settle_copy(crawl, page, &copy, settled);
                }
            }
        }
        is_any
    }

    fn home_of(&mut self, crawl: &mut Crawl, copy: &SyncedCopy) -> Settled {
        match self.homes.get(&copy.original) {
            None => {
                self.homes.insert(copy.original, Home::Asked);
                crawl.queue.push(original_job(crawl, copy.original, copy.original));
                Settled::Asked
            }
            Some(Home::Asked) => Settled::Asked,
            Some(Home::Hidden) => Settled::ReadThrough { is_original_visible: false },
            Some(Home::Failed) => Settled::Failed,
            Some(Home::Page(home)) => match crawl.inventory.seen(*home) {
                Some(seen) if seen.edited.is_none_or(|edited| edited.start() >= crawl.options.start) => {
                    Settled::ElsewhereRead
                }
                Some(_old) => Settled::ReadThrough { is_original_visible: true },
                None if crawl.look_up(Kind::Page, *home, false) => Settled::Asked,
                None if crawl.lookups.is_open(*home) => Settled::Asked,
                None => Settled::ReadThrough { is_original_visible: true },
            },
        }
    }

    fn settle_copy(&mut self, crawl: &mut Crawl, page: Uuid, copy: &SyncedCopy, settled: Settled) {
        let client = tree_client(crawl);
        if let Some(tree) = self.tree(page) {
            tree.unpark();
            match settled {
                Settled::ReadThrough { is_original_visible } if tree.reading.enter(copy.original) => {
                    let node = Node::copied(copy, is_original_visible);
                    crawl.queue.push(tree.node_job(&client, page, node));
                }
                Settled::Failed => tree.has_failed = true,
                Settled::ReadThrough { .. } | Settled::ElsewhereRead | Settled::Asked => {}
            }
        }
        self.finish_tree(crawl, page);
    }

    /// Takes in a block on the way from an original up to its page.
    pub(super) fn original_came(&mut self, crawl: &mut Crawl, original: Uuid, block: &RawObject<'_>) {
        use crate::workspace::{BlockParent, parent_of_block};
        let home = match parent_of_block(block).filter(|_| !block.is_true("in_trash")) {
            Some(BlockParent::Page(page)) => Home::Page(page),
            Some(BlockParent::Block(parent)) => {
                return crawl.queue.push(original_job(crawl, original, parent));
            }
            None => Home::Hidden,
        };
        self.homes.insert(original, home);
    }

    /// Takes in that the page of an original could not be asked for.
    pub(super) fn fail_original(&mut self, crawl: &mut Crawl, original: Uuid, error: &ReadError) {
        crawl.fail_tree(error);
        self.homes.insert(original, Home::Failed);
    }

    /// Takes in a result page of what a stream lists for a page, or the end of the listing.
    pub(super) fn page_listing_came(
        &mut self,
        crawl: &mut Crawl,
        index: usize,
        page: Uuid,
        listing: Box<Listing>,
        results: Option<ResultPage>,
    ) {
        let Some(results) = results else { return self.finish_list(crawl, index, page) };
        let Some(part) = self.list_part(index, page) else { return };
        if listing.has_restarted() {
            part.restart();
        }
        part.take_in(results);
        if part.kept_bytes > MAX_KEPT_BYTES {
            part.is_sent = true;
            part.kept_bytes = 0;
            let kept = std::mem::take(&mut part.kept);
            let context = part.context.clone();
            crawl.send_list(index, &context, &kept);
        }
        crawl.queue.push(page_listing_job(index, page, listing));
    }

    /// Sends what a stream lists for a page if it is not what was delivered.
    fn finish_list(&mut self, crawl: &mut Crawl, index: usize, page: Uuid) {
        let created = self.reading(page).and_then(|reading| reading.page.created);
        let Some(part) = self.take_list_part(index, page) else { return };
        let asked_at = part.asked_at.unwrap_or(DateTime::UNIX_EPOCH);
        let Some(stream) = crawl.streams.get_mut(index) else { return };
        let before = stream.state.ledger.delivered(page);
        let floor = stream.state.floor_of(page).filter(|_| before.is_none());
        let is_below_floor = floor.is_some_and(|floor| part.newest.is_some_and(|newest| newest < floor));
        let is_same =
            before.is_some_and(|before| before.version.checksum == part.fingerprint && !before.is_unsettled);
        let is_news = part.is_sent || (!is_same && !is_below_floor);
        if is_news && part.count > 0 {
            crawl.send_list(index, &part.context, &part.kept);
        } else if is_news && stream.state.may_have_content(page, created) {
            crawl.send_marker(index, &part.context);
        }
        let is_unsettled = part.newest.and_then(Minute::of).is_some_and(|newest| !newest.is_over(asked_at));
        let version = Version { edited: Minute::of(asked_at), checksum: part.fingerprint };
        crawl.deliver_content(index, page, Delivery { version, is_unsettled, has_content: part.count > 0 });
        self.finish_if_done(page);
    }

    /// Ends what a stream lists or asks for of a page without a version.
    pub(super) fn part_failed(&mut self, index: usize, page: Uuid) {
        drop(self.take_list_part(index, page));
        if let Some(reading) = self.reading(page) {
            reading.objects.retain(|(stream, _context)| *stream != index);
        }
        self.finish_if_done(page);
    }

    /// Takes in what a stream asks for of a page.
    pub(super) fn page_object_came(&mut self, crawl: &mut Crawl, index: usize, page: Uuid, answer: &Answer) {
        let Some(reading) = self.reading(page) else { return };
        let position = reading.objects.iter().position(|(stream, _context)| *stream == index);
        let Some((_stream, context)) = position.map(|position| reading.objects.swap_remove(position)) else {
            return;
        };
        let due = reading.page;
        if let Some(object) = RawObject::parse(&answer.body) {
            crawl.send_content(index, object, &context);
            let is_unsettled = due.edited.is_some_and(|edited| !edited.is_over(answer.asked_at));
            let version = Version { edited: due.edited, checksum: due.checksum };
            crawl.deliver_content(index, page, Delivery { version, is_unsettled, has_content: true });
        }
        self.finish_if_done(page);
    }

    fn list_part(&mut self, index: usize, page: Uuid) -> Option<&mut ListPart> {
        self.reading(page)?.lists.iter_mut().find(|part| part.stream == index)
    }

    fn take_list_part(&mut self, index: usize, page: Uuid) -> Option<ListPart> {
        let reading = self.reading(page)?;
        let position = reading.lists.iter().position(|part| part.stream == index)?;
        Some(reading.lists.swap_remove(position))
    }
}

/// What a result page of a tree showed beside blocks.
#[derive(Debug, Default)]
struct TreeSink {
    pages: Vec<Uuid>,
    databases: Vec<Uuid>,
    originals: Vec<Uuid>,
    copies: Vec<SyncedCopy>,
    skipped: Vec<&'static str>,
}

/// What follows for a copy of a synced block.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Settled {
    /// It is being asked for.
    Asked,
    /// The content belongs to a page that is read on its own.
    ElsewhereRead,
    /// The content is read through the copy.
    ReadThrough { is_original_visible: bool },
    /// Asking for it failed.
    Failed,
}

fn tree_client(crawl: &Crawl) -> crate::client::NotionClient {
    let of_trees = crawl.streams.iter().find(|stream| matches!(stream.source, Source::Blocks));
    of_trees.map_or(&crawl.listing_client, |stream| &stream.client).clone()
}

fn original_job(crawl: &Crawl, original: Uuid, block: Uuid) -> Job {
    let step = Step::Get(tree_client(crawl), format!("/v1/blocks/{block}"));
    Job { subject: Subject::Original { original, block }, step }
}

/// The streams whose bits are set, by their index among those that read content.
fn due_streams(streams: &[StreamReader], bits: u32) -> Vec<(usize, &StreamReader)> {
    let content = streams.iter().enumerate().filter(|(_index, stream)| stream.source.reads_content());
    let is_set = |place: &usize| bits >> place & 1 == 1;
    content.enumerate().filter(|(place, _stream)| is_set(place)).map(|(_place, stream)| stream).collect()
}

/// The page as due, if its content is due for any stream.
fn due_page(crawl: &mut Crawl, id: Uuid, seen: &Seen) -> Option<DuePage> {
    if seen.edited.is_some_and(|edited| edited.start() < crawl.options.start) {
        return None;
    }
    let trust = if seen.is_copy { Trust::Copy } else { Trust::Certain };
    // Content has no checksum; that of the page stands in where the page says no time.
    let checksum = if seen.edited.is_none() { seen.checksum } else { 0 };
    let version = Version { edited: seen.edited, checksum };
    let now = crawl.client.notion_time().unwrap_or_else(Utc::now);
    let (mut streams, mut asked, mut is_edited) = (0_u32, None, false);
    let content = crawl.streams.iter_mut().filter(|stream| stream.source.reads_content());
    for (place, stream) in content.enumerate().filter(|(_place, stream)| stream.is_read()) {
        let is_due = if let Source::PageListing(_) = stream.source {
            let before = stream.state.ledger.delivered(id);
            asked = asked.max(before.and_then(|before| before.version.edited));
            !stream.state.ledger.is_fresh(id)
                && is_listing_due(before, seen.edited, now, crawl.options.comments_every)
        } else {
            let is_due = stream.state.judge(Kind::Page, id, version, trust).is_due();
            is_edited |= is_due;
            is_due
        };
        streams |= u32::from(is_due) << place;
    }
    (streams != 0).then_some(DuePage {
        id,
        edited: seen.edited,
        created: seen.created,
        checksum,
        streams,
        asked,
        is_edited,
    })
}

/// Whether what belongs to a page is to be listed: always, unless it may rest and has nothing that could have changed.
fn is_listing_due(
    before: Option<Delivery>,
    edited: Option<Minute>,
    now: DateTime<Utc>,
    rest: chrono::TimeDelta,
) -> bool {
    let Some(before) = before else { return true };
    let Some(asked) = before.version.edited else { return true };
    let is_resting = asked.start() + rest > now;
    !is_resting || before.has_content || before.is_unsettled || edited.is_none_or(|edited| edited >= asked)
}

fn add_to_tree_streams(
    streams: &mut [StreamReader],
    emitter: &Emitter,
    batches: &mut Batches,
    block: &RawObject<'_>,
    context: &Context<'_>,
) {
    for (index, stream) in streams.iter_mut().enumerate() {
        if stream.is_read()
            && matches!(stream.source, Source::Blocks)
            && let Some(batch) = batches.of(index, stream, emitter)
        {
            stream.add(batch, block.clone(), context);
        }
    }
}

impl ListPart {
    fn new(stream: usize, context: PageContext) -> Self {
        Self {
            stream,
            context,
            asked_at: None,
            kept: Vec::new(),
            kept_bytes: 0,
            seen: HashSet::new(),
            fingerprint: 0,
            count: 0,
            newest: None,
            is_sent: false,
        }
    }
}

impl ListPart {
    /// Takes in a result page.
    fn take_in(&mut self, results: ResultPage) {
        self.asked_at.get_or_insert(results.asked_at);
        let mut is_again = Vec::new();
        for (place, entry) in results.results().enumerate() {
            let Some(entry) = entry else { continue };
            if entry.id("id").is_some_and(|id| !self.seen.insert(id)) {
                is_again.push(place);
                continue;
            }
            let (id, time) = (entry.text("id").unwrap_or_default(), entry.text("last_edited_time"));
            self.fingerprint = self.fingerprint.wrapping_add(entry_hash(&id, &time.unwrap_or_default()));
            self.newest = self.newest.max(entry.time("last_edited_time"));
            self.count += 1;
        }
        self.kept_bytes += results.record_room();
        self.kept.push(KeptPage { results, is_again });
    }
}

impl Crawl {
    /// Remembers an object that a tree or database showed, until it is read or gone.
    pub(super) fn remember_met(&mut self, kind: Kind, id: Uuid) {
        for stream in self.listed_streams() {
            let is_of_kind = match stream.source {
                Source::Objects(ObjectKind::DataSource) => kind != Kind::Page,
                _ => true,
            };
            if is_of_kind {
                stream.state.ledger.know(kind, id);
                stream.has_progress = true;
            }
        }
    }

    /// Sends what a stream lists for a page.
    fn send_list(&mut self, index: usize, context: &PageContext, kept: &[KeptPage]) {
        let Some(stream) = self.streams.get_mut(index) else { return };
        let room = kept.iter().map(|kept| kept.results.record_room()).sum();
        let mut batch = self.output.emitter.batch(&stream.name, room);
        let context = Context { page: Some(context), place: None };
        for KeptPage { results, is_again } in kept {
            for (place, entry) in results.results().enumerate() {
                match entry {
                    Some(_again) if is_again.contains(&place) => {}
                    Some(entry) => stream.add(&mut batch, entry, &context),
                    None => stream.tally.skip("result that is not an object"),
                }
            }
        }
        self.output.records(stream, batch);
    }

    /// Sends the record that says that a page has nothing of a stream any more.
    fn send_marker(&mut self, index: usize, context: &PageContext) {
        let text = format!(r#"{{"object":"page","id":{}}}"#, context.id);
        let mut marker = RawObject::parse(&text).expect("it is an object");
        if self.streams.get(index).is_some_and(|stream| matches!(stream.source, Source::Blocks)) {
            marker.set("depth", "0");
        }
        self.send_content(index, marker, context);
    }

    fn send_content(&mut self, index: usize, object: RawObject<'_>, context: &PageContext) {
        let Some(stream) = self.streams.get_mut(index) else { return };
        let mut batch = self.output.emitter.batch(&stream.name, 0);
        stream.add(&mut batch, object, &Context { page: Some(context), place: None });
        self.output.records(stream, batch);
    }

    /// Notes that what belongs to a page was delivered.
    fn deliver_content(&mut self, index: usize, page: Uuid, delivery: Delivery) {
        let Some(stream) = self.streams.get_mut(index) else { return };
        stream.state.ledger.deliver(Kind::Page, page, delivery);
        stream.state.read_at = self.clock.last();
        stream.has_progress = true;
        if let Some(seen) = self.inventory.seen(page) {
            stream.state.ledger.note_found(page, seen.is_unlisted, seen.is_archived);
        }
    }
}
