//! The state file: every form a platform or an older run may hand over.

use std::collections::HashMap;

use serde_json::{Map, Value};

/// The stored state of each stream, as it was written; streams without one are absent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InputState {
    streams: HashMap<String, Map<String, Value>>,
}

/// Why a state file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateFileError {
    /// It is not JSON.
    #[error("it is not JSON: {0}")]
    NotJson(#[from] serde_json::Error),
    /// It is JSON of a form that no platform writes.
    #[error("it has an unknown form: {0}")]
    UnknownForm(String),
}

impl InputState {
    /// Parses a state file: empty text, `[]`, `{}` and `null` are no state; else an array of state
    /// messages, or one message.
    pub fn parse(text: &str) -> Result<Self, StateFileError> {
        let mut state = Self::default();
        if text.trim().is_empty() {
            return Ok(state);
        }
        match serde_json::from_str(text)? {
            Value::Null => {}
            Value::Array(messages) => {
                for message in messages {
                    state.add(message)?;
                }
            }
            Value::Object(object) if object.is_empty() => {}
            message => state.add(message)?,
        }
        Ok(state)
    }

    /// Returns the stored state of a stream, if it has any key.
    pub fn stream(&self, name: &str) -> Option<&Map<String, Value>> {
        self.streams.get(name)
    }

    fn add(&mut self, message: Value) -> Result<(), StateFileError> {
        let Value::Object(mut message) = message else {
            return Err(unknown("expected an array of state messages"));
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
            "LEGACY" if message.contains_key("data") => Ok(()),
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

fn unknown(detail: &str) -> StateFileError {
    StateFileError::UnknownForm(detail.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        let mut names: Vec<_> = InputState::parse(text).unwrap().streams.into_keys().collect();
        names.sort();
        names
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
}
