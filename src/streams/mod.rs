//! What to read: one file a stream, and the registry of all of them.
//!
//! Streams name their endpoint, key, cursor and the changes to a record. They never sleep, retry or print.

mod blocks;
mod comments;
mod completion;
mod data_sources;
mod drift;
mod pages;
mod registry;
mod users;

pub use completion::{Completion, TruncatedValue, complete_page, computed_properties, truncated_values};
pub use drift::{Schema, SchemaDrift};
pub use registry::{ObjectKind, PageReader, PageScope, STREAMS, Source, SourceStream, StreamSpec, catalog};

use crate::record;
pub use crate::record::RawObject;
