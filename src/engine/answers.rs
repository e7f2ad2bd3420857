//! What each answer changes: the only place where jobs that come back are applied.

use chrono::{DateTime, Utc};
use tracing::warn;
use uuid::Uuid;

use super::{
    dispatch::Completed,
    job::{CutPage, Job, Reply, Step, Subject},
    ledger::Kind,
    output::Batches,
    probe::Refused,
    reader::{Ended, Reader},
    scheduler::Done,
    verdict::Access,
};
use crate::{
    client::{Answer, ApiError, ListError, Listing, ResultPage},
    error::ReadError,
    record::RawObject,
    streams::Context,
    workspace::{
        Completion, Found, Gap, Incomplete, ObjectKind, Origin, Rows, Search, computed_properties,
        data_source_ids, kind_of, object_with_id,
    },
};

impl Reader<'_> {
    /// Applies a job that came back.
    pub(super) fn apply(&mut self, done: Done) -> Result<(), Ended> {
        let Done { subject, step, reply } = done;
        self.crawl.queue.came_back(&subject);
        match (reply, step) {
            (Ok(reply), Some(step)) => {
                // A completion says itself whether it failed.
                if !matches!(reply, Reply::Completed(_)) {
                    self.failures_in_a_row = 0;
                }
                self.succeed(subject, step, reply)
            }
            (Err(error), step) => self.fail(Refused { subject, step, error }),
            // A panic comes back as an error.
            (Ok(_reply), None) => Ok(()),
        }
    }

    fn succeed(&mut self, subject: Subject, step: Step, reply: Reply) -> Result<(), Ended> {
        match (subject, step, reply) {
            (Subject::Listing { stream }, Step::Listing(listing), Reply::Results(results)) => {
                self.listed(stream, listing, results.as_ref());
            }
            (Subject::Search { kind }, Step::Search(search), Reply::Results(results)) => {
                self.searched(kind, search, results.as_ref());
            }
            (Subject::Trash, Step::Search(search), Reply::Results(results)) => {
                self.trash_searched(search, results.as_ref());
            }
            (Subject::Rows { data_source, is_archived }, Step::Rows(rows), Reply::Results(results)) => {
                self.rows_came(data_source, is_archived, rows, results.as_ref());
            }
            (Subject::Children { page, .. }, Step::Children(listing), Reply::Results(results)) => {
                self.content.children_came(&mut self.crawl, page, *listing, results.as_ref());
            }
            (Subject::PageListing { stream, page }, Step::Listing(listing), Reply::Results(results)) => {
                self.note_answer(stream, page);
                self.content.page_listing_came(&mut self.crawl, stream, page, listing, results);
            }
            (Subject::Probe { capability }, _, _) => return self.probed(capability, Access::Granted),
            (Subject::Completion { id }, Step::Complete(_, cut), Reply::Completed(completion)) => {
                return self.completed(id, &cut, completion);
            }
            (subject, step, Reply::Object(answer)) => return self.object_came(subject, step, &answer),
            // No other step gives such a reply.
            (
                Subject::Listing { .. }
                | Subject::Search { .. }
                | Subject::Trash
                | Subject::Rows { .. }
                | Subject::Page { .. }
                | Subject::DataSource { .. }
                | Subject::Database { .. }
                | Subject::Completion { .. }
                | Subject::Children { .. }
                | Subject::Original { .. }
                | Subject::PageListing { .. }
                | Subject::PageObject { .. },
                _,
                _,
            ) => {}
        }
        Ok(())
    }

    /// A result page of the listing that a stream is made of.
    fn listed(&mut self, index: usize, mut listing: Box<Listing>, results: Option<&ResultPage>) {
        let Some(results) = results else { return self.finish(index) };
        let crawl = &mut self.crawl;
        let Some(stream) = crawl.streams.get_mut(index) else { return };
        let mut batch = crawl.output.emitter.batch(&stream.name, results.record_room());
        for result in results.results() {
            let Some(object) = result else {
                stream.tally.skip("result that is not an object");
                continue;
            };
            if object.id("id").is_none_or(|id| listing.is_new(id)) {
                stream.add(&mut batch, object, &Context::default());
            }
        }
        crawl.output.records(stream, batch);
        let subject = Subject::Listing { stream: index };
        self.crawl.queue.push(Job { subject, step: Step::Listing(listing) });
    }

    /// Takes in the results of a listing of the workspace; returns their times, and whether any was news.
    fn observe(
        &mut self,
        kind: ObjectKind,
        results: &ResultPage,
        origin: Origin,
    ) -> (Vec<DateTime<Utc>>, bool) {
        self.crawl.began.get_or_insert(results.asked_at);
        let mut batches = Batches::new(self.crawl.streams.len());
        let (mut times, mut has_news) = (Vec::new(), false);
        for result in results.results() {
            let Some(object) = result else {
                self.crawl.skip(ObjectKind::Page, "result that is not an object", None);
                continue;
            };
            times.extend(object.time("last_edited_time"));
            let database =
                (object.text("object").as_deref() == Some("database")).then(|| object.id("id")).flatten();
            if let Some(database) = database {
                self.crawl.look_up(Kind::Database, database, false);
                continue;
            }
            match Found::new(object, kind, origin, results.asked_at) {
                Ok(found) => has_news |= self.crawl.found(found, &mut batches),
                Err(object) => {
                    self.crawl.found_without_id(kind_of(&object, kind), &object, &mut batches);
                }
            }
        }
        let crawl = &mut self.crawl;
        batches.send(&mut crawl.streams, &mut crawl.output);
        (times, has_news)
    }

    fn searched(&mut self, kind: ObjectKind, mut search: Box<Search>, results: Option<&ResultPage>) {
        if let Some(results) = results {
            let (times, has_news) = self.observe(kind, results, Origin::Search);
            search.take_in(results, &times, has_news);
            let step = Step::Search(search);
            return self.crawl.queue.push_listing(Job { subject: Subject::Search { kind }, step });
        }
        // What lies before the start date is missed by nobody.
        if let Some(Gap { newest, oldest, cause }) =
            search.gap().filter(|gap| gap.newest >= self.crawl.options.start)
        {
            let limit = ReadError::SearchGap { newest, oldest };
            let error = cause.filter(ListError::is_passing).map_or(limit, ReadError::from);
            self.crawl.fail_objects(kind, &error);
        }
    }

    fn trash_searched(&mut self, mut search: Box<Search>, results: Option<&ResultPage>) {
        if let Some(results) = results {
            for object in results.results().flatten() {
                if let Ok(found) = Found::new(object, ObjectKind::Page, Origin::Search, results.asked_at) {
                    self.crawl.trash_shown(&found);
                }
            }
            search.take_in(results, &[], false);
            if self.crawl.misses_pages() {
                let step = Step::Search(search);
                return self.crawl.queue.push_listing(Job { subject: Subject::Trash, step });
            }
        }
        self.crawl.look_up_pages();
    }

    fn rows_came(
        &mut self,
        data_source: Uuid,
        is_archived: bool,
        mut rows: Box<Rows>,
        results: Option<&ResultPage>,
    ) {
        if rows.take_expiry() {
            self.crawl.queue.narrow();
        }
        let Some(results) = results else {
            if let Some(minute) = rows.crowded_minute() {
                self.crawl
                    .fail_objects(ObjectKind::Page, &ReadError::TooManyRowsInMinute { data_source, minute });
            }
            return;
        };
        self.observe(ObjectKind::Page, results, Origin::Query { data_source });
        let subject = Subject::Rows { data_source, is_archived };
        self.crawl.queue.push_listing(Job { subject, step: Step::Rows(rows) });
    }

    /// An answer about one object.
    fn object_came(&mut self, subject: Subject, step: Step, answer: &Answer) -> Result<(), Ended> {
        let wrong = |id| Err(ReadError::WrongObject { id });
        let result = match &subject {
            Subject::Page { id } => match object_with_id(&answer.body, *id) {
                Some(object) => {
                    self.page_came(*id, object, answer.asked_at);
                    Ok(())
                }
                None => wrong(*id),
            },
            Subject::DataSource { id } => match object_with_id(&answer.body, *id) {
                Some(object) => {
                    self.looked_up(ObjectKind::DataSource, *id, object, answer.asked_at);
                    Ok(())
                }
                None => wrong(*id),
            },
            Subject::Database { id } => match object_with_id(&answer.body, *id) {
                Some(_database) => {
                    self.database_came(*id, &answer.body);
                    Ok(())
                }
                None => wrong(*id),
            },
            Subject::Original { original, block } => match object_with_id(&answer.body, *block) {
                Some(object) => {
                    self.content.original_came(&mut self.crawl, *original, &object);
                    Ok(())
                }
                None => wrong(*block),
            },
            Subject::PageObject { stream, page } => {
                self.note_answer(*stream, *page);
                self.content.page_object_came(&mut self.crawl, *stream, *page, answer);
                Ok(())
            }
            _listing => Ok(()),
        };
        match result {
            Ok(()) => Ok(()),
            Err(error) => self.fail(Refused { subject, step: Some(step), error }),
        }
    }

    fn page_came(&mut self, id: Uuid, page: RawObject<'_>, asked_at: DateTime<Utc>) {
        let parent = page.object("parent").and_then(|parent| parent.id("data_source_id"));
        let is_archived = page.is_true("is_archived");
        self.looked_up(ObjectKind::Page, id, page, asked_at);
        match parent {
            Some(data_source) if !self.crawl.inventory.has(data_source) => {
                self.crawl.look_up(Kind::DataSource, data_source, false);
            }
            Some(data_source) if is_archived => self.crawl.queue_archived_rows(data_source),
            _ => {}
        }
    }

    /// Takes in an object that was asked for by its id.
    fn looked_up(&mut self, kind: ObjectKind, id: Uuid, object: RawObject<'_>, asked_at: DateTime<Utc>) {
        self.close_lookup(id);
        let crawl = &mut self.crawl;
        let mut batches = Batches::new(crawl.streams.len());
        if let Ok(found) = Found::new(object, kind, Origin::Id, asked_at) {
            crawl.found(found, &mut batches);
        }
        batches.send(&mut crawl.streams, &mut crawl.output);
    }

    fn database_came(&mut self, id: Uuid, body: &str) {
        self.close_lookup(id);
        self.crawl.forget_database(id);
        let ids = data_source_ids(body);
        if ids.is_empty() {
            let reason = "database without data sources of its own (a linked view)";
            self.crawl.skip(ObjectKind::DataSource, reason, Some(id));
        }
        for data_source in ids.into_iter().filter(|id| !self.crawl.inventory.has(*id)).collect::<Vec<_>>() {
            self.crawl.remember_met(Kind::DataSource, data_source);
            self.crawl.look_up(Kind::DataSource, data_source, false);
        }
    }

    fn completed(&mut self, id: Uuid, cut: &CutPage, completion: Completion) -> Result<(), Ended> {
        self.crawl.completing -= 1;
        if cut.truncated.iter().any(crate::workspace::TruncatedValue::is_relation) {
            for name in computed_properties(&completion.page) {
                *self.crawl.incomplete.entry(name).or_default() += 1;
            }
        }
        let (mut lasting, mut completed) = (None, Completed::Whole);
        for (name, why) in completion.incomplete {
            completed = Completed::Refused;
            if let Incomplete::Failed(error) = why {
                let error = ReadError::from(error);
                let is_forbidden = matches!(error.api_error(), Some(ApiError::Forbidden { .. }));
                if error.is_passing() || error.ends_everything() || is_forbidden {
                    lasting = Some(error);
                }
            }
            warn!(page = %id, "The property \"{name}\" of the page {id} could not be completed, so it stays as it came.");
            *self.crawl.incomplete.entry(name).or_default() += 1;
        }
        let completed = if lasting.is_some() { Completed::Failed } else { completed };
        self.crawl.deliver_completed(cut, completion.page, completed);
        if let Some(error) = lasting {
            let step = None;
            self.fail(Refused { subject: Subject::Completion { id }, step, error })
        } else {
            self.failures_in_a_row = 0;
            Ok(())
        }
    }

    pub(super) fn close_lookup(&mut self, id: Uuid) {
        self.crawl.lookups.close(id);
    }

    /// Notes that what belongs to a page was readable for a stream.
    fn note_answer(&mut self, stream: usize, page: Uuid) {
        self.refusals.entry(stream).or_default().1 += 1;
        if let Some(capability) =
            self.crawl.streams.get(stream).map(super::stream_reader::StreamReader::capability)
        {
            self.probes.note_readable(capability, page);
        }
    }
}
