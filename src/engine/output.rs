//! What the reader hands to the emitter: records, states and statuses, in order.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::stream_reader::StreamReader;
use crate::protocol::{AirbyteMessage, Emitter, RecordBatch, StatusReason, StreamDescriptor, StreamStatus};

/// So many bytes may wait for a slow output before the reader asks for less.
const MAX_WAITING_BYTES: usize = 4 * 1024 * 1024;

/// The output of a run.
#[derive(Debug)]
pub(super) struct Output {
    pub(super) emitter: Emitter,
    /// Bytes of records that were queued.
    pub(super) record_bytes: u64,
    /// Bytes of states that were queued.
    pub(super) state_bytes: u64,
    /// Records that were queued.
    pub(super) records: u64,
}

impl Output {
    pub(super) fn new(emitter: Emitter) -> Self {
        Self { emitter, record_bytes: 0, state_bytes: 0, records: 0 }
    }

    /// Whether the output takes less than what is read.
    pub(super) fn is_slow(&self) -> bool {
        self.emitter.waiting_bytes() > MAX_WAITING_BYTES
    }

    /// Queues records of a stream, if there are any.
    pub(super) fn records(&mut self, stream: &mut StreamReader, batch: RecordBatch) {
        let (count, bytes) = (batch.record_count(), batch.byte_count() as u64);
        if count > 0 {
            self.start_running(stream);
            stream.tally.records += count;
            stream.tally.bytes += bytes;
            self.records += count;
            self.record_bytes += bytes;
        }
        self.emitter.queue_records(batch);
    }

    /// Queues a stream's state, which covers every record of the stream queued before.
    pub(super) fn state(&mut self, stream: &mut StreamReader, state: Map<String, Value>) {
        let entries = state.get("ledger").and_then(|ledger| ledger.get("entries")?.as_str());
        self.state_bytes += entries.map_or(0, str::len) as u64 + 300;
        stream.has_progress = false;
        self.emitter.queue_state(&stream.name, state);
    }

    /// Queues a stream's status; RUNNING comes before COMPLETE, whether or not there were records.
    pub(super) fn status(&mut self, stream: &mut StreamReader, status: StreamStatus) {
        if status == StreamStatus::Complete {
            self.start_running(stream);
        }
        self.status_of(&stream.name, status, None);
    }

    /// Queues the status of a stream by its name.
    pub(super) fn status_of(&self, name: &Arc<str>, status: StreamStatus, reason: Option<StatusReason>) {
        let descriptor = StreamDescriptor::new(&**name);
        self.emitter.queue(&AirbyteMessage::StreamStatus(descriptor, status, reason));
    }

    fn start_running(&mut self, stream: &mut StreamReader) {
        if stream.start_running() {
            self.status_of(&stream.name, StreamStatus::Running, None);
        }
    }
}

/// The records of several streams that one answer brings.
#[derive(Debug)]
pub(super) struct Batches(Vec<Option<RecordBatch>>);

impl Batches {
    pub(super) fn new(stream_count: usize) -> Self {
        Self((0..stream_count).map(|_stream| None).collect())
    }

    /// The batch of a stream.
    pub(super) fn of(
        &mut self,
        index: usize,
        stream: &StreamReader,
        emitter: &Emitter,
    ) -> Option<&mut RecordBatch> {
        let batch = self.0.get_mut(index)?;
        Some(batch.get_or_insert_with(|| emitter.batch(&stream.name, 0)))
    }

    /// Queues the records of all streams.
    pub(super) fn send(self, streams: &mut [StreamReader], output: &mut Output) {
        for (stream, batch) in streams.iter_mut().zip(self.0) {
            if let Some(batch) = batch {
                output.records(stream, batch);
            }
        }
    }
}
