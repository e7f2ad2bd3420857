//! What each failure changes: follows the verdict.

use chrono::Utc;
use tracing::{info, warn};

use super::{
    job::{Job, Step, Subject},
    ledger::Kind,
    probe::Refused,
    reader::{Ended, Reader},
    stream_reader::StreamReader,
    tally::MAX_NAMED,
    verdict::{Access, Verdict, verdict},
};
use crate::{
    client::{ApiError, ListRequest},
    error::ReadError,
    streams::{Capability, Source},
    workspace::ObjectKind,
};

impl Reader<'_> {
    /// Decides what a failure means, and does it.
    pub(super) fn fail(&mut self, refused: Refused) -> Result<(), Ended> {
        let capability = self.capability_of(&refused.subject);
        let access = self.probes.access(capability);
        self.follow(refused, capability, access)
    }

    fn follow(&mut self, refused: Refused, capability: Capability, access: Access) -> Result<(), Ended> {
        let Refused { subject, step, error } = refused;
        if let Subject::Probe { capability } = subject {
            return self.probe_failed(capability, &error);
        }
        match verdict(&subject, &error, capability, access) {
            Verdict::EndRun => {
                self.crawl
                    .streams
                    .iter_mut()
                    .filter(|stream| stream.is_read())
                    .for_each(|stream| stream.stop(&error));
                return Err(Ended::GivenUp);
            }
            Verdict::AskCapability(capability) => {
                if self.probes.wait(capability, Refused { subject, step, error }) {
                    return self.ask_capability(capability);
                }
            }
            Verdict::Gone => self.gone(&subject, step),
            Verdict::IsDatabase => self.is_database(&subject),
            Verdict::Refused(reason) => self.refuse(&subject, step, &reason),
            Verdict::Skipped(reason) => self.skip(&subject, step, &reason),
            Verdict::Failed => return self.failed(&subject, &error),
            Verdict::StopStream => self.stop_streams(&subject, capability, &error),
        }
        Ok(())
    }

    fn capability_of(&self, subject: &Subject) -> Capability {
        let of_stream = |index: usize| {
            let stream = self.crawl.streams.get(index);
            stream.map_or(Capability::ReadContent, StreamReader::capability)
        };
        subject.capability(of_stream)
    }

    /// Asks for something else that needs the same capability.
    fn ask_capability(&mut self, capability: Capability) -> Result<(), Ended> {
        let of_capability = |stream: &&StreamReader| stream.capability() == capability;
        let Some(stream) = self.crawl.streams.iter().find(of_capability).or(self.crawl.streams.first())
        else {
            return Ok(());
        };
        let client = stream.client.clone();
        let pages = self.crawl.inventory.of_kind(ObjectKind::Page).map(|(id, _seen)| id);
        let request = match stream.source {
            Source::PageListing(request) if capability != Capability::ReadContent => {
                let Some(page) = self.probes.next_to_try(capability, pages) else {
                    return self.probed(capability, Access::Denied);
                };
                request(page)
            }
            _ => ListRequest::post("/v1/search", serde_json::Map::new()),
        };
        let step = Step::Listing(Box::new(client.list(request.with_page_size(1))));
        self.crawl.queue.push(Job::probe(capability, step));
        Ok(())
    }

    fn probe_failed(&mut self, capability: Capability, error: &ReadError) -> Result<(), Ended> {
        if error.ends_everything() {
            self.crawl
                .streams
                .iter_mut()
                .filter(|stream| stream.is_read())
                .for_each(|stream| stream.stop(error));
            return Err(Ended::GivenUp);
        }
        match (error.api_error(), capability) {
            (Some(ApiError::Forbidden { .. }), Capability::ReadContent) => {
                self.probed(capability, Access::Denied)
            }
            (Some(ApiError::Forbidden { .. } | ApiError::NotFound { .. } | ApiError::Rejected { .. }), _) => {
                self.ask_capability(capability)
            }
            // It passes by; whatever was refused is due again in the next run.
            _passing => self.probed(capability, Access::Granted),
        }
    }

    /// Follows up the refusals that waited to know whether a capability is missing.
    pub(super) fn probed(&mut self, capability: Capability, access: Access) -> Result<(), Ended> {
        for refused in self.probes.answer(capability, access) {
            self.follow(refused, capability, access)?;
        }
        Ok(())
    }

    /// An object is gone.
    fn gone(&mut self, subject: &Subject, step: Option<Step>) {
        let at = self.crawl.client.notion_time().unwrap_or_else(Utc::now);
        match subject {
            Subject::Page { id } => {
                self.close_lookup(*id);
                self.crawl.not_found(ObjectKind::Page, *id, at);
            }
            Subject::DataSource { id } => {
                self.close_lookup(*id);
                self.crawl.not_found(ObjectKind::DataSource, *id, at);
            }
            Subject::Original { original, .. } => self.content.hide_original(*original),
            _other => self.refuse(subject, step, "object not found or not shared"),
        }
    }

    /// The id of a page is that of a database now: it is found as what it is.
    fn is_database(&mut self, subject: &Subject) {
        if let Subject::Page { id } = subject {
            let id = *id;
            self.gone(subject, None);
            self.crawl.lookups.unclaim(id);
            self.crawl.look_up(Kind::Database, id, false);
        }
    }

    /// Notion does not show an object for now: its entries stay as they were.
    fn refuse(&mut self, subject: &Subject, step: Option<Step>, reason: &str) {
        if let Subject::PageListing { stream, .. } | Subject::PageObject { stream, .. } = subject {
            self.refusals.entry(*stream).or_default().0 += 1;
        }
        self.skip(subject, step, reason);
    }

    /// Counts and names what is left out, and goes on without it.
    fn skip(&mut self, subject: &Subject, step: Option<Step>, reason: &str) {
        match subject {
            Subject::Children { page, node, .. } => {
                let Some(Step::Children(listing)) = step else { return };
                if !self.content.children_refused(&mut self.crawl, *page, *listing) {
                    let name = if page == node {
                        format!("page {page}")
                    } else {
                        format!("block {node} in page {page}")
                    };
                    let of_trees = |stream: &&mut StreamReader| matches!(stream.source, Source::Blocks);
                    self.crawl.streams.iter_mut().filter(of_trees).for_each(|stream| {
                        stream.tally.skip_named(&stream.name, reason, &name);
                    });
                }
            }
            Subject::PageListing { stream, page } | Subject::PageObject { stream, page } => {
                if let Some(stream) = self.crawl.streams.get_mut(*stream) {
                    stream.tally.skip_named(&stream.name, reason, &format!("page {page}"));
                }
                self.content.part_failed(*stream, *page);
            }
            Subject::Page { id } | Subject::Completion { id } => {
                self.close_lookup(*id);
                self.crawl.skip(ObjectKind::Page, reason, Some(*id));
            }
            Subject::DataSource { id } => {
                self.close_lookup(*id);
                self.crawl.skip(ObjectKind::DataSource, reason, Some(*id));
            }
            Subject::Database { id } => {
                self.close_lookup(*id);
                self.crawl.forget_database(*id);
                self.crawl.skip(ObjectKind::DataSource, reason, Some(*id));
            }
            Subject::Rows { data_source, .. } => {
                self.crawl.skip(ObjectKind::Page, reason, Some(*data_source));
            }
            Subject::Trash => {
                self.crawl.skip(ObjectKind::Page, reason, None);
                self.crawl.look_up_pages();
            }
            Subject::Original { original, .. } => self.content.hide_original(*original),
            Subject::Listing { .. } | Subject::Search { .. } | Subject::Probe { .. } => {}
        }
    }

    /// An object could not be read: its streams are incomplete, and it is due again in the next run.
    fn failed(&mut self, subject: &Subject, error: &ReadError) -> Result<(), Ended> {
        self.failures += 1;
        // The first one is told as the reason why its streams are incomplete.
        if (2..=MAX_NAMED).contains(&self.failures) {
            warn!("Could not be read, and is tried again by the next sync: {error}.");
        }
        match subject {
            Subject::Children { page, .. } => self.content.children_failed(&mut self.crawl, *page, error),
            Subject::PageListing { stream, page } | Subject::PageObject { stream, page } => {
                if let Some(stream) = self.crawl.streams.get_mut(*stream) {
                    stream.fail(error);
                }
                self.content.part_failed(*stream, *page);
            }
            Subject::Page { id } => {
                self.close_lookup(*id);
                self.crawl.fail_objects(ObjectKind::Page, error);
            }
            // The page is there, so nothing that belongs to it is missing.
            Subject::Completion { .. } => {
                let is_of_pages =
                    |stream: &&mut StreamReader| matches!(stream.source, Source::Objects(ObjectKind::Page));
                self.crawl.streams.iter_mut().filter(is_of_pages).for_each(|stream| stream.fail(error));
            }
            Subject::DataSource { id } | Subject::Database { id } => {
                self.close_lookup(*id);
                self.crawl.fail_objects(ObjectKind::DataSource, error);
            }
            Subject::Search { kind } => {
                info!("The search for {} could not be read to its end.", super::reader::searched(*kind));
                self.crawl.fail_objects(*kind, error);
            }
            Subject::Rows { .. } => self.crawl.fail_objects(ObjectKind::Page, error),
            Subject::Original { original, .. } => {
                self.content.fail_original(&mut self.crawl, *original, error);
            }
            Subject::Listing { .. } | Subject::Trash | Subject::Probe { .. } => {}
        }
        self.give_up_if_hopeless(error)
    }

    /// When request after request fails, Notion is down, and trying all of them would take hours.
    fn give_up_if_hopeless(&mut self, error: &ReadError) -> Result<(), Ended> {
        self.failures_in_a_row += 1;
        let count = self.failures_in_a_row;
        if count < (self.crawl.options.worker_count * 2).max(10) {
            return Ok(());
        }
        warn!("{count} requests in a row failed, so the sync stops here: {error}.");
        let error = ReadError::TooManyFailures { count };
        self.crawl
            .streams
            .iter_mut()
            .filter(|stream| stream.is_read())
            .for_each(|stream| stream.stop(&error));
        Err(Ended::GivenUp)
    }

    /// The streams that need what was asked for end here.
    fn stop_streams(&mut self, subject: &Subject, capability: Capability, error: &ReadError) {
        match subject {
            Subject::Listing { stream }
            | Subject::PageListing { stream, .. }
            | Subject::PageObject { stream, .. } => {
                if let Some(stream) = self.crawl.streams.get_mut(*stream) {
                    stream.stop(error);
                }
            }
            _content => {
                let needs = |stream: &&mut StreamReader| {
                    stream.has_ledger()
                        && (stream.capability() == capability || stream.source.reads_content())
                };
                self.crawl.streams.iter_mut().filter(needs).for_each(|stream| stream.stop(error));
            }
        }
        // A completion counts as over when it fails.
        if !matches!(subject, Subject::Completion { .. }) {
            self.drop_job(subject);
        }
    }

    /// Whether some stream that a job is for is still read.
    pub(super) fn is_wanted(&self, subject: &Subject) -> bool {
        let is_read = |index: &usize| self.crawl.streams.get(*index).is_some_and(StreamReader::is_read);
        match subject {
            Subject::Listing { stream }
            | Subject::PageListing { stream, .. }
            | Subject::PageObject { stream, .. } => is_read(stream),
            Subject::Children { .. } | Subject::Original { .. } => self.crawl.reads_trees(),
            Subject::Search { .. }
            | Subject::Trash
            | Subject::Rows { .. }
            | Subject::Page { .. }
            | Subject::DataSource { .. }
            | Subject::Database { .. }
            | Subject::Completion { .. } => self.crawl.lists_workspace(),
            Subject::Probe { .. } => true,
        }
    }

    /// Ends a job that nobody wants any more, so that nothing waits for it.
    pub(super) fn drop_job(&mut self, subject: &Subject) {
        match subject {
            Subject::Children { page, .. } => self.content.drop_node(*page),
            Subject::PageListing { stream, page } | Subject::PageObject { stream, page } => {
                self.content.part_failed(*stream, *page);
            }
            Subject::Page { id } | Subject::DataSource { id } | Subject::Database { id } => {
                self.close_lookup(*id);
            }
            Subject::Completion { .. } => self.crawl.completing -= 1,
            Subject::Original { original, .. } => self.content.hide_original(*original),
            Subject::Listing { .. }
            | Subject::Search { .. }
            | Subject::Trash
            | Subject::Rows { .. }
            | Subject::Probe { .. } => {}
        }
    }
}
