//! The states of a run: checkpoints on the way, and the last one of each stream.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::{StreamState, run::Run, stream_run::StreamRun, walk::Reached};
use crate::{
    protocol::{AirbyteMessage, OutputClosed, StreamStatus},
    streams::{ObjectKind, PageReader, Source},
};

impl Run {
    /// Sends the streams' states when it is time and the walk got further.
    pub(super) async fn checkpoint_if_due(&self) {
        let (done, pages) = self.walk.borrow().progress();
        let newly_done = done.saturating_sub(self.done_at_checkpoint.get());
        let is_part = newly_done > 0 && newly_done * self.policy.walk_parts >= pages;
        let elapsed = self.last_checkpoint.get().elapsed();
        let is_due = elapsed >= self.policy.interval
            || self.records_since_checkpoint.get() >= self.policy.records
            || (is_part && elapsed >= self.policy.spacing);
        if !is_due || self.is_checkpointing.replace(true) {
            return;
        }
        let before = self.records_since_checkpoint.get();
        // Without progress it stays due.
        if matches!(self.send_states(false).await, Ok(true)) {
            self.last_checkpoint.set(Instant::now());
            self.done_at_checkpoint.set(done);
            self.records_since_checkpoint.set(self.records_since_checkpoint.get() - before);
        }
        self.is_checkpointing.set(false);
    }

    /// Sends the state of each stream whose walk got further, or of all; returns whether there was any.
    pub(super) async fn send_states(&self, all: bool) -> Result<bool, OutputClosed> {
        let mut is_any = false;
        for stream in &self.streams {
            let reached = stream.reached(&self.walk.borrow().reached(self.until()));
            let is_further =
                stream.page_reader().is_some() && stream.sent_at() != reached.resume && !stream.is_stopped();
            if (is_further || all) && !stream.is_finished() {
                let state = match stream.stream.spec().cursor_field {
                    Some(_field) => self.state_in_progress(stream, &reached),
                    None => no_cursor_state(),
                };
                stream.set_sent_at(reached.resume);
                self.emitter.queue_state(&stream.name, state);
                is_any = true;
            }
        }
        if is_any {
            self.emitter.flush().await?;
        }
        Ok(is_any)
    }

    /// Completes the streams that nothing can be added to any more.
    pub(super) async fn finish_early(&self, is_done: impl Fn(&StreamRun) -> bool) {
        for stream in self.streams.iter().filter(|stream| is_done(stream)) {
            if self.finish(stream).await.is_err() {
                // Whoever watches the output ends the run.
                return;
            }
        }
    }

    /// The last state and status of a stream, unless they were sent before.
    pub(super) async fn finish(&self, stream: &StreamRun) -> Result<(), OutputClosed> {
        if stream.is_finished() {
            return Ok(());
        }
        let spec = stream.stream.spec();
        let failure = stream.failure();
        if let Some(failure) = &failure {
            self.emitter.queue(&AirbyteMessage::Error(failure.to_trace(Some(&stream.name))));
        }
        let state = match (spec.cursor_field, &failure) {
            (None, _) => no_cursor_state(),
            // What only the trees lead to was not found, though all listings were read: the old cursor stays.
            (Some(_), None) if self.misses_trees(stream) => {
                self.state_in_progress(stream, &Reached::default())
            }
            (Some(field), None) => self.finished_state(stream, field),
            (Some(field), Some(_)) => self.failed_state(stream, field),
        };
        self.emitter.queue_state(&stream.name, state);
        let status = if failure.is_some() { StreamStatus::Incomplete } else { StreamStatus::Complete };
        self.status(stream, status);
        stream.set_finished();
        self.emitter.flush().await
    }

    /// Whether the objects of a stream can be found below pages, and these were not all read.
    fn misses_trees(&self, stream: &StreamRun) -> bool {
        matches!(stream.stream.source(), Source::Enumeration(_))
            && self
                .streams
                .iter()
                .any(|other| other.is_stopped() && other.page_reader().is_some_and(PageReader::finds_objects))
    }

    /// The state of a failed stream: the new cursor where only what is on the retry list is missing, else the old.
    fn failed_state(&self, stream: &StreamRun, field: &str) -> Map<String, Value> {
        if stream.misses_only_retried() && !self.misses_trees(stream) {
            return self.finished_state(stream, field);
        }
        self.state_in_progress(stream, &stream.reached(&self.walk.borrow().reached(self.until())))
    }

    /// The state with which a stream goes on that has finished an interrupted walk.
    pub(super) fn state_to_catch_up_from(&self, stream: &StreamRun) -> StreamState {
        let field = stream.stream.spec().cursor_field.unwrap_or_default();
        stream.state().after_walk(field, self.cursor_reached(stream), &self.unlisted.borrow())
    }

    fn finished_state(&self, stream: &StreamRun, field: &str) -> Map<String, Value> {
        let retry = stream.retry_when_finished(&self.inventory.borrow());
        stream.state().finished(field, self.cursor_reached(stream), &retry, &self.unlisted.borrow())
    }

    fn state_in_progress(&self, stream: &StreamRun, reached: &Reached) -> Map<String, Value> {
        let inventory = self.inventory.borrow();
        let unlisted = stream.unlisted_so_far(&self.unlisted.borrow(), &inventory);
        let retry = stream.retry_with(&reached.stragglers, &inventory);
        stream.state().in_progress(reached.resume, &retry, &unlisted)
    }

    /// The cursor of a stream that was read completely: the latest edit that was seen, capped by the time at which
    /// the enumeration began, less the lookback. Whatever is edited while a sync runs is read again by the next.
    fn cursor_reached(&self, stream: &StreamRun) -> DateTime<Utc> {
        let inventory = self.inventory.borrow();
        let newest = match stream.stream.source() {
            Source::Enumeration(ObjectKind::DataSource) => inventory.newest_data_source(),
            Source::Pages(_) => inventory.newest_page().max(stream.newest_record()),
            Source::Enumeration(_) | Source::Listing(_) => inventory.newest_page(),
        };
        let newest = newest.unwrap_or(stream.state().start()).min(self.began());
        let cursor = newest - self.lookback;
        stream.latest_cursor().map_or(cursor, |latest| cursor.min(latest)).max(stream.state().start())
    }
}

/// The state of a stream without a cursor.
fn no_cursor_state() -> Map<String, Value> {
    Map::from_iter([("__ab_no_cursor_state_message".to_owned(), true.into())])
}
