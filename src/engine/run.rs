//! What all parts of a run share.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, HashMap},
    rc::Rc,
};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::{Duration, Instant};
use uuid::Uuid;

use super::{
    Node, ReadError, Unlisted,
    inventory::Inventory,
    queue::TaskQueue,
    scope::Scope,
    stream_run::{Position, StreamRun},
    walk::{Root, Walk},
};
use crate::{
    client::NotionClient,
    protocol::{AirbyteMessage, Emitter, OutputClosed, RecordBatch, StreamDescriptor, StreamStatus},
    streams::{ObjectKind, RawObject, TruncatedValue},
};

/// A piece of work: at most one listing, or one object.
#[derive(Debug)]
pub(super) enum Task {
    /// Read a stream's own listing.
    List { stream: usize },
    /// List everything of a kind.
    Search(ObjectKind),
    /// List the rows of a data source.
    Query { data_source: Uuid, archived: bool, under: Option<Rc<Root>> },
    /// Ask for one page that no listing shows.
    FetchPage { id: Uuid, under: Option<Rc<Root>> },
    /// Ask for one data source that no listing shows.
    FetchDataSource { id: Uuid, under: Option<Rc<Root>> },
    /// Ask which data sources a database has.
    FetchDatabase { id: Uuid, under: Rc<Root> },
    /// Complete the values of a page that Notion cut.
    Complete(Box<Completing>),
    /// Read a node of a page's tree for a stream.
    Visit { stream: usize, root: Rc<Root>, node: Node },
}

impl Task {
    /// The page of the walk that is not done before this task is.
    pub(super) fn root(&self) -> Option<&Rc<Root>> {
        match self {
            Self::List { .. } | Self::Search(_) => None,
            Self::Query { under, .. }
            | Self::FetchPage { under, .. }
            | Self::FetchDataSource { under, .. } => under.as_ref(),
            Self::Complete(completing) => completing.under.as_ref(),
            Self::FetchDatabase { under: root, .. } | Self::Visit { root, .. } => Some(root),
        }
    }
}

/// A page that waits for its cut values.
#[derive(Debug)]
pub(super) struct Completing {
    pub(super) stream: usize,
    pub(super) id: Uuid,
    /// From when records of the page are wanted.
    pub(super) since: DateTime<Utc>,
    /// The page and its cut values; none where too many were waiting already, then it is asked for again.
    pub(super) page: Option<(RawObject<'static>, Vec<TruncatedValue>)>,
    pub(super) under: Option<Rc<Root>>,
}

/// The original of synced blocks, being read.
#[derive(Debug)]
pub(super) struct EnteredOriginal {
    /// From when records of it are wanted.
    pub(super) since: DateTime<Utc>,
    /// The page that it is read as a part of.
    pub(super) root: Rc<Root>,
}

/// How often states are sent.
#[derive(Clone, Copy, Debug)]
pub struct CheckpointPolicy {
    /// At least so often, when there is progress.
    pub interval: Duration,
    /// At least after so many records, when there is progress.
    pub records: u64,
    /// So often in the whole walk, for a short one is over before the others are due; 0 is never.
    pub walk_parts: usize,
    /// Those are left out that would come sooner than this after the last one.
    pub spacing: Duration,
    /// An unchanged state is sent again when nothing else was for so long.
    pub life_sign: Duration,
    /// How often progress is logged.
    pub progress: Duration,
}

impl Default for CheckpointPolicy {
    fn default() -> Self {
        Self {
            interval: Duration::from_mins(1),
            records: 10_000,
            walk_parts: 100,
            // Without a network a small walk takes some fifty milliseconds.
            spacing: Duration::from_millis(5),
            life_sign: Duration::from_mins(5),
            progress: Duration::from_secs(30),
        }
    }
}

/// What all parts of a run share.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) emitter: Emitter,
    pub(super) client: NotionClient,
    pub(super) streams: Vec<StreamRun>,
    pub(super) scope: Scope,
    pub(super) queue: TaskQueue<Task>,
    pub(super) inventory: RefCell<Inventory>,
    pub(super) walk: RefCell<Walk>,
    pub(super) unlisted: RefCell<Unlisted>,
    /// Originals of synced blocks whose children a stream has read in this run.
    pub(super) originals: RefCell<HashMap<(usize, Uuid), EnteredOriginal>>,
    pub(super) complete_properties: bool,
    pub(super) worker_count: usize,
    pub(super) lookback: TimeDelta,
    /// When the enumeration began, by this machine's clock.
    pub(super) began_here: DateTime<Utc>,
    pub(super) started: Instant,
    pub(super) policy: CheckpointPolicy,
    pub(super) last_checkpoint: Cell<Instant>,
    pub(super) records_since_checkpoint: Cell<u64>,
    /// Pages that were done at the last checkpoint.
    pub(super) done_at_checkpoint: Cell<usize>,
    pub(super) is_checkpointing: Cell<bool>,
    /// Pages that are kept until their cut values are asked for.
    pub(super) completing: Cell<usize>,
    /// Pages in a row that failed although everything was tried.
    pub(super) failures_in_a_row: Cell<usize>,
    /// Properties that stay incomplete, and in how many pages.
    pub(super) incomplete: RefCell<BTreeMap<String, u64>>,
    pub(super) pages_before_start: Cell<u64>,
    pub(super) output_closed: Cell<bool>,
}

impl Run {
    /// When the enumeration began, to the minute, by Notion's clock or by this machine's if that is behind.
    pub(super) fn began(&self) -> DateTime<Utc> {
        super::to_minute(self.began_here - self.client.clock_lead())
    }

    /// The next sync's cursor may be no later than this: what is edited from here on may have been missed.
    pub(super) fn until(&self) -> DateTime<Utc> {
        self.began() - self.lookback
    }

    /// Sends records of a stream.
    pub(super) async fn emit(&self, stream: &StreamRun, batch: RecordBatch) -> Result<(), OutputClosed> {
        if batch.is_empty() {
            return self.emitter.records(batch).await;
        }
        if stream.start_running() {
            self.status(stream, StreamStatus::Running);
        }
        let (records, bytes) = (batch.record_count(), batch.byte_count() as u64);
        // Before it waits for the output: it is under way by then.
        stream.count_records(records, bytes);
        self.records_since_checkpoint.set(self.records_since_checkpoint.get() + records);
        self.emitter.records(batch).await
    }

    pub(super) fn status(&self, stream: &StreamRun, status: StreamStatus) {
        let descriptor = StreamDescriptor::new(&*stream.name);
        self.emitter.queue(&AirbyteMessage::StreamStatus(descriptor, status, None));
    }

    /// The streams that depend on the pages of the workspace.
    pub(super) fn page_streams(&self) -> impl Iterator<Item = &StreamRun> {
        use crate::streams::Source;
        self.streams.iter().filter(|stream| {
            matches!(stream.stream.source(), Source::Enumeration(ObjectKind::Page) | Source::Pages(_))
        })
    }

    /// The stream whose records are the objects of this kind.
    pub(super) fn stream_of(&self, kind: ObjectKind) -> Option<usize> {
        use crate::streams::Source;
        self.streams
            .iter()
            .position(|stream| matches!(stream.stream.source(), Source::Enumeration(of) if of == kind))
    }

    /// How far the run is.
    pub(super) fn position(&self) -> Position {
        Position { walk: self.walk.borrow().reached(self.until()), unlisted: self.unlisted.borrow().clone() }
    }

    /// Ends the run: every stream that is not complete fails for this reason.
    pub(super) fn abort(&self, error: &ReadError) {
        if matches!(error, ReadError::Output(_)) {
            self.output_closed.set(true);
        }
        for stream in &self.streams {
            if !stream.is_stopped() && !stream.is_finished() {
                stream.stop(error, self.position());
            }
        }
        self.queue.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoints_life_signs_and_progress_are_as_often_as_promised() {
        let policy = CheckpointPolicy::default();
        assert_eq!((policy.interval, policy.records), (Duration::from_mins(1), 10_000));
        assert_eq!((policy.life_sign, policy.progress), (Duration::from_mins(5), Duration::from_secs(30)));
    }
}
