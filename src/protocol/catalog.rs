//! The configured catalog: which streams to read, as the platform sends it.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::Value;

use super::AirbyteStream;

/// How a stream is asked to be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SyncMode {
    /// Everything, unless a state says that an attempt is being continued.
    FullRefresh,
    /// What changed since the state.
    Incremental,
}

/// One configured stream; everything else the platform says of it is ignored.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConfiguredStream {
    /// The stream's name.
    pub name: String,
    /// How it is asked to be read.
    pub sync_mode: SyncMode,
    /// Which generation of the destination's data the records belong to, if the platform counts them.
    pub generation_id: Option<i64>,
    /// Which sync of the connection this is, if the platform counts them; a retry has the same.
    pub sync_id: Option<i64>,
}

/// The streams to read, in the platform's order, each once.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ConfiguredCatalog {
    /// The configured streams.
    pub streams: Vec<ConfiguredStream>,
}

/// Why a catalog cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// It is not JSON, or not a configured catalog; the text has line and column.
    #[error("it is not a configured catalog: {0}")]
    Malformed(#[from] serde_json::Error),
    /// A stream is neither configured nor described.
    #[error("a stream in it has neither a \"stream\" nor a \"name\"")]
    Nameless,
    /// A stream is to be read in a way that does not exist.
    #[error("the sync mode of the stream \"{stream}\" is {found}; it must be full_refresh or incremental")]
    SyncMode {
        /// The stream's name.
        stream: String,
        /// The mode in quotes, or `missing`.
        found: String,
    },
    /// A stream is listed twice.
    #[error("it lists the stream \"{0}\" more than once")]
    Duplicate(String),
}

/// A configured catalog, or a catalog as discover prints it.
#[derive(Deserialize)]
#[serde(expecting = "an object with \"streams\"")]
struct RawCatalog {
    streams: Vec<RawStream>,
}

/// A line of discover's output.
#[derive(Deserialize)]
struct RawMessage {
    catalog: Option<RawCatalog>,
}

/// A configured stream has a `stream` with the name; one that discover prints has the name itself.
#[derive(Deserialize)]
#[serde(expecting = "an object with \"stream\" and \"sync_mode\"")]
struct RawStream {
    stream: Option<Described>,
    sync_mode: Option<String>,
    name: Option<String>,
    supported_sync_modes: Option<Vec<String>>,
    generation_id: Option<Value>,
    sync_id: Option<Value>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object with \"name\"")]
struct Described {
    name: String,
}

impl ConfiguredCatalog {
    /// Parses a catalog file: a configured catalog, or what discover printed, which selects every stream.
    ///
    /// Unknown fields, nulls in optional ones and missing optional ones are fine.
    pub fn parse(text: &str) -> Result<Self, CatalogError> {
        let text = text.trim_start_matches('\u{feff}');
        let raw = match printed_by_discover(text) {
            Some(catalog) => catalog,
            None => serde_json::from_str(text)?,
        };
        let mut names = HashSet::new();
        let mut streams = Vec::with_capacity(raw.streams.len());
        for raw in raw.streams {
            let stream = ConfiguredStream::of(raw)?;
            if !names.insert(stream.name.clone()) {
                return Err(CatalogError::Duplicate(stream.name));
            }
            streams.push(stream);
        }
        Ok(Self { streams })
    }

    /// Selects these streams, each incremental where it can be.
    pub fn of<'a>(streams: impl IntoIterator<Item = &'a AirbyteStream>) -> Self {
        let configured = |stream: &AirbyteStream| ConfiguredStream {
            name: stream.name.clone(),
            sync_mode: best_mode(stream.supported_sync_modes.iter().copied()),
            generation_id: None,
            sync_id: None,
        };
        Self { streams: streams.into_iter().map(configured).collect() }
    }
}

/// The catalog in the lines of discover's output, if they are that.
fn printed_by_discover(text: &str) -> Option<RawCatalog> {
    let messages = serde_json::Deserializer::from_str(text).into_iter::<RawMessage>();
    messages.map_while(Result::ok).find_map(|message| message.catalog)
}

fn best_mode<'a>(mut supported: impl Iterator<Item = &'a str>) -> SyncMode {
    if supported.any(|mode| mode == "incremental") { SyncMode::Incremental } else { SyncMode::FullRefresh }
}

impl ConfiguredStream {
    fn of(raw: RawStream) -> Result<Self, CatalogError> {
        let RawStream { stream, sync_mode, name, supported_sync_modes, generation_id, sync_id } = raw;
        let number = |value: Option<Value>| value.as_ref().and_then(Value::as_i64);
        let (name, sync_mode) = match (stream, name) {
            (Some(stream), _) => (stream.name, sync_mode),
            (None, Some(name)) => {
                let supported = supported_sync_modes.unwrap_or_default();
                let sync_mode = best_mode(supported.iter().map(String::as_str));
                return Ok(Self { name, sync_mode, generation_id: None, sync_id: None });
            }
            (None, None) => return Err(CatalogError::Nameless),
        };
        let sync_mode = match sync_mode.as_deref() {
            Some("full_refresh") => SyncMode::FullRefresh,
            Some("incremental") => SyncMode::Incremental,
            other => {
                let found = other.map_or_else(|| "missing".to_owned(), |mode| format!("{mode:?}"));
                return Err(CatalogError::SyncMode { stream: name, found });
            }
        };
        Ok(Self { name, sync_mode, generation_id: number(generation_id), sync_id: number(sync_id) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nulls_and_unknown_fields_are_ignored() {
        let text = r#"{"streams":[{"stream":{"name":"pages","json_schema":null,"namespace":null,"new":1},
            "sync_mode":"incremental","destination_sync_mode":"something_new","cursor_field":null,
            "primary_key":null,"generation_id":null,"x":1,"x":2}],"extra":null}"#;
        let catalog = ConfiguredCatalog::parse(text).unwrap();
        let expected = ConfiguredStream {
            name: "pages".to_owned(),
            sync_mode: SyncMode::Incremental,
            generation_id: None,
            sync_id: None,
        };
        assert_eq!(catalog.streams, [expected]);
    }

    #[test]
    fn the_numbers_of_the_sync_and_of_its_generation_are_kept() {
        let text = r#"{"streams":[{"stream":{"name":"pages"},"sync_mode":"full_refresh","generation_id":3,
            "minimum_generation_id":3,"sync_id":41}]}"#;
        let stream = &ConfiguredCatalog::parse(text).unwrap().streams[0];
        assert_eq!((stream.generation_id, stream.sync_id), (Some(3), Some(41)));
    }

    #[test]
    fn an_invalid_sync_mode_is_named() {
        let text = r#"{"streams":[{"stream":{"name":"pages"},"sync_mode":"INVALID"}]}"#;
        let error = ConfiguredCatalog::parse(text).unwrap_err().to_string();
        assert!(error.contains("INVALID") && error.contains("full_refresh"), "{error}");
    }

    #[test]
    fn a_duplicate_stream_is_named() {
        let one = r#"{"stream":{"name":"pages"},"sync_mode":"full_refresh"}"#;
        let error = ConfiguredCatalog::parse(&format!(r#"{{"streams":[{one},{one}]}}"#)).unwrap_err();
        assert_eq!(error.to_string(), "it lists the stream \"pages\" more than once");
    }

    #[test]
    fn what_discover_prints_selects_every_stream_incremental_where_it_can_be() {
        let catalog = r#"{"streams":[{"name":"users","json_schema":{},"supported_sync_modes":["full_refresh"]},
            {"name":"pages","supported_sync_modes":["full_refresh","incremental"],"namespace":null}]}"#;
        let log = r#"{"type":"LOG","log":{"level":"INFO","message":"x"}}"#;
        let message = format!(r#"{{"type":"CATALOG","catalog":{catalog}}}"#);
        for text in [catalog.to_owned(), message.clone(), format!("{log}\n{message}\n{log}\n")] {
            let streams = ConfiguredCatalog::parse(&text).unwrap().streams;
            let modes: Vec<_> =
                streams.iter().map(|stream| (stream.name.as_str(), stream.sync_mode)).collect();
            assert_eq!(modes, [("users", SyncMode::FullRefresh), ("pages", SyncMode::Incremental)]);
        }
    }
}
