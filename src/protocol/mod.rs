//! The Airbyte protocol: messages, catalogs, states, the one way to stdout, and the person who may be listening.
//!
//! This module knows nothing of Notion or HTTP. Its invariants: only [`Writer`] writes the output, one JSON object a
//! line, never mid-line, and only [`Person`] writes stderr; a STATE never overtakes a record sent before it.

mod batch;
mod catalog;
mod emitter;
mod log;
mod message;
mod person;
mod redact;
mod state;
mod state_file;
mod writer;

pub use batch::RecordBatch;
pub use catalog::{CatalogError, ConfiguredCatalog, ConfiguredStream, SyncMode};
pub use emitter::{Emitter, OutputClosed};
pub use log::LogLayer;
pub use message::{
    AirbyteMessage, AirbyteStream, Catalog, ConnectionStatus, ConnectorSpecification, ErrorTrace, Estimate,
    FailureType, LogLevel, StatusReason, StreamDescriptor, StreamStatus,
};
pub use person::Person;
pub use state::{InputState, StateFileError};
pub use state_file::StateFile;
pub use writer::{WriteError, Writer};
