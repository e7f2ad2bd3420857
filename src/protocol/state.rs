//! The state file: every form a platform or an older run may hand over.

use std::{
    collections::BTreeMap,
    io::{self, BufReader, Read},
};

use serde::Deserialize;
use serde_json::{Deserializer, Map, Value, value::RawValue};

/// The stored state of each stream, as it was written; streams without one are absent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InputState {
    streams: BTreeMap<String, Map<String, Value>>,
    /// Whether there was a state that names no stream.
    has_legacy: bool,
}

/// Why a state file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateFileError {
    /// It cannot be read.
    #[error(transparent)]
    Io(io::Error),
    /// It is not JSON.
    #[error("it is not JSON: {0}")]
    NotJson(serde_json::Error),
    /// It is JSON of a form that no platform writes.
    #[error("it has an unknown form: {0}")]
    UnknownForm(String),
}

impl InputState {
    /// Parses a state file's text; see [`InputState::read`].
    pub fn parse(text: &str) -> Result<Self, StateFileError> {
        Self::read(text.as_bytes())
    }

    /// Reads a state file: nothing, `[]`, `{}` and `null` are no state; else an array of state messages, or one message,
    /// or the output of an earlier read, of which the last state of each stream counts.
    ///
    /// An output may be large, and cut off where its process was killed.
    pub fn read(file: impl Read) -> Result<Self, StateFileError> {
        let mut state = Self::default();
        let mut is_output = false;
        for value in Deserializer::from_reader(WithoutMark::new(file)).into_iter::<Box<RawValue>>() {
            match value {
                Ok(value) => is_output |= state.take(value.get())?,
                Err(error) if error.is_eof() && is_output => break,
                Err(error) if error.is_io() => return Err(StateFileError::Io(error.into())),
                Err(error) => return Err(StateFileError::NotJson(error)),
            }
        }
        Ok(state)
    }

    /// Takes the states of one value; returns whether it is a line of an output.
    fn take(&mut self, json: &str) -> Result<bool, StateFileError> {
        // Records are not opened.
        let kind = serde_json::from_str(json).ok().and_then(|Head { kind }| kind);
        if kind.as_deref().is_some_and(|kind| OTHER_MESSAGES.contains(&kind)) {
            return Ok(true);
        }
        match serde_json::from_str(json).map_err(StateFileError::NotJson)? {
            Value::Null => {}
            Value::Array(messages) => messages.into_iter().try_for_each(|message| self.add(message))?,
            Value::Object(object) if object.is_empty() => {}
            message => self.add(message)?,
        }
        Ok(kind.as_deref() == Some("STATE"))
    }

    /// Whether nothing was stored.
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty() && !self.has_legacy
    }

    /// Returns the stored state of a stream, if it has any key.
    pub fn stream(&self, name: &str) -> Option<&Map<String, Value>> {
        self.streams.get(name)
    }

    /// Returns every stream that has a stored state, with it.
    pub fn streams(&self) -> impl Iterator<Item = (&str, &Map<String, Value>)> {
        self.streams.iter().map(|(name, state)| (name.as_str(), state))
    }

    fn add(&mut self, message: Value) -> Result<(), StateFileError> {
        let Value::Object(mut message) = message else {
            return Err(unknown("expected state messages, or the output of an earlier read"));
        };
        let kind = message.get("type").and_then(Value::as_str).unwrap_or("LEGACY").to_owned();
        match kind.as_str() {
            // A whole protocol line, as a person copies it from a log.
            "STATE" => match message.remove("state") {
                Some(inner) => self.add(inner),
                None => Err(unknown("a STATE message has no \"state\"")),
            },
            "STREAM" => match message.remove("stream") {
                Some(stream) => self.add_stream(&stream),
                None => Err(unknown("a STREAM state has no \"stream\"")),
            },
            "GLOBAL" => {
                let global = message.remove("global").unwrap_or_default();
                if global.get("shared_state").is_some_and(|shared| !shared.is_null()) {
                    return Err(unknown("a GLOBAL state with a \"shared_state\" is of another connector"));
                }
                let streams = global.get("stream_states").and_then(Value::as_array).cloned();
                streams.unwrap_or_default().into_iter().try_for_each(|stream| self.add_stream(&stream))
            }
            // Written by platforms that knew no streams yet; every key in it is of no use here.
            "LEGACY" if message.contains_key("data") => {
                self.has_legacy = true;
                Ok(())
            }
            "LEGACY" => Err(unknown("expected messages of the type STREAM")),
            other => Err(unknown(&format!("the type \"{other}\" is not known"))),
        }
    }

    fn add_stream(&mut self, stream: &Value) -> Result<(), StateFileError> {
        let Some(name) = stream.pointer("/stream_descriptor/name").and_then(Value::as_str) else {
            return Err(unknown("a STREAM state has no \"stream_descriptor\" with a \"name\""));
        };
        match stream.get("stream_state") {
            None | Some(Value::Null) => {}
            Some(Value::Object(state)) if state.is_empty() => {}
            Some(Value::Object(state)) => {
                self.streams.insert(name.to_owned(), state.clone());
            }
            Some(_) => return Err(unknown(&format!("the state of the stream \"{name}\" is not an object"))),
        }
        Ok(())
    }
}

/// The messages of a source that hold no state.
const OTHER_MESSAGES: [&str; 7] =
    ["RECORD", "LOG", "TRACE", "CONTROL", "SPEC", "CATALOG", "CONNECTION_STATUS"];

/// The type of a message.
#[derive(Deserialize)]
struct Head {
    #[serde(rename = "type")]
    kind: Option<String>,
}

/// A file without the byte order mark that Windows' editors put first.
struct WithoutMark<R>(BufReader<R>, bool);

impl<R: Read> WithoutMark<R> {
    fn new(file: R) -> Self {
        Self(BufReader::with_capacity(64 * 1024, file), false)
    }
}

impl<R: Read> Read for WithoutMark<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if !self.1 {
            self.1 = true;
            if io::BufRead::fill_buf(&mut self.0)?.starts_with(b"\xef\xbb\xbf") {
                io::BufRead::consume(&mut self.0, 3);
            }
        }
        self.0.read(into)
    }
}

fn unknown(detail: &str) -> StateFileError {
    StateFileError::UnknownForm(detail.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        InputState::parse(text).unwrap().streams.into_keys().collect()
    }

    #[test]
    fn empty_forms_are_no_state() {
        for text in ["", "[]", "{}", "null", " \n"] {
            assert_eq!(InputState::parse(text).unwrap(), InputState::default(), "{text:?}");
        }
    }

    #[test]
    fn stream_states_are_read_and_empty_ones_left_out() {
        let text = r#"[{"type":"STREAM","global_":null,"global_":null,"data":null,"stream":{"stream_descriptor":
            {"name":"pages","namespace":null},"stream_state":{"last_edited_time":"x"}},
            "sourceStats":{"recordCount":3.0,"rejectedRecordCount":null}},
            {"type":"STREAM","stream":{"stream_descriptor":{"name":"users"},"stream_state":null}},
            {"type":"STREAM","stream":{"stream_descriptor":{"name":"blocks"},"stream_state":{}}}]"#;
        assert_eq!(names(text), ["pages"]);
    }

    #[test]
    fn a_global_state_gives_its_streams_unless_it_shares_state() {
        let stream = r#"{"stream_descriptor":{"name":"pages"},"stream_state":{"a":1}}"#;
        let global = format!(r#"{{"type":"GLOBAL","global":{{"stream_states":[{stream}]}}}}"#);
        assert_eq!(names(&global), ["pages"]);
        let shared = r#"{"type":"GLOBAL","global":{"shared_state":{},"stream_states":[]}}"#;
        assert!(InputState::parse(shared).is_err());
    }

    #[test]
    fn a_legacy_state_with_data_is_ignored_and_a_plain_object_refused() {
        assert_eq!(names(r#"{"type":"LEGACY","data":{"pages":{}}}"#), Vec::<String>::new());
        assert!(InputState::parse(r#"{"pages":{"last_edited_time":"x"}}"#).is_err());
        assert!(InputState::parse("[1]").is_err());
        assert!(InputState::parse(r#"[{"type":"NEW"}]"#).is_err());
        assert!(InputState::parse("[").is_err());
    }

    #[test]
    fn a_whole_state_line_is_accepted() {
        let line = r#"{"type":"STATE","state":{"type":"STREAM","stream":{"stream_descriptor":{"name":"pages"},
            "stream_state":{"a":1}}}}"#;
        assert_eq!(names(line), ["pages"]);
    }

    #[test]
    fn of_an_output_the_last_state_of_each_stream_counts() {
        let state = |name: &str, value: u8| {
            format!(
                r#"{{"type":"STATE","state":{{"type":"STREAM","stream":{{"stream_descriptor":{{"name":"{name}"}},"#
            ) + &format!(r#""stream_state":{{"a":{value}}}}}}}}}"#)
        };
        let record =
            r#"{"type":"RECORD","record":{"stream":"pages","data":{"type":"STATE","text":"\ud800"}}}"#;
        let lines = ["\u{feff}", record, &state("pages", 1), &state("blocks", 2), record, &state("pages", 3)];
        let mut output = lines.join("\n");
        for cut_off in ["", "\n", "\n{\"type\":\"RECORD\",\"rec", "\n{\"type\":\"STATE\",\"state\":{"] {
            let text = format!("{output}{cut_off}");
            let read = InputState::parse(&text).unwrap();
            assert_eq!((&read.streams["pages"]["a"], &read.streams["blocks"]["a"]), (&3.into(), &2.into()));
        }
        output.insert_str(output.len() / 2, "\n]\n");
        assert!(InputState::parse(&output).is_err());
    }
}
