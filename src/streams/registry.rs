//! The registry of streams.

use std::sync::{Arc, LazyLock};

use serde_json::Value;

use super::{
    SourceStream, blocks::Blocks, comments::Comments, data_sources::DataSources, pages::Pages, users::Users,
};
use crate::protocol::{AirbyteStream, Catalog};

/// Every stream that any workspace has, in discover's order.
pub static STREAMS: LazyLock<Vec<Arc<dyn SourceStream>>> = LazyLock::new(|| {
    vec![
        Arc::new(Users::new()),
        Arc::new(DataSources::new()),
        Arc::new(Pages::new()),
        Arc::new(Blocks::new()),
        Arc::new(Comments::new()),
    ]
});

/// Finds a stream by its name.
pub fn stream_named(name: &str) -> Option<Arc<dyn SourceStream>> {
    STREAMS.iter().find(|stream| stream.spec().name == name).map(Arc::clone)
}

/// Returns the answer of `discover`.
pub fn catalog() -> Catalog {
    Catalog { streams: STREAMS.iter().map(|stream| described(&**stream)).collect() }
}

fn described(stream: &dyn SourceStream) -> AirbyteStream {
    let spec = stream.spec();
    let schema: Value =
        serde_json::from_str(spec.schema.text()).expect("the schemas are JSON, as a test shows");
    let cursor = spec.cursor.as_ref().map(|cursor| cursor.field.to_string());
    let is_incremental = cursor.is_some();
    AirbyteStream {
        name: spec.name.to_string(),
        json_schema: schema,
        supported_sync_modes: if is_incremental {
            vec!["full_refresh", "incremental"]
        } else {
            vec!["full_refresh"]
        },
        source_defined_cursor: is_incremental.then_some(true),
        default_cursor_field: cursor.map(|field| vec![field]),
        source_defined_primary_key: vec![vec![spec.primary_key.to_string()]],
        is_resumable: is_incremental,
    }
}
