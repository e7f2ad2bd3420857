//! The configured catalog: which streams to read, as the platform sends it.

use std::collections::HashSet;

use serde::Deserialize;

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

#[derive(Deserialize)]
#[serde(expecting = "an object with \"streams\"")]
struct RawCatalog {
    streams: Vec<RawConfiguredStream>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object with \"stream\" and \"sync_mode\"")]
struct RawConfiguredStream {
    stream: RawStream,
    #[serde(default)]
    sync_mode: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object with \"name\"")]
struct RawStream {
    name: String,
}

impl ConfiguredCatalog {
    /// Parses a catalog file. Unknown fields, nulls in optional ones and missing optional ones are fine.
    pub fn parse(text: &str) -> Result<Self, CatalogError> {
        let raw: RawCatalog = serde_json::from_str(text)?;
        let mut names = HashSet::new();
        let mut streams = Vec::with_capacity(raw.streams.len());
        for configured in raw.streams {
            let name = configured.stream.name;
            if !names.insert(name.clone()) {
                return Err(CatalogError::Duplicate(name));
            }
            let sync_mode = match configured.sync_mode.as_deref() {
                Some("full_refresh") => SyncMode::FullRefresh,
                Some("incremental") => SyncMode::Incremental,
                other => {
                    let found = other.map_or_else(|| "missing".to_owned(), |mode| format!("{mode:?}"));
                    return Err(CatalogError::SyncMode { stream: name, found });
                }
            };
            streams.push(ConfiguredStream { name, sync_mode });
        }
        Ok(Self { streams })
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
        let expected = ConfiguredStream { name: "pages".to_owned(), sync_mode: SyncMode::Incremental };
        assert_eq!(catalog.streams, [expected]);
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
}
