//! What a failure means for the streams: skipped, tried again by the next sync, or the end.

use std::rc::Rc;

use chrono::{DateTime, Utc};
use tracing::warn;
use uuid::Uuid;

use super::{
    ReadError,
    run::{Completing, Run, Task},
    walk::Root,
};
use crate::{
    client::ApiError,
    streams::{ObjectKind, PageReader, Source},
};

/// What a task is about, to tell what its failure means.
#[derive(Debug)]
pub(super) enum About {
    Stream(usize),
    Search(ObjectKind),
    Query { data_source: Uuid, archived: bool, is_below: bool },
    Page { id: Uuid, root: Option<Rc<Root>> },
    DataSource { id: Uuid, root: Option<Rc<Root>> },
    Database { root: Option<Rc<Root>> },
    Completion { stream: usize, id: Uuid, since: DateTime<Utc> },
    Visit { stream: usize, root: Rc<Root> },
}

impl About {
    /// Whether it is about one object of the enumeration.
    pub(super) fn is_one_object(&self) -> bool {
        match self {
            Self::Query { .. } | Self::Page { .. } | Self::DataSource { .. } | Self::Database { .. } => true,
            Self::Stream(_) | Self::Search(_) | Self::Completion { .. } | Self::Visit { .. } => false,
        }
    }

    pub(super) fn of(task: &Task) -> Self {
        let root = task.root().cloned();
        match task {
            Task::List { stream } => Self::Stream(*stream),
            Task::Search(kind) => Self::Search(*kind),
            Task::Query { data_source, archived, under } => {
                Self::Query { data_source: *data_source, archived: *archived, is_below: under.is_some() }
            }
            Task::FetchPage { id, .. } => Self::Page { id: *id, root },
            Task::FetchDataSource { id, .. } => Self::DataSource { id: *id, root },
            Task::FetchDatabase { .. } => Self::Database { root },
            Task::Complete(completing) => {
                let Completing { stream, id, since, .. } = &**completing;
                Self::Completion { stream: *stream, id: *id, since: *since }
            }
            Task::Visit { stream, root, .. } => Self::Visit { stream: *stream, root: Rc::clone(root) },
        }
    }
}

impl Run {
    /// Decides what a failed task means for the streams.
    pub(super) fn settle(&self, about: &About, error: &ReadError) {
        if error.ends_everything() {
            return self.abort(error);
        }
        match about {
            About::Stream(index) => {
                if let Some(stream) = self.streams.get(*index) {
                    stream.stop(error, self.position());
                }
            }
            About::Search(kind) => self.settle_search(*kind, error),
            About::Query { data_source, archived, is_below } => {
                self.fail_query(*data_source, *archived, *is_below, error);
            }
            About::Page { id, .. } if error.is_about_one_object() => {
                self.forget_page(*id, "page not found or not shared");
            }
            About::Page { id, root: None } => {
                let inventory = self.inventory.borrow();
                for stream in self.page_streams() {
                    stream.fail_page(*id, stream.since(*id, &inventory), error, || self.position());
                }
            }
            About::DataSource { id, .. } if error.is_about_one_object() => {
                self.unlisted.borrow_mut().data_sources.remove(id);
                let reason = "data source not found or not shared";
                self.skip_object(ObjectKind::DataSource, reason);
                self.streams.iter().for_each(|stream| stream.data_source_succeeded(*id));
            }
            About::DataSource { id, root: None } => {
                self.fail_query(*id, false, false, error);
                let own = self.stream_of(ObjectKind::DataSource);
                if let Some(stream) = own.and_then(|index| self.streams.get(index)) {
                    let since = stream.since_of_rows(*id, false, &self.inventory.borrow());
                    stream.fail_data_source(*id, since, error, || self.position());
                }
            }
            About::Database { .. } if error.is_about_one_object() => {
                let reason = "database that is a linked view, or not shared";
                self.skip_object(ObjectKind::DataSource, reason);
            }
            About::Page { root, .. } => self.settle_below(ObjectKind::Page, root.as_ref(), error),
            About::DataSource { root, .. } | About::Database { root } => {
                self.settle_below(ObjectKind::DataSource, root.as_ref(), error);
            }
            About::Completion { id, .. } if error.is_about_one_object() => {
                self.forget_page(*id, "page not found or not shared");
            }
            About::Completion { stream, id, since } => {
                if let Some(stream) = self.streams.get(*stream) {
                    stream.fail_page(*id, *since, error, || self.position());
                }
            }
            About::Visit { stream: index, root } => {
                let denied = matches!(error.api_error(), Some(ApiError::Forbidden { .. }));
                if let Some(stream) = self.streams.get(*index).filter(|_| denied) {
                    return stream.stop(error, self.position());
                }
                let is_new = self.fail_root(*index, root, error);
                // Those that failed before come first and may fail for ever; they say nothing about the others.
                let top = root.top().page.id;
                if is_new && !self.streams.iter().any(|stream| stream.retries(top)) {
                    self.give_up_if_hopeless(error);
                }
            }
        }
    }

    /// Without search nothing is known; where it is cut, the rest is still worth reading.
    fn settle_search(&self, kind: ObjectKind, error: &ReadError) {
        let is_partial = matches!(error, ReadError::SearchGap { .. });
        for stream in &self.streams {
            let concerned = match stream.stream.source() {
                Source::Listing(_) => false,
                Source::Enumeration(of) => of == kind || of == ObjectKind::Page,
                Source::Pages(_) => true,
            };
            if concerned && is_partial {
                stream.fail_listing(error);
            } else if concerned {
                stream.stop(error, self.position());
            }
        }
    }

    /// Something below a page failed: the page is tried again by the streams that find such things.
    ///
    /// The stream of the object's kind misses it until then.
    fn settle_below(&self, kind: ObjectKind, root: Option<&Rc<Root>>, error: &ReadError) {
        let Some(root) = root else { return };
        if let Some(stream) = self.stream_run_of(kind) {
            stream.note(error);
        }
        for (index, stream) in self.streams.iter().enumerate() {
            if stream.page_reader().is_some_and(PageReader::finds_objects) {
                self.fail_root(index, root, error);
            }
        }
    }

    /// When page after page fails, Notion is down, and trying all of them would take hours.
    fn give_up_if_hopeless(&self, error: &ReadError) {
        let failures = self.failures_in_a_row.get() + 1;
        self.failures_in_a_row.set(failures);
        if failures >= (self.worker_count * 2).max(10) {
            warn!("{failures} pages failed in a row, so the sync stops here.");
            self.abort(error);
        }
    }
}
