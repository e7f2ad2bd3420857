//! The Airbyte protocol: messages, catalogs, states and the one way to stdout.
//!
//! This module knows nothing of Notion or HTTP. Its invariants: only [`Emitter`] writes the output,
//! one JSON object a line, never mid-line; a STATE never overtakes a record sent before it.

mod catalog;
mod emitter;
mod log;
mod message;
mod state;

pub use catalog::{CatalogError, ConfiguredCatalog, ConfiguredStream, SyncMode};
pub use emitter::{Emitter, OutputClosed, RecordBatch, Writer};
pub use log::LogLayer;
pub use message::{
    AirbyteMessage, AirbyteStream, Catalog, ConnectionStatus, ConnectorSpecification, ErrorTrace, Estimate,
    FailureType, LogLevel, StatusReason, StreamDescriptor, StreamStatus,
};
pub use state::{InputState, StateFileError};
