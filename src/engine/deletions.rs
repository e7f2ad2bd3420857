//! What no listing shows any more: it is asked for by its id, and what is gone is told.
//!
//! Absence is never a deletion: only an answer about that very id is. Before deletions go out, a state goes out in which these
//! entries have no version, so that an object that comes back after a kill is due.

use std::collections::HashSet;

use chrono::{DateTime, SecondsFormat, Utc};
use tracing::info;
use uuid::Uuid;

use super::{
    crawl::{Crawl, Guard},
    job::{Job, Step, Subject},
    ledger::Kind,
    lookups::{Gone, MOST_LOOKUPS, SEARCH_TRASH_ABOVE},
    output::Batches,
    stream_reader::DELETED_AT,
};
use crate::{
    error::ReadError,
    record::{RawObject, quoted},
    streams::Source,
    workspace::{Found, Minute, ObjectKind, Search, Seen},
};

impl Crawl {
    /// Decides at the start of a run whether what is found has to wait until enough of the known pages were shown.
    pub(super) fn set_guard(&mut self) {
        let known = self.known_pages().len();
        let is_held = self.streams.iter().any(|stream| stream.state.held > 0);
        self.guard = match known.div_ceil(2) {
            half if known >= 20 || (is_held && known > 0) => Guard::Undecided { missing: half },
            _few => Guard::Open,
        };
    }

    /// The pages of which a version was delivered for any stream.
    fn known_pages(&self) -> HashSet<Uuid> {
        let mut known = HashSet::new();
        for stream in &self.streams {
            let ledger = &stream.state.ledger;
            known.extend(ledger.ids(Kind::Page).filter(|id| ledger.delivered(*id).is_some()));
        }
        known
    }

    /// The known pages that no listing showed, those asked for longest ago first.
    fn unshown_pages(&self) -> Vec<Uuid> {
        let mut unshown: Vec<(Option<Minute>, Uuid)> = Vec::new();
        let mut met = HashSet::new();
        for stream in self.streams.iter().filter(|stream| stream.source.reads_pages()) {
            let ledger = &stream.state.ledger;
            for id in ledger.ids(Kind::Page) {
                let is_left_out = self.inventory.has(id)
                    || self.lookups.was_asked(id)
                    || (ledger.is_archived(id) && !self.reads_archived)
                    || !(self.options.report_deletions
                        || ledger.is_unlisted(id)
                        || ledger.delivered(id).is_none());
                if !is_left_out && met.insert(id) {
                    unshown.push((ledger.looked_up(id), id));
                }
            }
        }
        unshown.sort_unstable();
        unshown.into_iter().map(|(_asked, id)| id).collect()
    }

    /// Asks for everything but pages that is known and not shown; returns whether there was any.
    pub(super) fn look_up_sources(&mut self) -> bool {
        let mut ids: Vec<(Kind, Uuid)> = self.parents.iter().map(|id| (Kind::DataSource, *id)).collect();
        for stream in self.streams.iter().filter(|stream| stream.is_read()) {
            for kind in [Kind::DataSource, Kind::Database] {
                ids.extend(stream.state.ledger.ids(kind).map(|id| (kind, id)));
            }
        }
        ids.sort_unstable_by_key(|(_kind, id)| *id);
        ids.dedup();
        let mut is_any = false;
        for (kind, id) in ids {
            if !self.inventory.has(id) && !self.lookups.has_gone_object(id) {
                is_any |= self.look_up(kind, id, false);
            }
        }
        is_any
    }

    /// Asks for rows that search named, that their tables did not show, and that are due.
    pub(super) fn look_up_named_rows(&mut self) -> bool {
        let named: Vec<(Uuid, Seen)> =
            self.inventory.of_kind(ObjectKind::Page).filter(|(_id, seen)| seen.is_copy).collect();
        let start = self.options.start;
        let mut is_any = false;
        for (id, seen) in named {
            if seen.edited.is_some_and(|edited| edited.start() < start) {
                continue;
            }
            let is_due = self.page_streams().any(|stream| stream.is_copy_due(id, &seen));
            is_any |= is_due && self.look_up(Kind::Page, id, false);
        }
        is_any
    }

    /// Asks for known pages that no listing showed; where they are many, the trash is searched first.
    pub(super) fn look_up_unshown(&mut self) {
        let unshown = self.unshown_pages().len();
        if unshown > SEARCH_TRASH_ABOVE && self.lookups.claim_trash() {
            let search = Search::of_trash(self.client_of(ObjectKind::Page), ObjectKind::Page);
            self.queue.push_listing(Job { subject: Subject::Trash, step: Step::Search(Box::new(search)) });
        } else {
            self.look_up_pages();
        }
    }

    /// Asks for known pages that neither a listing nor the trash showed.
    pub(super) fn look_up_pages(&mut self) {
        let now = self.client.notion_time().unwrap_or_else(Utc::now);
        let unshown = self.unshown_pages();
        if unshown.len() > MOST_LOOKUPS {
            info!(
                "{} known pages are shown by no listing; {MOST_LOOKUPS} of them are asked for.",
                unshown.len()
            );
        }
        for id in unshown
            .into_iter()
            .filter(|id| !self.lookups.has_gone_object(*id))
            .take(MOST_LOOKUPS)
            .collect::<Vec<_>>()
        {
            if self.is_delivered(id) {
                self.lookups.count_unshown();
            }
            for stream in &mut self.streams {
                stream.state.ledger.note_lookup(id, Minute::of(now));
            }
            self.look_up(Kind::Page, id, true);
        }
    }

    /// Decides, after what is missing was asked for, whether this is the workspace that the ledgers know. Where it is not, the
    /// streams end.
    pub(super) fn decide_guard(&mut self) {
        let known = self.known_pages();
        let is_unexplained = |id: &&Uuid| {
            !self.inventory.has(**id) && !self.lookups.was_asked(**id) && !self.lookups.has_gone_object(**id)
        };
        let unexplained = known.iter().filter(is_unexplained).count();
        let held = self.streams.iter().map(|stream| stream.state.held).max().unwrap_or_default();
        let missing = self.lookups.is_suspicious(known.len(), unexplained, held);
        for stream in self.streams.iter_mut().filter(|stream| stream.has_ledger()) {
            let before = std::mem::replace(&mut stream.state.held, missing.unwrap_or_default() as u64);
            stream.has_progress |= before != stream.state.held;
        }
        match missing {
            None => self.guard = Guard::Open,
            Some(missing) => {
                let error = ReadError::MostPagesMissing { missing, known: known.len() };
                self.listed_streams().for_each(|stream| stream.stop(&error));
            }
        }
    }

    /// Tells what is gone: first a state in which these entries have no version, then the deletions.
    pub(super) fn tell_deletions(&mut self) {
        let mut gone = self.lookups.take_gone();
        gone.retain(|gone| !self.inventory.has(gone.id));
        if gone.is_empty() || !self.options.report_deletions {
            return;
        }
        for stream in self.streams.iter_mut().filter(|stream| stream.has_ledger() && !stream.is_finished()) {
            let mut is_concerned = false;
            for gone in &gone {
                is_concerned |= stream.state.ledger.knows(gone.id);
                stream.state.ledger.withdraw(gone.id);
            }
            if is_concerned {
                let state = stream.state.unfinished();
                self.output.state(stream, state);
            }
        }
        let mut batches = Batches::new(self.streams.len());
        for gone in &gone {
            self.tell_deletion(gone, &mut batches);
        }
        batches.send(&mut self.streams, &mut self.output);
    }

    fn tell_deletion(&mut self, gone: &Gone, batches: &mut Batches) {
        for (index, stream) in self.streams.iter_mut().enumerate() {
            let edited = stream.state.ledger.edited(gone.id);
            let is_told = match stream.source {
                Source::Objects(kind) => kind == gone.kind,
                Source::PageObject(_) => gone.kind == ObjectKind::Page,
                Source::Listing(_) | Source::Blocks | Source::PageListing(_) => false,
            };
            // Without a time nothing of it was ever sent.
            if is_told
                && edited.is_some()
                && stream.is_read()
                && let Some(batch) = batches.of(index, stream, &self.output.emitter)
            {
                let shown = gone.object.as_deref().filter(|_| matches!(stream.source, Source::Objects(_)));
                stream.add_deletion(batch, &deletion(gone, shown, edited), shown.is_some());
            }
            if !stream.is_finished() {
                stream.state.ledger.forget(gone.id);
                stream.has_progress = true;
            }
        }
    }

    /// Takes in that Notion does not find an object any more.
    pub(super) fn not_found(&mut self, kind: ObjectKind, id: Uuid, at: DateTime<Utc>) {
        if self.inventory.has(id) {
            // A listing of this very run showed it.
            return self.skip(kind, "object that a listing shows and Notion does not find", Some(id));
        }
        if self.streams.iter().all(|stream| stream.state.ledger.edited(id).is_none()) {
            // Nothing of it was ever sent.
            self.streams.iter_mut().for_each(|stream| stream.state.ledger.forget(id));
            let reason = match kind {
                ObjectKind::Page => "page not found or not shared",
                ObjectKind::DataSource => "data source not found or not shared",
            };
            return self.skip(kind, reason, Some(id));
        }
        if self.options.report_deletions {
            self.lookups.add_gone(Gone { kind, id, object: None, at });
        }
    }

    /// Forgets a database that was asked for. One that was a page before is forgotten when it is told that the page is gone.
    pub(super) fn forget_database(&mut self, id: Uuid) {
        if !self.lookups.has_gone_object(id) {
            self.streams.iter_mut().for_each(|stream| stream.state.ledger.forget(id));
        }
    }

    /// Takes in what a search of the trash showed; returns whether pages are still missing.
    pub(super) fn trash_shown(&mut self, found: &Found<'_>) {
        let is_known = self.streams.iter().any(|stream| stream.state.ledger.knows(found.id));
        if found.is_in_trash() && is_known && !self.inventory.has(found.id) {
            let object = Some(found.object.to_json());
            self.lookups.add_gone(Gone { kind: found.kind, id: found.id, object, at: found.asked_at });
        }
    }

    /// Whether a known page is neither shown nor explained.
    pub(super) fn misses_pages(&self) -> bool {
        self.unshown_pages().iter().any(|id| !self.lookups.has_gone_object(*id))
    }
}

/// The record of a deletion: the object as Notion still shows it, or no more than its id. Its time is not below the one that
/// was sent last.
fn deletion(gone: &Gone, shown: Option<&str>, delivered: Option<Minute>) -> String {
    let id_alone = format!(r#"{{"id":{}}}"#, quoted(&gone.id.to_string()));
    let object = shown.and_then(RawObject::parse).or_else(|| RawObject::parse(&id_alone));
    let mut record = object.expect("an object that was parsed before, or one with an id");
    let time = record.time("last_edited_time").and_then(Minute::of).max(delivered);
    let time = time.map(|minute| quoted(&minute.start().to_rfc3339_opts(SecondsFormat::Millis, true)));
    record.set_or_null("last_edited_time", time);
    record.set(DELETED_AT, quoted(&gone.at.to_rfc3339_opts(SecondsFormat::Secs, true)));
    record.to_json()
}
