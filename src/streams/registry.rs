//! The registry of streams and what a stream declares.

use std::fmt;

use futures_util::future::LocalBoxFuture;
use serde_json::Value;

use super::{
    RawObject, Schema, blocks::Blocks, comments::Comments, data_sources::DataSources, pages::Pages,
    users::Users,
};
use crate::{
    client::ListRequest,
    engine::{Node, ReadError, StateForm, Visit},
    protocol::{AirbyteStream, Catalog},
};

/// Every stream, in discover's order.
pub static STREAMS: [&dyn SourceStream; 5] = [&Users, &DataSources, &Pages, &Blocks, &Comments];

/// What a stream declares.
#[derive(Debug)]
pub struct StreamSpec {
    /// The name.
    pub name: &'static str,
    /// The records' JSON Schema, draft-07.
    pub schema: Schema,
    /// The field that identifies a record.
    pub primary_key: &'static str,
    /// The field by which it is read incrementally, or none.
    pub cursor_field: Option<&'static str>,
    /// How its state is written.
    pub state_form: StateForm,
    /// The capability that the integration needs, in the words of Notion's settings.
    pub capability: &'static str,
}

/// The kinds of objects that the enumeration of a workspace finds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ObjectKind {
    /// Pages, rows of data sources among them.
    Page,
    /// Data sources.
    DataSource,
}

/// Where a stream's records come from.
#[derive(Debug)]
pub enum Source {
    /// A listing of its own.
    Listing(ListRequest),
    /// The enumeration of the workspace.
    Enumeration(ObjectKind),
    /// Each synced page.
    Pages(&'static dyn PageReader),
}

/// Which pages a stream is read from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PageScope {
    /// Those edited since the cursor.
    Edited,
    /// Every page edited since the start date: what is read does not move the page's time.
    Synced,
}

/// A stream of the connector.
pub trait SourceStream: Sync {
    /// What the stream declares.
    fn spec(&self) -> &'static StreamSpec;

    /// Where its records come from.
    fn source(&self) -> Source;

    /// Changes an object of the API into the stream's record.
    fn transform(&self, object: &mut RawObject<'_>);
}

/// Reads what belongs to a page.
pub trait PageReader: fmt::Debug + Sync {
    /// Which pages are read.
    fn scope(&self) -> PageScope;

    /// Whether the reading meets pages and databases that no listing shows.
    fn finds_objects(&self) -> bool;

    /// Reads one node of a page's tree; children are pushed to the visit. The first node is the page itself.
    fn read<'a>(&'a self, visit: &'a Visit<'a>, node: Node) -> LocalBoxFuture<'a, Result<(), ReadError>>;
}

/// Returns the answer of `discover`.
pub fn catalog() -> Catalog {
    let streams = STREAMS.iter().map(|stream| {
        let spec = stream.spec();
        let schema: Value =
            serde_json::from_str(spec.schema.text()).expect("the schemas are JSON, as a test shows");
        let is_incremental = spec.cursor_field.is_some();
        AirbyteStream {
            name: spec.name.to_owned(),
            json_schema: schema,
            supported_sync_modes: if is_incremental {
                vec!["full_refresh", "incremental"]
            } else {
                vec!["full_refresh"]
            },
            source_defined_cursor: is_incremental.then_some(true),
            default_cursor_field: spec.cursor_field.map(|field| vec![field]),
            source_defined_primary_key: vec![vec![spec.primary_key]],
            is_resumable: is_incremental,
        }
    });
    Catalog { streams: streams.collect() }
}
