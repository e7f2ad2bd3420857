//! What a platform's destination holds after any runs, as its users would see it.
//!
//! A destination upserts records by their ids in the order in which they were printed, and a record with
//! `_ab_cdc_deleted_at` deletes. Blocks and comments are snapshots: current are those that carry the largest
//! `page_read_at` of their page, and a marker (`object` is `page`) among them says that the page has none.
//!
//! Platforms differ in what they do with records that come after the last accepted state of their stream: some keep them,
//! some do not. Both are modelled side by side.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::support::SyncOutput;

/// A stream, and an object's id or, for blocks and comments, their page's.
pub(crate) type Key = (String, String);

/// The records of each stream, by id.
type Tables = BTreeMap<String, BTreeMap<String, Value>>;

/// Two destinations that were given the same output, and the platform's state.
#[derive(Debug, Default)]
pub(crate) struct Destination {
    /// Holds only what came before an accepted state.
    careful: Tables,
    /// Holds everything that came before the last accepted point.
    eager: Tables,
    /// Of what the eager one may have newer records than the states know.
    ahead: BTreeSet<Key>,
    pub(crate) state: Value,
    /// When a record of each key was emitted last, and the last reading of each page.
    emitted: BTreeMap<Key, i64>,
    read: BTreeMap<Key, String>,
}

impl Destination {
    /// Takes in a run's output up to and including a line; all of it without one.
    ///
    /// Fails when a record is older than one of the same key before it.
    pub(crate) fn take(&mut self, output: &SyncOutput, last_line: Option<usize>) -> Result<(), String> {
        let last_line = last_line.unwrap_or(usize::MAX);
        let mut accepted: BTreeMap<String, usize> = BTreeMap::new();
        for state in output.states().into_iter().filter(|state| state.line <= last_line) {
            accepted.insert(state.stream, state.line);
        }
        let mut cut = output.clone();
        cut.messages.truncate(last_line.saturating_add(1));
        for (line, message) in
            cut.messages.iter().enumerate().filter(|(_, message)| message["type"] == "RECORD")
        {
            let record = &message["record"];
            let (stream, data) = (record["stream"].as_str().unwrap(), &record["data"]);
            self.check_rises(stream, data, record["emitted_at"].as_i64().unwrap())?;
            let subject = (stream.to_owned(), subject(stream, data));
            upsert(&mut self.eager, stream, data);
            if accepted.get(stream).is_some_and(|accepted| line < *accepted) {
                upsert(&mut self.careful, stream, data);
                self.ahead.remove(&subject);
            } else {
                self.ahead.insert(subject);
            }
        }
        self.state = cut.state_file(&self.state);
        Ok(())
    }

    /// Whether a record is not older than the last one of the same key, and not of an older reading of its page.
    fn check_rises(&mut self, stream: &str, data: &Value, emitted_at: i64) -> Result<(), String> {
        let key = (stream.to_owned(), id(data));
        if self.emitted.insert(key, emitted_at).is_some_and(|before| emitted_at < before) {
            return Err(format!("emitted earlier than the record before it: {stream} {data}"));
        }
        if let Some(read_at) = data["page_read_at"].as_str() {
            let page = (stream.to_owned(), subject(stream, data));
            let before = self.read.insert(page, read_at.to_owned());
            if let Some(before) = before.filter(|before| read_at < before.as_str()) {
                return Err(format!("of an older reading than {before}: {stream} {data}"));
            }
        }
        Ok(())
    }

    /// Somebody clears the data of a stream: its records and its state.
    pub(crate) fn clear(&mut self, stream: &str) {
        self.careful.remove(stream);
        self.eager.remove(stream);
        self.ahead.retain(|(name, _)| name != stream);
        self.read.retain(|(name, _), _| name != stream);
        if let Some(states) = self.state.as_array_mut() {
            states.retain(|state| state["stream"]["stream_descriptor"]["name"] != stream);
        }
    }

    /// What the users of a destination that keeps no more than the states claim see of a stream.
    pub(crate) fn careful(&self, stream: &str) -> BTreeMap<String, &Value> {
        current(&self.careful, stream)
    }

    /// What the users of a destination that keeps everything see of a stream.
    pub(crate) fn eager(&self, stream: &str) -> BTreeMap<String, &Value> {
        current(&self.eager, stream)
    }

    /// The page and the reading that the last record of a block or comment is of, current or not: for messages.
    pub(crate) fn last_seen(&self, stream: &str, id: &str) -> Option<(&Value, &Value)> {
        let record = self.careful.get(stream)?.get(id)?;
        Some((&record["page_id"], &record["page_read_at"]))
    }

    /// Whether the last record of an object, or of a page's blocks or comments, is not covered by a state.
    pub(crate) fn is_ahead(&self, stream: &str, subject: &str) -> bool {
        self.ahead.contains(&(stream.to_owned(), subject.to_owned()))
    }
}

fn upsert(tables: &mut Tables, stream: &str, data: &Value) {
    let table = tables.entry(stream.to_owned()).or_default();
    if data.get("_ab_cdc_deleted_at").is_some_and(|deleted| !deleted.is_null()) {
        table.remove(&id(data));
    } else {
        table.insert(id(data), data.clone());
    }
}

fn current<'t>(tables: &'t Tables, stream: &str) -> BTreeMap<String, &'t Value> {
    let records = || tables.get(stream).into_iter().flatten();
    let mut newest: BTreeMap<&str, &str> = BTreeMap::new();
    for (_, record) in records() {
        if let (Some(page), Some(read_at)) = (record["page_id"].as_str(), record["page_read_at"].as_str()) {
            let known = newest.entry(page).or_default();
            *known = read_at.max(known);
        }
    }
    let is_current = |record: &Value| {
        let read_at = record["page_read_at"].as_str();
        record["page_id"]
            .as_str()
            .is_none_or(|page| newest.get(page).copied() == read_at && record["object"] != "page")
    };
    records().filter(|(_, record)| is_current(record)).map(|(id, record)| (id.clone(), record)).collect()
}

fn id(data: &Value) -> String {
    data["id"].as_str().unwrap().to_owned()
}

/// The id of the object that is read as one thing with this record.
pub(crate) fn subject(stream: &str, data: &Value) -> String {
    match stream {
        "blocks" | "comments" => data["page_id"].as_str().unwrap().to_owned(),
        _objects => id(data),
    }
}
