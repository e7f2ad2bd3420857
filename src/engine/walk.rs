//! The walk over all pages, in the order of their last edit, and how far it got.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeSet, HashMap, HashSet},
    rc::Rc,
};

use chrono::{DateTime, Utc};
use tracing::info;
use uuid::Uuid;

use super::{
    Node, PageRef, ReadError, Resume, Unlisted,
    run::{Run, Task},
    stream_run::StreamRun,
    visit::Visit,
};
use crate::streams::PageReader;

/// A page whose tree is being read.
///
/// A page that no listing shows is a part of the page in which it was found: that one is not done before.
#[derive(Debug)]
pub(super) struct Root {
    pub(super) page: PageRef,
    /// Its place in the walk's order; none for pages that no listing showed.
    position: Option<usize>,
    /// Whether it is on the retry list of some stream.
    is_retried: bool,
    parent: Option<Rc<Self>>,
    pending: Cell<usize>,
    /// Blocks whose children are read or were, by stream.
    entered: RefCell<HashSet<(usize, Uuid)>>,
    /// Streams for which it could not be read.
    failed: RefCell<HashSet<usize>>,
    /// What no listing shows and was found below; known only once the page is done.
    found: RefCell<Unlisted>,
}

impl Root {
    fn new(page: PageRef, position: Option<usize>, is_retried: bool, parent: Option<Rc<Self>>) -> Rc<Self> {
        Rc::new(Self {
            page,
            position,
            is_retried,
            parent,
            pending: Cell::new(0),
            entered: RefCell::default(),
            failed: RefCell::default(),
            found: RefCell::default(),
        })
    }

    /// One more piece of work belongs to it.
    pub(super) fn begin(&self) {
        self.pending.set(self.pending.get() + 1);
    }

    /// Whether a stream enters a block for the first time.
    pub(super) fn enter(&self, stream: usize, block: Uuid) -> bool {
        self.entered.borrow_mut().insert((stream, block))
    }

    /// The page of the walk's order that it belongs to.
    pub(super) fn top(self: &Rc<Self>) -> Rc<Self> {
        self.parent.as_ref().map_or_else(|| Rc::clone(self), Self::top)
    }

    /// Whether everything of it was read for a stream.
    pub(super) fn is_read_by(self: &Rc<Self>, stream: usize) -> bool {
        let top = self.top();
        top.pending.get() == 0 && !top.failed.borrow().contains(&stream)
    }

    pub(super) fn found_page(self: &Rc<Self>, id: Uuid) {
        self.top().found.borrow_mut().pages.insert(id);
    }

    pub(super) fn found_data_source(self: &Rc<Self>, id: Uuid) {
        self.top().found.borrow_mut().data_sources.insert(id);
    }
}

/// So many pages may be done behind one that is still being read before a state names that one and goes past it.
const MAX_LAG: usize = 50;

/// How far a walk got, as a state may say it.
#[derive(Clone, Debug, Default)]
pub(super) struct Reached {
    /// Every page up to there is done, but for the stragglers.
    pub(super) resume: Option<Resume>,
    /// Pages that take much longer than those behind them.
    pub(super) stragglers: Vec<Uuid>,
}

/// The order of the walk and how much of it is done.
#[derive(Debug, Default)]
pub(super) struct Walk {
    order: Vec<PageRef>,
    is_done: Vec<bool>,
    /// Positions that were taken out of turn.
    taken: HashSet<usize>,
    /// Positions that are being read.
    under_way: BTreeSet<usize>,
    next: usize,
    /// The length of the longest prefix that is done.
    done_prefix: usize,
    /// Behind the last position that is done.
    done_end: usize,
    done_count: usize,
    /// Pages that a walk before this one did, to be counted with its own.
    done_before: usize,
}

impl Walk {
    pub(super) fn new(mut order: Vec<PageRef>) -> Self {
        order.sort_unstable();
        Self { is_done: vec![false; order.len()], order, ..Self::default() }
    }

    /// The walk that comes after this one.
    fn followed_by(&self, order: Vec<PageRef>) -> Self {
        Self { done_before: self.done_before + self.done_count, ..Self::new(order) }
    }

    /// How far it got, if anywhere.
    pub(super) fn reached(&self, until: DateTime<Utc>) -> Reached {
        // Beyond `next` only pages are done that were taken out of turn.
        let end = self.done_end.min(self.next);
        let is_held_up = end.saturating_sub(self.done_prefix) > MAX_LAG;
        let end = if is_held_up { end } else { self.done_prefix };
        let mark = end.checked_sub(1).and_then(|last| self.order.get(last));
        let stragglers = self.under_way.range(..end).filter_map(|position| self.order.get(*position));
        Reached {
            resume: mark.map(|mark| Resume { mark: *mark, until }),
            stragglers: stragglers.map(|page| page.id).collect(),
        }
    }

    /// Pages done, and pages in all.
    pub(super) fn progress(&self) -> (usize, usize) {
        (self.done_before + self.done_count, self.done_before + self.order.len())
    }

    fn take(&mut self) -> Option<(usize, PageRef)> {
        while self.taken.contains(&self.next) {
            self.next += 1;
        }
        let position = self.next;
        let page = *self.order.get(position)?;
        self.next += 1;
        self.under_way.insert(position);
        Some((position, page))
    }

    /// Takes these pages out of turn: where they are, if anywhere.
    fn take_early(&mut self, pages: &HashSet<Uuid>) -> HashMap<Uuid, usize> {
        let found = self.order.iter().enumerate().filter(|(_position, page)| pages.contains(&page.id));
        let found: HashMap<Uuid, usize> = found.map(|(position, page)| (page.id, position)).collect();
        self.taken.extend(found.values());
        self.under_way.extend(found.values());
        found
    }

    fn finish(&mut self, position: usize) {
        if let Some(done) = self.is_done.get_mut(position) {
            *done = true;
            self.done_count += 1;
            self.done_end = self.done_end.max(position + 1);
            self.under_way.remove(&position);
        }
        while self.is_done.get(self.done_prefix) == Some(&true) {
            self.done_prefix += 1;
        }
    }
}

impl Run {
    /// Puts the enumerated pages in order; those that failed before come first.
    pub(super) fn begin_walk(&self) {
        let inventory = self.inventory.borrow();
        let readers = || self.streams.iter().filter(|stream| stream.page_reader().is_some());
        let retried: HashSet<Uuid> =
            self.streams.iter().flat_map(|stream| stream.state().retry().pages.keys().copied()).collect();
        let start = readers().map(|stream| stream.state().start()).min();
        let is_walked = |page: &PageRef| start.is_some_and(|start| page.last_edited_time >= start);
        let pages = inventory.pages().map(|(id, last_edited_time)| PageRef { last_edited_time, id });
        let mut walk = Walk::new(pages.filter(is_walked).collect());
        let positions = walk.take_early(&retried);
        let known: HashMap<Uuid, PageRef> =
            positions.iter().filter_map(|(id, position)| Some((*id, *walk.order.get(*position)?))).collect();
        *self.walk.borrow_mut() = walk;
        for id in retried {
            let page = known.get(&id);
            // Where the time is not known it does not matter: these are read whatever it is.
            let read = page.copied().unwrap_or(PageRef { last_edited_time: DateTime::<Utc>::MAX_UTC, id });
            let root = Root::new(read, positions.get(&id).copied(), true, None);
            // Streams that read no pages themselves wait for what is found below it.
            let is_waited_for =
                self.streams.iter().any(|stream| stream.page_reader().is_none() && stream.retries(id));
            let is_wanted = |stream: &StreamRun| {
                stream.retries(id)
                    || (is_waited_for && stream.page_reader().is_some_and(PageReader::finds_objects))
                    || page.is_some_and(|page| stream.wants(page, &inventory))
            };
            let tasks = self.tasks_of(&root, is_wanted);
            if let (true, Some(position)) = (tasks.is_empty(), root.position) {
                self.walk.borrow_mut().finish(position);
            }
            for task in tasks {
                self.queue.push(task);
            }
        }
    }

    /// Puts the pages in order that an earlier run had done in the walk that is now finished, for the streams that
    /// may find something new there; they go on from a state of their own.
    pub(super) fn begin_second_walk(&self) {
        let inventory = self.inventory.borrow();
        let pages = inventory.pages().map(|(id, last_edited_time)| PageRef { last_edited_time, id });
        let is_walked =
            |page: &PageRef| self.streams.iter().any(|stream| stream.catches_up_with(page, &inventory));
        let order: Vec<PageRef> = pages.filter(is_walked).collect();
        info!(
            "{} pages that the interrupted sync had done are asked again for what is new since.",
            order.len()
        );
        for stream in self.streams.iter().filter(|stream| stream.must_catch_up()) {
            stream.catch_up_from(self.state_to_catch_up_from(stream));
        }
        let next = self.walk.borrow().followed_by(order);
        *self.walk.borrow_mut() = next;
    }

    /// The work of the next page that has any.
    pub(super) fn next_page(&self) -> Vec<Task> {
        loop {
            let Some((position, page)) = self.walk.borrow_mut().take() else { return Vec::new() };
            let root = Root::new(page, Some(position), false, None);
            let tasks = self.tasks_of(&root, |stream| stream.wants(&page, &self.inventory.borrow()));
            if !tasks.is_empty() {
                return tasks;
            }
            self.walk.borrow_mut().finish(position);
        }
    }

    /// Reads a page that was found below another one.
    pub(super) fn walk_found(&self, page: PageRef, under: &Rc<Root>) {
        let root = Root::new(page, None, false, Some(Rc::clone(under)));
        let top = root.top().page.id;
        // One that is tried again is read on its own.
        let is_wanted = |stream: &StreamRun| {
            !stream.retries(page.id) && stream.wants_below(&page, top, &self.inventory.borrow())
        };
        let tasks = self.tasks_of(&root, is_wanted);
        if !tasks.is_empty() {
            under.begin();
            for task in tasks {
                self.queue.push(task);
            }
        }
    }

    fn tasks_of(&self, root: &Rc<Root>, wants: impl Fn(&StreamRun) -> bool) -> Vec<Task> {
        let mut tasks = Vec::new();
        for (stream, run) in self.streams.iter().enumerate() {
            let is_reading = run.page_reader().is_some() && !run.is_stopped() && !run.is_finished();
            if is_reading && wants(run) {
                root.begin();
                tasks.push(Task::Visit { stream, root: Rc::clone(root), node: Node::page(root.page.id) });
            }
        }
        tasks
    }

    /// Reads one node of a page for one stream.
    pub(super) async fn visit(&self, index: usize, root: &Rc<Root>, node: Node) -> Result<(), ReadError> {
        let Some(stream) = self.streams.get(index) else { return Ok(()) };
        let Some(reader) = stream.page_reader() else { return Ok(()) };
        let since = stream.since_below(root.page.id, root.top().page.id, &self.inventory.borrow());
        let visit = Visit { run: self, stream_index: index, stream, root, since };
        reader.read(&visit, node).await
    }

    /// Notes that a page cannot be read now for a stream: the next sync tries it first. Returns whether that is new.
    pub(super) fn fail_root(&self, index: usize, root: &Rc<Root>, error: &ReadError) -> bool {
        // What was found below a page is found again only when that page is read again.
        let top = root.top();
        let is_new = top.failed.borrow_mut().insert(index);
        let Some(failed) = self.streams.get(index) else { return is_new };
        let inventory = self.inventory.borrow();
        let is_finder = failed.page_reader().is_some_and(PageReader::finds_objects);
        // A stream that finds nothing would not come to it again that way.
        let page = if is_finder { top.page.id } else { root.page.id };
        let since = failed.since_below(page, top.page.id, &inventory);
        failed.fail_page(page, since, error, || self.position());
        if is_finder && !failed.is_stopped() {
            // Objects below the page that no listing shows are of these streams too.
            self.streams.iter().for_each(|stream| stream.remember_page(top.page.id, &inventory));
        }
        is_new
    }

    /// One piece of work of a page is done.
    pub(super) fn finish_part(&self, root: &Rc<Root>) {
        root.pending.set(root.pending.get() - 1);
        if root.pending.get() > 0 {
            return;
        }
        // It may be kept for long, as the way to an original of synced blocks.
        root.entered.take();
        if let Some(parent) = &root.parent {
            return self.finish_part(parent);
        }
        let failed = root.failed.borrow();
        // A stream that was stopped has not read it.
        let is_read_by =
            |(index, stream): (usize, &StreamRun)| !stream.is_stopped() && !failed.contains(&index);
        let is_finder = |stream: &StreamRun| stream.page_reader().is_some_and(PageReader::finds_objects);
        let is_whole =
            self.streams.iter().enumerate().filter(|(_index, stream)| is_finder(stream)).all(is_read_by);
        if is_whole {
            let found = root.found.take();
            let mut unlisted = self.unlisted.borrow_mut();
            unlisted.pages.extend(found.pages);
            unlisted.data_sources.extend(found.data_sources);
        }
        if root.is_retried {
            for (index, stream) in self.streams.iter().enumerate() {
                let is_read = if stream.page_reader().is_some() {
                    is_read_by((index, stream))
                } else {
                    is_whole && !stream.is_stopped()
                };
                if is_read {
                    stream.page_succeeded(root.page.id);
                }
            }
        }
        if let Some(position) = root.position {
            self.walk.borrow_mut().finish(position);
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_mark_passes_no_page_that_is_neither_done_nor_named(
            times in prop::collection::vec(0_i64..20, 1..200),
            workers in 1_usize..10,
            early in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
            finished in prop::collection::vec(any::<prop::sample::Index>(), 0..300),
        ) {
            let base: DateTime<Utc> = "2026-01-01T00:00:00Z".parse().unwrap();
            let page = |(index, minutes): (usize, &i64)| PageRef {
                last_edited_time: base + TimeDelta::minutes(*minutes),
                id: Uuid::from_u128(index as u128),
            };
            let mut walk = Walk::new(times.iter().enumerate().map(page).collect());
            let early: HashSet<Uuid> =
                early.iter().map(|index| Uuid::from_u128(index.index(times.len()) as u128)).collect();
            let mut under_way: Vec<usize> = walk.take_early(&early).into_values().collect();
            let mut done = HashSet::new();
            for index in finished {
                while under_way.len() < workers && let Some((position, _page)) = walk.take() {
                    under_way.push(position);
                }
                if under_way.is_empty() {
                    break;
                }
                let position = under_way.swap_remove(index.index(under_way.len()));
                walk.finish(position);
                done.insert(position);

                let Reached { resume, stragglers } = walk.reached(base);
                let prefix = (0..times.len()).take_while(|position| done.contains(position)).count();
                let mark = resume.map_or(0, |resume| {
                    1 + walk.order.iter().position(|page| *page == resume.mark).unwrap()
                });
                prop_assert!(mark >= prefix);
                let missing: Vec<Uuid> = (0..mark)
                    .filter(|position| !done.contains(position))
                    .map(|position| walk.order[position].id)
                    .collect();
                prop_assert_eq!(&stragglers, &missing);
                prop_assert!(mark == prefix || mark - prefix > MAX_LAG);
                prop_assert_eq!(walk.progress(), (done.len(), times.len()));
            }
        }
    }
}
