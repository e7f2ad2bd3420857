//! A stream's state: from where to read, how far an unfinished walk got, and what still has to be read.
//!
//! Times have minute granularity and are compared inclusively everywhere. A cursor never goes back, and while a
//! walk goes on its states keep the cursor that it began with; a second walk has the cursor of the first.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, DurationRound, NaiveDateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::StateError;

/// A page and when it was last edited; ordered as walks go.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct PageRef {
    /// When it was last edited, to the minute.
    pub last_edited_time: DateTime<Utc>,
    /// The page's id.
    pub id: Uuid,
}

/// How far a walk got: every page up to the mark was done when it was last edited before `until`, but for those on the
/// retry list beside it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Resume {
    /// The last page, in the walk's order, of those that are done or on the retry list without a gap.
    pub mark: PageRef,
    /// Pages edited at or after this time may have changed since they were read.
    pub until: DateTime<Utc>,
}

/// Objects that could not be read, each with the cursor that held for it then (none: the start date).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RetryList {
    /// Pages.
    pub pages: BTreeMap<Uuid, Option<DateTime<Utc>>>,
    /// Data sources whose rows could not be listed.
    pub data_sources: BTreeMap<Uuid, Option<DateTime<Utc>>>,
}

/// Objects that no listing shows and that were found on the way; the next sync asks for them by id.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Unlisted {
    /// Pages.
    pub pages: BTreeSet<Uuid>,
    /// Data sources.
    pub data_sources: BTreeSet<Uuid>,
}

/// Which of Airbyte's forms a stream's state is written in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StateForm {
    /// `{"last_edited_time": T}`
    Single,
    /// `{"use_global_cursor": true, "state": {"last_edited_time": T}, ...}`
    Global,
}

/// The state of one stream, as it was when the sync began.
#[derive(Clone, Debug)]
pub struct StreamState {
    form: StateForm,
    start: DateTime<Utc>,
    /// The state as it came, without our own keys.
    stored: Map<String, Value>,
    cursor: Option<DateTime<Utc>>,
    by_page: HashMap<Uuid, DateTime<Utc>>,
    resume: Option<Resume>,
    retry: RetryList,
    unlisted: Unlisted,
}

const RESUME: &str = "resume";
const RETRY: &str = "retry";
const UNLISTED: &str = "unlisted";

impl StreamState {
    /// Reads a stored state in any form that Airbyte's connector or ours has ever written.
    pub fn parse(
        stream: &str,
        form: StateForm,
        cursor_field: &str,
        start_date: DateTime<Utc>,
        stored: Option<&Map<String, Value>>,
    ) -> Result<Self, StateError> {
        let fail = |detail| StateError { stream: stream.to_owned(), detail };
        let mut stored = stored.cloned().unwrap_or_default();
        let resume = stored.remove(RESUME).map(|value| parse_resume(&value)).transpose().map_err(fail)?;
        let retry = stored.remove(RETRY).map(|value| parse_retry(&value)).transpose().map_err(fail)?;
        let unlisted =
            stored.remove(UNLISTED).map(|value| parse_unlisted(&value)).transpose().map_err(fail)?;
        let (cursor, by_page) = parse_cursors(&stored, cursor_field).map_err(fail)?;
        Ok(Self {
            form,
            start: to_minute(start_date),
            stored,
            cursor,
            by_page,
            resume,
            retry: retry.unwrap_or_default(),
            unlisted: unlisted.unwrap_or_default(),
        })
    }

    /// The time from which records of this page (or of any page not named in the state) are wanted.
    pub fn since(&self, page: Option<Uuid>) -> DateTime<Utc> {
        let own = page.and_then(|page| self.by_page.get(&page).copied());
        own.or(self.cursor).map_or(self.start, |cursor| cursor.max(self.start))
    }

    /// The earliest time from which records of any page are wanted.
    pub fn since_any(&self) -> DateTime<Utc> {
        self.by_page
            .values()
            .copied()
            .fold(self.since(None), |earliest, cursor| earliest.min(cursor.max(self.start)))
    }

    /// The start date, to the minute.
    pub fn start(&self) -> DateTime<Utc> {
        self.start
    }

    /// Whether a finished sync left a cursor.
    pub fn has_cursor(&self) -> bool {
        self.cursor.is_some() || !self.by_page.is_empty()
    }

    /// Whether the cursor lies ahead of the time given.
    pub fn is_after(&self, now: DateTime<Utc>) -> bool {
        self.cursor.is_some_and(|cursor| cursor > now)
    }

    /// Whether an unfinished walk is known to have done this page since it was last edited.
    pub fn is_done(&self, page: &PageRef) -> bool {
        self.resume.is_some_and(|resume| *page <= resume.mark && page.last_edited_time < resume.until)
    }

    /// How far the unfinished walk got.
    pub fn resume(&self) -> Option<Resume> {
        self.resume
    }

    /// What could not be read so far.
    pub fn retry(&self) -> &RetryList {
        &self.retry
    }

    /// What no listing shows.
    pub fn unlisted(&self) -> &Unlisted {
        &self.unlisted
    }

    /// The state while the sync runs, or after it failed: the old cursor, and how far it got.
    pub fn in_progress(
        &self,
        resume: Option<Resume>,
        retry: &RetryList,
        unlisted: &Unlisted,
    ) -> Map<String, Value> {
        let mut state = self.stored.clone();
        let is_new = resume.is_some() || *retry != RetryList::default() || *unlisted != Unlisted::default();
        if state.is_empty() && self.form == StateForm::Global && is_new {
            // What Airbyte's connector writes when its first sync fails: no cursor, read from the start date.
            state = global_form(None);
        }
        if let Some(resume) = resume {
            state.insert(
                RESUME.to_owned(),
                json!({"last_edited_time": written(resume.mark.last_edited_time), "id": resume.mark.id.to_string(),
                    "until": written(resume.until)}),
            );
        }
        Self::add_lists(&mut state, retry, unlisted);
        state
    }

    /// The state after the sync read everything; the cursor is `reached`, or the old one if that is later.
    pub fn finished(
        &self,
        cursor_field: &str,
        reached: DateTime<Utc>,
        retry: &RetryList,
        unlisted: &Unlisted,
    ) -> Map<String, Value> {
        let cursor = self.cursor.map_or(reached, |cursor| cursor.max(reached));
        let mut state = match self.form {
            StateForm::Single => Map::new(),
            StateForm::Global => global_form(Some((cursor_field, cursor))),
        };
        if self.form == StateForm::Single {
            state.insert(cursor_field.to_owned(), json!(written(cursor)));
        }
        Self::add_lists(&mut state, retry, unlisted);
        state
    }

    /// The same, to go on from in this very run; what is to be tried again stays as it is.
    #[must_use]
    pub fn after_walk(&self, cursor_field: &str, reached: DateTime<Utc>, unlisted: &Unlisted) -> Self {
        Self {
            form: self.form,
            start: self.start,
            stored: self.finished(cursor_field, reached, &RetryList::default(), &Unlisted::default()),
            cursor: self.cursor.max(Some(reached)),
            by_page: HashMap::new(),
            resume: None,
            retry: self.retry.clone(),
            unlisted: unlisted.clone(),
        }
    }

    fn add_lists(state: &mut Map<String, Value>, retry: &RetryList, unlisted: &Unlisted) {
        if *retry != RetryList::default() {
            let list = |entries: &BTreeMap<Uuid, Option<DateTime<Utc>>>| -> Vec<Value> {
                entries
                    .iter()
                    .map(|(id, since)| json!({"id": id.to_string(), "since": since.map(written)}))
                    .collect()
            };
            let lists = json!({"pages": list(&retry.pages), "data_sources": list(&retry.data_sources)});
            state.insert(RETRY.to_owned(), lists);
        }
        if *unlisted != Unlisted::default() {
            let list = |ids: &BTreeSet<Uuid>| -> Vec<String> { ids.iter().map(Uuid::to_string).collect() };
            let lists = json!({"pages": list(&unlisted.pages), "data_sources": list(&unlisted.data_sources)});
            state.insert(UNLISTED.to_owned(), lists);
        }
    }
}

fn global_form(cursor: Option<(&str, DateTime<Utc>)>) -> Map<String, Value> {
    let mut state = Map::new();
    state.insert("use_global_cursor".to_owned(), json!(true));
    if let Some((field, cursor)) = cursor {
        state.insert("state".to_owned(), json!({ field: written(cursor) }));
    }
    state.insert("lookback_window".to_owned(), json!(0));
    state.insert("parent_state".to_owned(), json!({}));
    state
}

/// Rounds down to the minute, as Notion does.
pub fn to_minute(time: DateTime<Utc>) -> DateTime<Utc> {
    time.duration_trunc(TimeDelta::minutes(1)).unwrap_or(time)
}

/// A time as Airbyte's connector writes it: six digits and `Z`.
fn written(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

fn parse_time(text: &str) -> Option<DateTime<Utc>> {
    let zoned = DateTime::parse_from_rfc3339(text).map(|time| time.to_utc()).ok();
    zoned.or_else(|| Some(NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").ok()?.and_utc()))
}

fn time_at(object: &Value, field: &str) -> Result<Option<DateTime<Utc>>, String> {
    match object.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) => parse_time(text)
            .map(Some)
            .ok_or_else(|| format!("\"{field}\" is \"{text}\", which is not a time")),
        Some(other) => Err(format!("\"{field}\" is {other}, which is not a time")),
    }
}

fn id_at(object: &Value) -> Result<Uuid, String> {
    let text = object.get("id").and_then(Value::as_str).unwrap_or_default();
    Uuid::try_parse(text).map_err(|_parse| format!("\"{text}\" is not an id"))
}

type Cursors = (Option<DateTime<Utc>>, HashMap<Uuid, DateTime<Utc>>);

/// The cursor for all pages, less its lookback, and those of single pages.
fn parse_cursors(stored: &Map<String, Value>, field: &str) -> Result<Cursors, String> {
    let whole = Value::Object(stored.clone());
    if stored.contains_key("state") || stored.contains_key("states") {
        let cursor = stored.get("state").map_or(Ok(None), |state| time_at(state, field))?;
        let lookback = stored.get("lookback_window").and_then(Value::as_i64).unwrap_or_default();
        let lookback = TimeDelta::try_seconds(lookback.max(0)).unwrap_or_default();
        let cursor = cursor.map(|cursor| cursor.checked_sub_signed(lookback).unwrap_or(cursor));
        let is_global = stored.get("use_global_cursor").and_then(Value::as_bool).unwrap_or(false);
        let by_page = if is_global { HashMap::new() } else { parse_partitions(stored, field)? };
        return Ok((cursor, by_page));
    }
    if let Some(Value::Array(slices)) = stored.get("slices") {
        let mut newest = None;
        for slice in slices {
            let reached = time_at(slice, "most_recent_cursor_value")?;
            newest = newest.max(reached.map_or_else(|| time_at(slice, "end"), |time| Ok(Some(time)))?);
        }
        return Ok((newest, HashMap::new()));
    }
    if let Some(cursor) = time_at(&whole, field)? {
        return Ok((Some(cursor), HashMap::new()));
    }
    // Connector versions before 3 kept one cursor a page, at the top level.
    let mut by_page = HashMap::new();
    for (key, value) in stored {
        if let (Ok(page), Some(cursor)) = (Uuid::try_parse(key), time_at(value, field)?) {
            by_page.insert(page, cursor);
        }
    }
    Ok((None, by_page))
}

fn parse_partitions(
    stored: &Map<String, Value>,
    field: &str,
) -> Result<HashMap<Uuid, DateTime<Utc>>, String> {
    let mut by_page = HashMap::new();
    for entry in stored.get("states").and_then(Value::as_array).into_iter().flatten() {
        let partition = entry.get("partition").and_then(Value::as_object);
        let id =
            partition.into_iter().flatten().find_map(|(_name, value)| Uuid::try_parse(value.as_str()?).ok());
        let cursor = entry.get("cursor").map_or(Ok(None), |cursor| time_at(cursor, field))?;
        // A partition that names no page cannot be told; its page is read from the common cursor.
        if let (Some(id), Some(cursor)) = (id, cursor) {
            by_page.insert(id, cursor);
        }
    }
    Ok(by_page)
}

fn parse_resume(value: &Value) -> Result<Resume, String> {
    let missing = || format!("\"{RESUME}\" lacks \"last_edited_time\", \"id\" or \"until\"");
    let last_edited_time = time_at(value, "last_edited_time")?.ok_or_else(missing)?;
    let until = time_at(value, "until")?.ok_or_else(missing)?;
    Ok(Resume { mark: PageRef { last_edited_time, id: id_at(value)? }, until })
}

fn parse_retry(value: &Value) -> Result<RetryList, String> {
    let list = |name: &str| -> Result<BTreeMap<_, _>, String> {
        let entries = value.get(name).and_then(Value::as_array);
        entries.into_iter().flatten().map(|entry| Ok((id_at(entry)?, time_at(entry, "since")?))).collect()
    };
    Ok(RetryList { pages: list("pages")?, data_sources: list("data_sources")? })
}

fn parse_unlisted(value: &Value) -> Result<Unlisted, String> {
    let list = |name: &str| -> Result<BTreeSet<_>, String> {
        let ids = value.get(name).and_then(Value::as_array);
        ids.into_iter().flatten().map(|id| id_at(&json!({ "id": id }))).collect()
    };
    Ok(Unlisted { pages: list("pages")?, data_sources: list("data_sources")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: &str = "2025-01-01T00:00:30Z";
    const PAGE: &str = "11111111-1111-4111-8111-111111111111";

    fn time(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn parse(stored: &Value) -> Result<StreamState, StateError> {
        StreamState::parse("s", StateForm::Global, "last_edited_time", time(START), stored.as_object())
    }

    /// From when records of the page and of any other page are wanted.
    fn since(stored: &Value) -> (String, String) {
        let state = parse(stored).unwrap();
        (written(state.since(Some(Uuid::parse_str(PAGE).unwrap()))), written(state.since(None)))
    }

    #[test]
    fn every_known_form_is_read() {
        let (start, t) = ("2025-01-01T00:00:00.000000Z", "2026-02-03T10:00:00.000000Z");
        let cursor = json!({"last_edited_time": t});
        let partition = json!({"partition": {"id": PAGE, "parent_slice": {}}, "cursor": cursor});
        let old = json!({"last_edited_time": "2026-01-01T00:00:00.000Z"});
        let january = "2026-01-01T00:00:00.000000Z";
        let cases = [
            (json!({}), start, start),
            (json!({"__ab_no_cursor_state_message": true}), start, start),
            (cursor.clone(), t, t),
            (json!({"__ab_full_refresh_sync_complete": true, "last_edited_time": t}), t, t),
            (json!({"last_edited_time": "2026-02-03T10:00:00Z"}), t, t),
            (json!({"last_edited_time": "2026-02-03T12:00:00+02:00"}), t, t),
            (json!({"last_edited_time": "2026-02-03T10:00:00"}), t, t),
            (
                json!({"slices": [{"start": january, "end": t, "most_recent_cursor_value": january}],
                "state_type": "date-range"}),
                january,
                january,
            ),
            (json!({"slices": [{"start": january, "end": january}, {"start": january, "end": t}]}), t, t),
            (json!({"states": [partition]}), t, start),
            (json!({"use_global_cursor": false, "states": [], "lookback_window": 0}), start, start),
            (
                json!({"use_global_cursor": false, "states": [partition], "state": old, "lookback_window": 0}),
                t,
                january,
            ),
            (
                json!({"use_global_cursor": true, "states": [partition], "state": old, "lookback_window": 60}),
                "2025-12-31T23:59:00.000000Z",
                "2025-12-31T23:59:00.000000Z",
            ),
            (
                json!({"use_global_cursor": true, "state": cursor, "lookback_window": 0, "parent_state": {}}),
                t,
                t,
            ),
            (json!({"state": cursor, "lookback_window": 0, "parent_state": {}}), t, t),
            (json!({"use_global_cursor": true, "lookback_window": 0, "parent_state": {}}), start, start),
            (json!({ PAGE: cursor }), t, start),
            (json!({"last_edited_time": "2020-01-01T00:00:00Z"}), start, start),
        ];
        for (stored, page, other) in cases {
            assert_eq!(since(&stored), (page.to_owned(), other.to_owned()), "{stored}");
        }
    }

    #[test]
    fn an_unreadable_cursor_names_the_stream() {
        let cases = [
            json!({"last_edited_time": "yesterday"}),
            json!({"last_edited_time": 7}),
            json!({"state": {"last_edited_time": "x"}}),
            json!({"states": [{"partition": {"id": PAGE}, "cursor": {"last_edited_time": "x"}}]}),
            json!({"resume": {"last_edited_time": "2026-01-01T00:00:00Z", "id": "x"}}),
            json!({"retry": {"pages": [{"id": "x"}]}}),
        ];
        for stored in cases {
            let error = parse(&stored).unwrap_err().to_string();
            assert!(error.contains("the state of the stream \"s\""), "{stored}: {error}");
        }
    }

    #[test]
    fn a_cursor_never_goes_back() {
        let state = parse(&json!({"last_edited_time": "2099-01-01T00:00:00Z"})).unwrap();
        let (retry, unlisted) = (RetryList::default(), Unlisted::default());
        let finished = state.finished("last_edited_time", time("2026-01-01T00:00:00Z"), &retry, &unlisted);
        assert_eq!(finished["state"]["last_edited_time"], json!("2099-01-01T00:00:00.000000Z"));
        assert!(state.is_after(time("2026-01-01T00:00:00Z")));
    }

    #[test]
    fn an_unfinished_state_keeps_the_old_cursor_and_comes_back_whole() {
        let stored = json!({"use_global_cursor": false, "states": [], "state": {"last_edited_time": START}});
        let state = parse(&stored).unwrap();
        let page = Uuid::parse_str(PAGE).unwrap();
        let mark = PageRef { last_edited_time: time("2026-01-01T00:00:00Z"), id: page };
        let resume = Resume { mark, until: time("2026-01-02T00:00:00Z") };
        let retry =
            RetryList { pages: [(page, None)].into(), data_sources: [(page, Some(time(START)))].into() };
        let unlisted = Unlisted { pages: [page].into(), data_sources: [page].into() };
        let written = Value::Object(state.in_progress(Some(resume), &retry, &unlisted));
        for (key, value) in stored.as_object().unwrap() {
            assert_eq!(&written[key], value);
        }
        let read = parse(&written).unwrap();
        assert_eq!((read.resume(), read.retry(), read.unlisted()), (Some(resume), &retry, &unlisted));
        assert!(read.is_done(&mark));
        assert!(!read.is_done(&PageRef { last_edited_time: time("2026-01-02T00:00:00Z"), ..mark }));
        assert!(!read.is_done(&PageRef { id: Uuid::max(), ..mark }));
    }
}
