//! What to read: one file a stream, and the registry of all of them.
//!
//! A stream declares its name, key, cursor and source, and changes an object of the API into a record. It never sends,
//! sleeps, retries or prints, and knows no engine.

mod blocks;
mod comments;
mod data_sources;
mod drift;
mod pages;
mod registry;
mod schema;
mod stream;
mod users;

pub use drift::SchemaDrift;
pub use registry::{STREAMS, catalog, stream_named};
pub use schema::Schema;
pub use stream::{Capability, Context, Cursor, PageContext, Source, SourceStream, StateFormat, StreamSpec};
