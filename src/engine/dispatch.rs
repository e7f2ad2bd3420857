//! Hands what is found to every stream for which it is due.

use tracing::debug;
use uuid::Uuid;

use super::{
    crawl::{Crawl, Guard, HeldObject},
    job::CutPage,
    ledger::{Delivery, Due, Kind, Trust, Version},
    lookups::Gone,
    output::Batches,
};
use crate::{
    record::RawObject,
    streams::{Context, Source},
    workspace::{Found, ObjectKind, Origin, truncated_values},
};

/// How many pages are kept while they wait for their cut values. Of more only the ids are kept.
const MAX_COMPLETING: usize = 200;

/// So many bytes of objects are kept while they may not be sent. Of more only the ids are kept.
const MAX_HELD_BYTES: usize = 4 * 1024 * 1024;

/// The ledger's kind of an object's kind.
pub(super) fn kind_of(kind: ObjectKind) -> Kind {
    match kind {
        ObjectKind::Page => Kind::Page,
        ObjectKind::DataSource => Kind::DataSource,
    }
}

/// How the completion of a page's cut values went.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Completed {
    /// All of them are whole.
    Whole,
    /// Notion did not show some of them.
    Refused,
    /// Some of them could not be read.
    Failed,
}

impl Crawl {
    /// Takes in an object: notes it, follows what it leads to, and sends it to the streams for which it is due.
    ///
    /// Returns whether it was not known, or not as it is.
    pub(super) fn found(&mut self, found: Found<'_>, batches: &mut Batches) -> bool {
        if found.is_in_trash() {
            self.found_in_trash(&found);
            return false;
        }
        // Of a row that search only names, its table tells what is so.
        let is_only_named = found.origin == Origin::Search && found.data_source().is_some();
        let checksum = if is_only_named { 0 } else { found.checksum() };
        let news = self.inventory.observe(&found, checksum);
        self.lookups.is_back(found.id);
        if news.is_first {
            self.note_first(&found);
        }
        if !is_only_named {
            self.dispatch(found, checksum, news.is_first, batches);
        }
        news.is_any
    }

    /// Sends an object that has no valid id: no ledger can have it, so it goes out in every sync.
    pub(super) fn found_without_id(
        &mut self,
        kind: ObjectKind,
        object: &RawObject<'_>,
        batches: &mut Batches,
    ) {
        let reason = match kind {
            ObjectKind::Page => "page without a valid id, whose content cannot be read",
            ObjectKind::DataSource => "data source without a valid id, whose rows cannot be listed",
        };
        self.skip(kind, reason, None);
        let streams: Vec<usize> = self.streams_of(kind).map(|(index, _stream)| index).collect();
        for index in streams {
            self.add_record(index, object.clone(), batches);
        }
    }

    /// What an object leads to, the first time that it is seen.
    fn note_first(&mut self, found: &Found<'_>) {
        match found.kind {
            ObjectKind::DataSource => self.queue_rows(found.id),
            ObjectKind::Page => {
                self.parents.extend(found.data_source());
                let is_old = found.edited().is_some_and(|edited| edited.start() < self.options.start);
                self.pages_before_start += u64::from(is_old);
                if let Guard::Undecided { missing } = self.guard
                    && self.is_delivered(found.id)
                {
                    self.guard = match missing.saturating_sub(1) {
                        0 => Guard::Open,
                        missing => Guard::Undecided { missing },
                    };
                }
            }
        }
        if found.origin == Origin::Id {
            let (id, kind) = (found.id, kind_of(found.kind));
            let knows = |stream: &&mut super::stream_reader::StreamReader| {
                stream.source.reads_pages()
                    || matches!(stream.source, Source::Objects(of) if of == found.kind)
            };
            self.listed_streams().filter(knows).for_each(|stream| stream.state.ledger.know(kind, id));
        }
    }

    /// Whether a version of a page was delivered for any stream.
    pub(super) fn is_delivered(&self, id: Uuid) -> bool {
        self.streams.iter().any(|stream| stream.state.ledger.delivered(id).is_some())
    }

    /// What lies in the trash is gone, for those who knew it.
    fn found_in_trash(&mut self, found: &Found<'_>) {
        if self.streams.iter().any(|stream| stream.state.ledger.knows(found.id)) {
            let object = Some(found.object.to_json());
            self.lookups.add_gone(Gone { kind: found.kind, id: found.id, object, at: found.asked_at });
            self.inventory.remove(found.id);
        } else if self.lookups.claim(found.id) {
            let reason = match found.kind {
                ObjectKind::Page => "page in the trash",
                ObjectKind::DataSource => "data source in the trash",
            };
            self.skip(found.kind, reason, None);
        }
    }

    /// Sends an object to the streams for which it is due.
    pub(super) fn dispatch(
        &mut self,
        found: Found<'_>,
        checksum: u32,
        is_first: bool,
        batches: &mut Batches,
    ) {
        let due = self.due_streams(&found, checksum, is_first);
        self.note_late(&found);
        if due.is_empty() {
            return self.note_found(&found);
        }
        if self.guard != Guard::Open || self.output.is_slow() {
            return self.hold(&found, checksum);
        }
        let truncated = if self.options.complete_properties && found.kind == ObjectKind::Page {
            truncated_values(&found.object)
        } else {
            Vec::new()
        };
        if truncated.is_empty() {
            self.deliver(&due, &found, checksum, batches);
        } else if self.completions.contains(&(found.id, found.edited(), checksum)) {
            // It is being completed, or that failed, and it is due again in the next run.
        } else if self.completing < MAX_COMPLETING {
            let Found { id, object, origin, asked_at, .. } = found;
            let is_unlisted = origin == Origin::Id;
            let page = object.into_owned();
            self.complete(CutPage { id, page, truncated, asked_at, is_unlisted, checksum });
        } else {
            self.held.ids.push((found.kind, found.id));
        }
    }

    /// The streams whose records are objects of this kind, and for which this one is due.
    fn due_streams(&mut self, found: &Found<'_>, checksum: u32, is_first: bool) -> Vec<usize> {
        let edited = found.edited();
        if edited.is_some_and(|edited| edited.start() < self.options.start) {
            if is_first {
                self.streams_of(found.kind).for_each(|(_, stream)| stream.tally.before_start += 1);
            }
            return Vec::new();
        }
        let trust = if found.origin == Origin::Search { Trust::Copy } else { Trust::Certain };
        let (mut due, mut is_silent_copy) = (Vec::new(), false);
        for (index, stream) in self.streams_of(found.kind) {
            match stream.state.judge(kind_of(found.kind), found.id, Version { edited, checksum }, trust) {
                // The index may be older than the page within the same minute, so the page itself is asked.
                Due::Silent if trust == Trust::Copy => is_silent_copy = true,
                Due::New | Due::Edited | Due::Unsettled | Due::Silent => due.push(index),
                Due::No | Due::Stale => stream.tally.unchanged += u64::from(is_first),
            }
        }
        if is_silent_copy && due.is_empty() {
            debug!(id = %found.id, "Search shows another version of the same minute, so the object itself is asked.");
            self.look_up(kind_of(found.kind), found.id, false);
        }
        due
    }

    /// The streams whose records are objects of a kind, as far as they are read.
    fn streams_of(
        &mut self,
        kind: ObjectKind,
    ) -> impl Iterator<Item = (usize, &mut super::stream_reader::StreamReader)> {
        self.streams.iter_mut().enumerate().filter(move |(_index, stream)| {
            stream.is_read() && matches!(stream.source, Source::Objects(of) if of == kind)
        })
    }

    /// Queues the records of an object, and notes that its version is delivered.
    fn deliver(&mut self, due: &[usize], found: &Found<'_>, checksum: u32, batches: &mut Batches) {
        let edited = found.edited();
        let is_unsettled = edited.is_some_and(|edited| !edited.is_over(found.asked_at));
        let delivery = Delivery { version: Version { edited, checksum }, is_unsettled, has_content: false };
        for index in due {
            self.add_record(*index, found.object.clone(), batches);
            if let Some(stream) = self.streams.get_mut(*index) {
                stream.state.ledger.deliver(kind_of(found.kind), found.id, delivery);
                stream.has_progress = true;
            }
        }
        self.note_found(found);
    }

    /// Queues the record of an object whose values were completed, as far as they were.
    pub(super) fn deliver_completed(&mut self, cut: &CutPage, page: RawObject<'_>, completed: Completed) {
        let origin = if cut.is_unlisted { Origin::Id } else { Origin::Search };
        let Ok(found) = Found::new(page, ObjectKind::Page, origin, cut.asked_at) else { return };
        // A later version may have overtaken it.
        if self.inventory.seen(cut.id).is_none_or(|seen| seen.edited != found.edited()) {
            return;
        }
        let mut batches = Batches::new(self.streams.len());
        let version = Version { edited: found.edited(), checksum: cut.checksum };
        let streams = self.streams_of(ObjectKind::Page);
        let is_due = |stream: &mut super::stream_reader::StreamReader| {
            stream.state.judge(Kind::Page, cut.id, version, Trust::Certain).is_due()
        };
        let due: Vec<usize> = streams.filter_map(|(index, stream)| is_due(stream).then_some(index)).collect();
        let refused_before = |index: &usize| {
            let before = self.streams.get(*index).and_then(|stream| stream.state.ledger.delivered(cut.id));
            before.is_some_and(|before| before.version == version && before.is_unsettled)
        };
        let refused_again: Vec<bool> = due.iter().map(refused_before).collect();
        self.deliver(&due, &found, cut.checksum, &mut batches);
        for (index, is_again) in due.iter().zip(refused_again) {
            let Some(stream) = self.streams.get_mut(*index) else { continue };
            match completed {
                Completed::Whole => {}
                // It may have been unshared for a moment, which no time tells. What is refused again is refused for good.
                Completed::Refused if is_again => {}
                Completed::Refused => stream.state.ledger.unsettle(cut.id),
                // The record goes out as far as it is known. The page is due again in the next run, which must know of it
                // even if it is gone by then.
                Completed::Failed => stream.state.ledger.withdraw(cut.id),
            }
        }
        batches.send(&mut self.streams, &mut self.output);
    }

    fn add_record(&mut self, index: usize, object: RawObject<'_>, batches: &mut Batches) {
        let Some(stream) = self.streams.get_mut(index) else { return };
        if let Some(batch) = batches.of(index, stream, &self.output.emitter) {
            stream.add(batch, object, &Context::default());
        }
    }

    /// Notes in every ledger that has the object how it was found.
    fn note_found(&mut self, found: &Found<'_>) {
        let Some(seen) = self.inventory.seen(found.id) else { return };
        for stream in &mut self.streams {
            stream.state.ledger.note_found(found.id, seen.is_unlisted, seen.is_archived);
        }
    }

    /// Notes that the content of a page may be due, where the content was queued already.
    fn note_late(&mut self, found: &Found<'_>) {
        if self.is_content_queued && found.kind == ObjectKind::Page {
            self.late_pages.push(found.id);
        }
    }

    /// Keeps an object until it may be sent.
    fn hold(&mut self, found: &Found<'_>, checksum: u32) {
        let text = found.object.to_json();
        if self.held.bytes + text.len() > MAX_HELD_BYTES {
            self.held.ids.push((found.kind, found.id));
            return;
        }
        self.held.bytes += text.len();
        let (kind, origin, asked_at) = (found.kind, found.origin, found.asked_at);
        self.held.objects.push(HeldObject { text, kind, origin, asked_at, checksum });
    }

    /// Sends what was held, if it may be sent now; returns whether anything was held.
    pub(super) fn release_held(&mut self) -> bool {
        if self.guard != Guard::Open || self.output.is_slow() {
            return false;
        }
        let objects = std::mem::take(&mut self.held.objects);
        self.held.bytes = 0;
        let mut batches = Batches::new(self.streams.len());
        for HeldObject { text, kind, origin, asked_at, checksum } in &objects {
            let object = RawObject::parse(text);
            let found = object.map(|object| Found::new(object, *kind, *origin, *asked_at));
            if let Some(Ok(found)) = found {
                self.dispatch(found, *checksum, false, &mut batches);
            }
        }
        batches.send(&mut self.streams, &mut self.output);
        let room = MAX_COMPLETING.saturating_sub(self.completing).min(self.held.ids.len());
        let ids: Vec<_> = self.held.ids.drain(..room).collect();
        for (kind, id) in &ids {
            self.lookups.unclaim(*id);
            self.look_up(kind_of(*kind), *id, false);
        }
        !objects.is_empty() || !ids.is_empty()
    }
}
