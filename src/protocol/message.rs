//! The messages a source emits (Airbyte protocol 0.18, `airbyte_protocol.yaml`).

use serde::Serialize;
use serde_json::{Map, Value, json};

/// Whose fault a failure is, and so whether trying again can help.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureType {
    /// The user must change something; trying again is useless.
    #[serde(rename = "config_error")]
    Config,
    /// A later attempt may succeed.
    #[serde(rename = "transient_error")]
    Transient,
    /// A bug, or an answer nobody foresaw.
    #[serde(rename = "system_error")]
    System,
}

/// The severity of a LOG message.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum LogLevel {
    /// The run cannot go on.
    Fatal,
    /// Something failed.
    Error,
    /// Something was skipped or may need attention.
    Warn,
    /// Progress.
    Info,
    /// Detail for whoever looks into a problem.
    Debug,
    /// More detail than anyone wants.
    Trace,
}

/// The name that identifies a stream within a catalog.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct StreamDescriptor {
    /// The stream's name.
    pub name: String,
}

impl StreamDescriptor {
    /// Names a stream.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into() }
    }
}

/// Where a stream stands in a read.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum StreamStatus {
    /// The stream is about to be read.
    Started,
    /// The stream is being read.
    Running,
    /// Everything was read.
    Complete,
    /// Something is missing.
    Incomplete,
}

/// Why a running stream makes no progress.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StatusReason {
    /// The API's rate limit holds the stream until this time (milliseconds since the epoch).
    RateLimited {
        /// When the hold ends.
        quota_reset_ms: i64,
    },
}

/// A failure as the platform shows it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct ErrorTrace {
    /// One sentence for the user.
    pub message: String,
    /// The technical cause, without secrets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub internal_message: Option<String>,
    /// Whose fault it is.
    pub failure_type: FailureType,
    /// The stream that failed, or none for the whole run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream_descriptor: Option<StreamDescriptor>,
}

/// How many rows a stream is expected to have.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Estimate {
    /// The stream's name.
    pub stream: String,
    /// The expected number of records.
    pub row_estimate: u64,
    /// The expected number of bytes.
    pub byte_estimate: u64,
}

/// The outcome of `check`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ConnectionStatus {
    /// The source can be read; the text says what is visible.
    Succeeded(String),
    /// The source cannot be read; the text says what to do.
    Failed(String),
}

/// The answer of `spec`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ConnectorSpecification {
    /// The page that describes the connector.
    #[serde(rename = "documentationUrl")]
    pub documentation_url: String,
    /// The JSON Schema of the config.
    #[serde(rename = "connectionSpecification")]
    pub connection_specification: Value,
    /// How a platform obtains OAuth credentials.
    pub advanced_auth: Value,
    /// The protocol's version.
    pub protocol_version: String,
}

/// One stream as `discover` describes it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AirbyteStream {
    /// The stream's name.
    pub name: String,
    /// The JSON Schema of its records.
    pub json_schema: Value,
    /// `full_refresh`, and `incremental` where the stream has a cursor.
    pub supported_sync_modes: Vec<&'static str>,
    /// Whether the source, not the user, chooses the cursor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_defined_cursor: Option<bool>,
    /// The path of the cursor field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_cursor_field: Option<Vec<String>>,
    /// The paths of the primary key.
    pub source_defined_primary_key: Vec<Vec<String>>,
    /// Whether a failed read goes on from its last state.
    pub is_resumable: bool,
}

/// The answer of `discover`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Catalog {
    /// All streams, in a fixed order.
    pub streams: Vec<AirbyteStream>,
}

/// Every message of a source but RECORD and STATE, which [`super::Emitter`] writes from raw JSON.
#[derive(Clone, Debug)]
pub enum AirbyteMessage {
    /// SPEC
    Spec(ConnectorSpecification),
    /// `CONNECTION_STATUS`
    ConnectionStatus(ConnectionStatus),
    /// CATALOG
    Catalog(Catalog),
    /// LOG
    Log(LogLevel, String),
    /// TRACE of type ERROR
    Error(ErrorTrace),
    /// TRACE of type `STREAM_STATUS`
    StreamStatus(StreamDescriptor, StreamStatus, Option<StatusReason>),
    /// TRACE of type ESTIMATE
    Estimate(Estimate),
    /// CONTROL with a replacement config
    Control(Map<String, Value>),
}

impl AirbyteMessage {
    /// Returns the message as one line of JSON with its newline, stamped with the time given
    /// (milliseconds since the epoch).
    pub fn to_line(&self, now_ms: i64) -> Vec<u8> {
        let value = match self {
            Self::Spec(spec) => json!({"type": "SPEC", "spec": spec}),
            Self::ConnectionStatus(status) => {
                let (status, message) = match status {
                    ConnectionStatus::Succeeded(message) => ("SUCCEEDED", message),
                    ConnectionStatus::Failed(message) => ("FAILED", message),
                };
                json!({"type": "CONNECTION_STATUS", "connectionStatus": {"status": status, "message": message}})
            }
            Self::Catalog(catalog) => json!({"type": "CATALOG", "catalog": catalog}),
            Self::Log(level, message) => {
                json!({"type": "LOG", "log": {"level": level, "message": message}})
            }
            Self::Error(error) => trace("ERROR", now_ms, "error", json!(error)),
            Self::StreamStatus(stream, status, reason) => {
                let mut body = json!({"stream_descriptor": stream, "status": status});
                if let (Some(StatusReason::RateLimited { quota_reset_ms }), Some(body)) =
                    (reason, body.as_object_mut())
                {
                    let reason =
                        json!({"type": "RATE_LIMITED", "rate_limited": {"quota_reset": quota_reset_ms}});
                    body.insert("reasons".to_owned(), json!([reason]));
                }
                trace("STREAM_STATUS", now_ms, "stream_status", body)
            }
            Self::Estimate(estimate) => trace(
                "ESTIMATE",
                now_ms,
                "estimate",
                json!({"name": estimate.stream, "type": "STREAM",
                       "row_estimate": estimate.row_estimate, "byte_estimate": estimate.byte_estimate}),
            ),
            Self::Control(config) => json!({"type": "CONTROL", "control": {
                "type": "CONNECTOR_CONFIG", "emitted_at": now_ms, "connectorConfig": {"config": config}}}),
        };
        let mut line = value.to_string().into_bytes();
        line.push(b'\n');
        line
    }
}

fn trace(kind: &str, now_ms: i64, key: &str, body: Value) -> Value {
    let mut trace = Map::new();
    trace.insert("type".to_owned(), json!(kind));
    trace.insert("emitted_at".to_owned(), json!(now_ms));
    trace.insert(key.to_owned(), body);
    json!({"type": "TRACE", "trace": trace})
}
