//! One configured stream while it is being read: its state, how it stands, what it counted.

use std::{fmt, sync::Arc};

use tracing::warn;
use uuid::Uuid;

use super::{
    ledger::{Kind, Trust, Version},
    state::StreamState,
    tally::Tally,
};
use crate::{
    client::NotionClient,
    error::{Failure, ReadError, describe_read_error},
    protocol::RecordBatch,
    record::RawObject,
    streams::{Capability, Context, SchemaDrift, Source, SourceStream},
    workspace::Seen,
};

/// The field by which Airbyte's destinations know that a record is a deletion.
pub(super) const DELETED_AT: &str = "_ab_cdc_deleted_at";

/// Fields that Notion adds to an answer and that say nothing of the object, as raw keys.
const OF_THE_ANSWER: [&str; 2] = [r#""request_id""#, r#""developer_survey""#];

/// Where a stream stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Life {
    /// No record was sent yet.
    Started,
    /// Records were sent.
    Running,
    /// Nothing is read for it any more; its last state is still to come.
    Stopped,
    /// Its last state and status are queued: nothing may follow.
    Finished,
}

/// One configured stream.
pub(super) struct StreamReader {
    pub(super) stream: Arc<dyn SourceStream>,
    pub(super) source: Source,
    pub(super) name: Arc<str>,
    /// A client that counts for this stream.
    pub(super) client: NotionClient,
    pub(super) state: StreamState,
    pub(super) tally: Tally,
    /// Whether the state has changed since it was sent.
    pub(super) has_progress: bool,
    life: Life,
    has_run: bool,
    failure: Option<Failure>,
    drift: SchemaDrift,
}

impl fmt::Debug for StreamReader {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("StreamReader").field("name", &self.name).finish_non_exhaustive()
    }
}

impl StreamReader {
    pub(super) fn new(stream: Arc<dyn SourceStream>, client: &NotionClient, state: StreamState) -> Self {
        let name: Arc<str> = Arc::from(&*stream.spec().name);
        let drift = SchemaDrift::new(&stream.spec().schema);
        Self {
            source: stream.source(),
            client: client.on_behalf_of(&name),
            name,
            stream,
            state,
            tally: Tally::default(),
            has_progress: false,
            life: Life::Started,
            has_run: false,
            failure: None,
            drift,
        }
    }

    /// The capability that the stream needs.
    pub(super) fn capability(&self) -> Capability {
        self.stream.spec().capability
    }

    /// Whether it has a cursor, and so a ledger.
    pub(super) fn has_ledger(&self) -> bool {
        self.stream.spec().cursor.is_some()
    }

    /// Whether anything is still read for it.
    pub(super) fn is_read(&self) -> bool {
        matches!(self.life, Life::Started | Life::Running)
    }

    /// Whether its last state and status are queued.
    pub(super) fn is_finished(&self) -> bool {
        self.life == Life::Finished
    }

    /// Notes that its last state and status are queued.
    pub(super) fn set_finished(&mut self) {
        self.life = Life::Finished;
    }

    /// Whether RUNNING is still to be said; from then on it is said.
    pub(super) fn start_running(&mut self) -> bool {
        if self.life == Life::Started {
            self.life = Life::Running;
        }
        !std::mem::replace(&mut self.has_run, true)
    }

    /// Notes a failure: something is missing, and due in the next run. The first one is shown.
    pub(super) fn fail(&mut self, error: &ReadError) {
        if self.life == Life::Finished {
            return;
        }
        self.tally.failed += 1;
        self.failure.get_or_insert_with(|| describe_read_error(error, self.stream.spec().capability.name()));
    }

    /// Ends the stream: nothing is read for it any more.
    pub(super) fn stop(&mut self, error: &ReadError) {
        self.fail(error);
        if self.is_read() {
            self.life = Life::Stopped;
        }
    }

    /// Why it is not complete.
    pub(super) fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }

    /// Makes an object the stream's record and adds it to a batch; compares some with the schema.
    pub(super) fn add<'a>(
        &mut self,
        batch: &mut RecordBatch,
        mut object: RawObject<'a>,
        context: &Context<'a>,
    ) {
        object = object.without(&OF_THE_ANSWER);
        self.stream.transform(&mut object, context);
        match self.source {
            Source::Objects(_) if object.get(DELETED_AT).is_none() => object.set(DELETED_AT, "null"),
            Source::PageObject(_) => {
                if let Some(page) = context.page {
                    object.set("last_edited_time", page.last_edited_time.as_str());
                    object.set(DELETED_AT, "null");
                }
            }
            Source::Blocks | Source::PageListing(_) => {
                if let Some(page) = context.page {
                    page.stamp(&mut object);
                }
            }
            Source::Listing(_) | Source::Objects(_) => {}
        }
        self.push(batch, &object);
    }

    /// Adds the record of a deletion; a whole object becomes a record like others.
    pub(super) fn add_deletion(&mut self, batch: &mut RecordBatch, record: &str, is_whole: bool) {
        let mut record = RawObject::parse(record).expect("it was written as an object");
        record = record.without(&OF_THE_ANSWER);
        if is_whole {
            self.stream.transform(&mut record, &Context::default());
        }
        self.tally.deletions += 1;
        self.push(batch, &record);
    }

    fn push(&mut self, batch: &mut RecordBatch, object: &RawObject<'_>) {
        let (drift, name) = (&mut self.drift, &self.name);
        batch.push(|out| {
            let start = out.len();
            object.write(out);
            if !drift.is_due() {
                return;
            }
            for path in drift.look_at(out.get(start..).unwrap_or_default()) {
                warn!(
                    stream = &**name,
                    "Notion sends a field that the schema does not know, so destinations may drop it: {path}."
                );
            }
        });
    }

    /// Whether a copy that search shows of a page is due for this stream. Without a checksum a copy only tells an edit.
    pub(super) fn is_copy_due(&mut self, id: Uuid, seen: &Seen) -> bool {
        let checksum = self.state.ledger.delivered(id).map_or(0, |before| before.version.checksum);
        let version = Version { edited: seen.edited, checksum };
        match self.source {
            Source::PageListing(_) | Source::Listing(_) => false,
            Source::Objects(_) | Source::Blocks | Source::PageObject(_) => {
                self.state.judge(Kind::Page, id, version, Trust::Copy).is_due()
            }
        }
    }

    /// The fields that the schema does not know, each with the records it was met in, and the records looked at.
    pub(super) fn drift(&self) -> &SchemaDrift {
        &self.drift
    }
}
