//! What a run printed, by kind.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

/// One STATE line.
#[derive(Clone, Debug)]
pub(crate) struct StateLine {
    pub(crate) stream: String,
    pub(crate) state: Value,
    pub(crate) record_count: f64,
    /// The index of the line in the whole output.
    pub(crate) line: usize,
}

/// Everything that a run printed, and how it ended.
#[derive(Clone, Debug, Default)]
pub(crate) struct SyncOutput {
    pub(crate) exit_code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// All messages, in order.
    pub(crate) messages: Vec<Value>,
}

impl SyncOutput {
    /// Parses the output; every complete line must be a message of the protocol. A last line without a newline, which
    /// a killed process leaves, is dropped.
    pub(crate) fn parse(stdout: String, stderr: String, exit_code: Option<i32>) -> Self {
        let complete = stdout.rsplit_once('\n').map_or("", |(complete, _rest)| complete);
        let messages = complete
            .lines()
            .map(|line| {
                let message: Value = serde_json::from_str(line)
                    .or_else(|_surrogates| serde_json::from_str(&without_surrogates(line)))
                    .unwrap_or_else(|error| panic!("no JSON: {error}: {line}"));
                let kind = message["type"].as_str().unwrap_or_else(|| panic!("no type: {line}"));
                let known =
                    ["RECORD", "STATE", "LOG", "TRACE", "SPEC", "CATALOG", "CONNECTION_STATUS", "CONTROL"];
                assert!(known.contains(&kind), "unknown message: {line}");
                message
            })
            .collect();
        Self { exit_code, stdout, stderr, messages }
    }

    /// The messages of a kind, each with the part that its type names.
    fn parts<'a>(&'a self, kind: &'a str, part: &'a str) -> impl Iterator<Item = (usize, &'a Value)> {
        let of_kind = move |(_line, message): &(usize, &'a Value)| message["type"] == kind;
        self.messages.iter().enumerate().filter(of_kind).map(move |(line, message)| (line, &message[part]))
    }

    /// The records of a stream.
    pub(crate) fn records(&self, stream: &str) -> Vec<&Value> {
        let records = self.parts("RECORD", "record").filter(|(_line, record)| record["stream"] == stream);
        records.map(|(_line, record)| &record["data"]).collect()
    }

    /// All records in order: the line, the stream, the data.
    pub(crate) fn all_records(&self) -> impl Iterator<Item = (usize, &str, &Value)> {
        self.parts("RECORD", "record")
            .map(|(line, record)| (line, record["stream"].as_str().unwrap(), &record["data"]))
    }

    /// The ids of a stream's records.
    pub(crate) fn ids(&self, stream: &str) -> BTreeSet<String> {
        self.records(stream).iter().map(|record| record["id"].as_str().unwrap().to_owned()).collect()
    }

    /// The ids of a stream's records, without those that say that a page has nothing of it any more.
    pub(crate) fn content_ids(&self, stream: &str) -> BTreeSet<String> {
        let is_marker = |record: &Value| record["object"] == "page" && record["id"] == record["page_id"];
        let records = self.records(stream).into_iter().filter(|record| !is_marker(record));
        records.map(|record| record["id"].as_str().unwrap().to_owned()).collect()
    }

    /// How often each id of a stream was emitted.
    pub(crate) fn id_counts(&self, stream: &str) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for record in self.records(stream) {
            *counts.entry(record["id"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        counts
    }

    /// The record of a stream with this id.
    #[expect(clippy::needless_pass_by_value, reason = "callers give ids and texts alike")]
    pub(crate) fn record(&self, stream: &str, id: impl ToString) -> &Value {
        let id = id.to_string();
        let found = self.records(stream).into_iter().find(|record| record["id"] == id.as_str());
        found.unwrap_or_else(|| panic!("no record {id} in {stream}"))
    }

    /// All STATE lines, in order.
    pub(crate) fn states(&self) -> Vec<StateLine> {
        let line_of = |(line, state): (usize, &Value)| {
            assert_eq!(state["type"], "STREAM");
            StateLine {
                stream: state["stream"]["stream_descriptor"]["name"].as_str().unwrap().to_owned(),
                state: state["stream"]["stream_state"].clone(),
                record_count: state["sourceStats"]["recordCount"].as_f64().unwrap(),
                line,
            }
        };
        self.parts("STATE", "state").map(line_of).collect()
    }

    /// The last state of a stream.
    pub(crate) fn last_state(&self, stream: &str) -> Value {
        let states = self.states();
        let last = states.iter().rfind(|state| state.stream == stream);
        last.unwrap_or_else(|| panic!("no state of {stream}")).state.clone()
    }

    /// The state file that a platform would hand to the next run: the last state of each stream, those of
    /// `before` where this run sent none.
    pub(crate) fn state_file(&self, before: &Value) -> Value {
        let mut states: Map<String, Value> = Map::new();
        for message in before.as_array().into_iter().flatten() {
            let name = message["stream"]["stream_descriptor"]["name"].as_str().unwrap();
            states.insert(name.to_owned(), message.clone());
        }
        for (_line, state) in self.parts("STATE", "state") {
            let name = state["stream"]["stream_descriptor"]["name"].as_str().unwrap();
            states.insert(name.to_owned(), state.clone());
        }
        Value::Array(states.into_iter().map(|(_name, state)| state).collect())
    }

    /// The statuses of a stream, in order; a rate-limited RUNNING is `RATE_LIMITED`.
    pub(crate) fn statuses(&self, stream: &str) -> Vec<String> {
        let statuses = self.parts("TRACE", "trace").filter_map(|(_line, trace)| {
            let status = trace.get("stream_status")?;
            (status["stream_descriptor"]["name"] == stream).then(|| {
                let reason = status.pointer("/reasons/0/type").and_then(Value::as_str);
                reason.or(status["status"].as_str()).unwrap().to_owned()
            })
        });
        statuses.collect()
    }

    /// The ERROR traces, in order.
    pub(crate) fn errors(&self) -> Vec<&Value> {
        self.parts("TRACE", "trace").filter_map(|(_line, trace)| trace.get("error")).collect()
    }

    /// The ERROR trace of a stream.
    pub(crate) fn error_of(&self, stream: &str) -> &Value {
        let errors = self.errors();
        let found = errors.iter().find(|error| error["stream_descriptor"]["name"] == stream);
        found.unwrap_or_else(|| panic!("no error of {stream} in {errors:?}"))
    }

    /// Message and failure type of the only ERROR trace.
    pub(crate) fn only_error(&self) -> (String, String) {
        let errors = self.errors();
        assert_eq!(errors.len(), 1, "{errors:?}");
        (
            errors[0]["message"].as_str().unwrap().to_owned(),
            errors[0]["failure_type"].as_str().unwrap().to_owned(),
        )
    }

    /// The LOG messages: level and text.
    pub(crate) fn logs(&self) -> Vec<(String, String)> {
        let text = |log: &Value, field: &str| log[field].as_str().unwrap().to_owned();
        self.parts("LOG", "log").map(|(_line, log)| (text(log, "level"), text(log, "message"))).collect()
    }

    /// The last LOG message: the report of a read.
    pub(crate) fn report(&self) -> String {
        self.logs().into_iter().map(|(_level, text)| text).rfind(|text| text.starts_with("Read in ")).unwrap()
    }

    /// Status and message of the only `CONNECTION_STATUS`.
    pub(crate) fn connection_status(&self) -> (String, String) {
        let statuses: Vec<_> = self.parts("CONNECTION_STATUS", "connectionStatus").collect();
        assert_eq!(statuses.len(), 1, "{:?}", self.messages);
        let text = |field: &str| statuses[0].1[field].as_str().unwrap().to_owned();
        (text("status"), text("message"))
    }

    /// The only message of this kind.
    pub(crate) fn only<'a>(&'a self, kind: &'a str, part: &'a str) -> &'a Value {
        let found: Vec<_> = self.parts(kind, part).collect();
        assert_eq!(found.len(), 1, "{:?}", self.messages);
        found[0].1
    }

    /// Fails if any of the secrets occurs anywhere in what was printed.
    #[track_caller]
    pub(crate) fn assert_hides(&self, secrets: &[&str]) -> &Self {
        for secret in secrets {
            assert!(!self.stdout.contains(secret), "stdout shows {secret}: {}", self.stdout);
            assert!(!self.stderr.contains(secret), "stderr shows {secret}: {}", self.stderr);
        }
        self
    }

    /// Fails unless the run read everything.
    #[track_caller]
    pub(crate) fn assert_complete(&self) -> &Self {
        assert_eq!(self.exit_code, Some(0), "{:#?}\n{}", self.errors(), self.stderr);
        assert_eq!(json!(self.errors()), json!([]));
        self
    }
}

/// JSON whose surrogates are replaced: an unpaired one is legal, and no Rust string can hold it.
fn without_surrogates(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        text.push_str(before);
        let code = escape.get(2..6).and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let is_surrogate =
            escape.starts_with("\\u") && code.is_some_and(|code| (0xd800..0xe000).contains(&code));
        let length = if is_surrogate { 6 } else { 2 };
        let (escape, after) = escape.split_at(length.min(escape.len()));
        text.push_str(if is_surrogate { "\\ufffd" } else { escape });
        rest = after;
    }
    text + rest
}
