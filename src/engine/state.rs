//! A stream's state: its ledger, and beside it the cursor in Airbyte's form.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};
use tracing::warn;
use uuid::Uuid;

use super::{
    ledger::{Due, Kind, Ledger, Trust, Version},
    state_format::{Floor, cursor_state, no_cursor},
};
use crate::{
    error::StateError,
    protocol::{ConfiguredStream, SyncMode},
    streams::{Cursor, StreamSpec},
    workspace::Minute,
};

/// The key of everything that Airbyte's connector does not know.
const LEDGER: &str = "ledger";
/// The version of the ledger's encoding.
const VERSION: u64 = 1;

/// The platform's ids of a job, by which a retry of a full refresh is told from the next one.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct SyncIds {
    /// Another one for each job.
    pub sync: Option<i64>,
    /// Another one each time that the destination is emptied.
    pub generation: Option<i64>,
}

/// The state of one stream while it is being read.
#[derive(Clone, Debug)]
pub(super) struct StreamState {
    cursor: Option<Cursor>,
    /// Airbyte's part of the state as it came.
    stored: Map<String, Value>,
    /// What was delivered.
    pub ledger: Ledger,
    /// What counts as delivered although the ledger does not name it.
    floor: Option<Floor>,
    ids: SyncIds,
    /// When content was read last; later readings get later times.
    pub read_at: Option<DateTime<Utc>>,
    /// The same when this run began.
    read_before: Option<DateTime<Utc>>,
    /// When archived rows were asked for last.
    pub archived_rows_read: Option<Minute>,
    /// How many pages could not be found when deletions were held back; zero when they are not.
    pub held: u64,
}

impl StreamState {
    /// Reads a stored state in any form that Airbyte's connector or this one has ever written, and decides whether a full
    /// refresh goes on or begins.
    pub(super) fn read(
        spec: &StreamSpec,
        configured: &ConfiguredStream,
        stored: Option<&Map<String, Value>>,
    ) -> Result<Self, StateError> {
        let fail = |detail| StateError { stream: spec.name.to_string(), detail };
        let ids = SyncIds { sync: configured.sync_id, generation: configured.generation_id };
        let mut state = Self {
            cursor: spec.cursor.clone(),
            stored: stored.cloned().unwrap_or_default(),
            ledger: Ledger::default(),
            floor: None,
            ids,
            read_at: None,
            read_before: None,
            archived_rows_read: None,
            held: 0,
        };
        let Some(cursor) = &spec.cursor else { return Ok(state) };
        let ours = state.stored.remove(LEDGER);
        let has_ledger = ours.as_ref().is_some_and(|ours| state.read_ledger(&spec.name, ours));
        let is_floor = ours.as_ref().is_none_or(|ours| ours.get("floor") == Some(&json!(true)));
        if is_floor {
            state.floor = Floor::parse(&state.stored, &cursor.field).map_err(fail)?;
        }
        if configured.sync_mode == SyncMode::FullRefresh && !(has_ledger && is_retry(ours.as_ref(), ids)) {
            state.begin_anew();
        }
        Ok(state)
    }

    /// Reads our own part; returns whether it can be used. Where it cannot, everything is read again.
    fn read_ledger(&mut self, stream: &str, ours: &Value) -> bool {
        if ours.get("version") != Some(&json!(VERSION)) {
            warn!(
                "The state of the stream \"{stream}\" was written by another version of the connector, so everything \
                 is read again."
            );
            return false;
        }
        match Ledger::decode(ours.get("entries").and_then(Value::as_str).unwrap_or_default()) {
            Ok(ledger) => self.ledger = ledger,
            Err(error) => {
                warn!(
                    "The ledger in the state of the stream \"{stream}\" cannot be read ({error}), so everything is read \
                     again."
                );
                return false;
            }
        }
        let time = |key: &str| ours.get(key)?.as_str()?.parse::<DateTime<Utc>>().ok();
        self.read_at = time("read_at");
        self.read_before = self.read_at;
        self.archived_rows_read = time("archived_rows_read").and_then(Minute::of);
        self.held = ours.get("held").and_then(Value::as_u64).unwrap_or_default();
        true
    }

    fn begin_anew(&mut self) {
        self.ledger.withdraw_all();
        self.stored.clear();
        (self.floor, self.archived_rows_read, self.held) = (None, None, 0);
        self.read_before = None;
    }

    /// Compares what was seen of an object with what was delivered. Below the floor it counts as delivered and enters
    /// the ledger.
    pub(super) fn judge(&mut self, kind: Kind, id: Uuid, seen: Version, trust: Trust) -> Due {
        let due = self.ledger.judge(id, seen, trust);
        if due == Due::New
            && let (Some(floor), Some(edited)) = (self.floor_of(id), seen.edited)
            && edited.start() < floor
        {
            self.ledger.adopt(kind, id, seen);
            return Due::No;
        }
        due
    }

    /// Before when a page, or what belongs to it, counts as delivered.
    pub(super) fn floor_of(&self, page: Uuid) -> Option<DateTime<Utc>> {
        self.floor.as_ref().and_then(|floor| floor.of(page))
    }

    /// Whether something in a page may have been sent before. A page without an entry that was there when pages were read
    /// last may be one that was gone and came back, or that a killed run had sent.
    pub(super) fn may_have_content(&self, page: Uuid, created: Option<Minute>) -> bool {
        let was_there = |read: DateTime<Utc>| created.is_none_or(|created| created.start() <= read);
        let delivered = self.ledger.delivered(page);
        delivered.map_or_else(|| self.read_before.is_some_and(was_there), |delivered| delivered.has_content)
    }

    /// Ends the floor: everything that it stands for has entered the ledger.
    pub(super) fn end_floor(&mut self) {
        self.floor = None;
    }

    /// Whether nothing was delivered yet, so nothing is known of what archived rows there are.
    pub(super) fn is_new(&self) -> bool {
        self.ledger.is_empty() || self.floor.is_some()
    }

    /// Whether it came without a state.
    pub(super) fn is_first(&self) -> bool {
        self.ledger.is_empty() && self.stored.is_empty()
    }

    /// The latest time of the stored cursor, if it is ahead of `now`.
    pub(super) fn is_ahead(&self, now: DateTime<Utc>) -> bool {
        self.floor.as_ref().and_then(|floor| floor.of(Uuid::nil())).is_some_and(|floor| floor > now)
    }

    /// The state while the sync runs, or after one that is not complete: the old cursor, and what was delivered.
    pub(super) fn unfinished(&self) -> Map<String, Value> {
        let Some(cursor) = &self.cursor else { return no_cursor_state() };
        let mut state = self.stored.clone();
        if state.is_empty() {
            state = no_cursor(cursor.format);
        }
        self.add_ledger(&mut state, false);
        state
    }

    /// The state after a sync that delivered everything, whose cursor is `reached`.
    pub(super) fn finished(&self, reached: DateTime<Utc>) -> Map<String, Value> {
        let Some(cursor) = &self.cursor else { return no_cursor_state() };
        let mut state = cursor_state(cursor.format, &cursor.field, reached);
        self.add_ledger(&mut state, true);
        state
    }

    fn add_ledger(&self, state: &mut Map<String, Value>, is_complete: bool) {
        let mut ours = Map::new();
        let mut set = |key: &str, value: Value| ours.insert(key.to_owned(), value);
        set("version", json!(VERSION));
        set("complete", json!(is_complete));
        set("count", json!(self.ledger.len()));
        set("entries", json!(self.ledger.encode()));
        if self.floor.is_some() {
            set("floor", json!(true));
        }
        if let Some(sync) = self.ids.sync {
            set("sync_id", json!(sync));
        }
        if let Some(generation) = self.ids.generation {
            set("generation_id", json!(generation));
        }
        if let Some(read_at) = self.read_at {
            set("read_at", json!(read_at.to_rfc3339_opts(SecondsFormat::Millis, true)));
        }
        if let Some(minute) = self.archived_rows_read {
            set("archived_rows_read", json!(minute.start().to_rfc3339_opts(SecondsFormat::Secs, true)));
        }
        if self.held > 0 {
            set("held", json!(self.held));
        }
        state.insert(LEDGER.to_owned(), Value::Object(ours));
    }
}

/// Whether a full refresh that comes with this state is a retry of the job that wrote it.
fn is_retry(ours: Option<&Value>, ids: SyncIds) -> bool {
    let Some(ours) = ours else { return false };
    if ours.get("complete") != Some(&json!(true)) {
        return true;
    }
    let stored = SyncIds {
        sync: ours.get("sync_id").and_then(Value::as_i64),
        generation: ours.get("generation_id").and_then(Value::as_i64),
    };
    ids.sync.is_some() && stored == ids
}

/// The state of a stream without a cursor.
fn no_cursor_state() -> Map<String, Value> {
    Map::from_iter([("__ab_no_cursor_state_message".to_owned(), true.into())])
}
