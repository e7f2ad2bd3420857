//! An object of the workspace that an answer showed.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::{Minute, checksum::checksum};
use crate::record::RawObject;

/// The kinds of objects that listings show.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum ObjectKind {
    /// Pages, rows of data sources among them.
    Page,
    /// Data sources.
    DataSource,
}

/// The request that showed an object.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Origin {
    /// Search, whose copy may be older than the object.
    Search,
    /// The query of a data source.
    Query {
        /// The data source.
        data_source: Uuid,
    },
    /// The request for this very object.
    Id,
}

/// An object that was found.
#[derive(Clone, Debug)]
pub struct Found<'a> {
    /// Its kind.
    pub kind: ObjectKind,
    /// Its id.
    pub id: Uuid,
    /// The object as it came.
    pub object: RawObject<'a>,
    /// The request that showed it.
    pub origin: Origin,
    /// Notion's time when that request was sent, or earlier.
    pub asked_at: DateTime<Utc>,
}

impl<'a> Found<'a> {
    /// Takes in a result or answer. One that does not say what it
    /// is counts as what was asked for; one without a valid id is given back.
    pub fn new(
        object: RawObject<'a>,
        asked_for: ObjectKind,
        origin: Origin,
        asked_at: DateTime<Utc>,
    ) -> Result<Self, RawObject<'a>> {
        let Some(id) = object.id("id") else { return Err(object) };
        let kind = kind_of(&object, asked_for);
        Ok(Self { kind, id, object, origin, asked_at })
    }

    /// When it was last edited; none where the object says no time, or 1970.
    pub fn edited(&self) -> Option<Minute> {
        self.object.time("last_edited_time").and_then(Minute::of)
    }

    /// When it was created; none where the object says no time, or 1970.
    pub fn created(&self) -> Option<Minute> {
        self.object.time("created_time").and_then(Minute::of)
    }

    /// The checksum over it.
    pub fn checksum(&self) -> u32 {
        checksum(&self.object)
    }

    /// Whether it lies in the trash: Notion still answers, but it is gone.
    pub fn is_in_trash(&self) -> bool {
        self.object.is_true("in_trash")
    }

    /// Whether it is an archived row, which a default query leaves out.
    pub fn is_archived(&self) -> bool {
        self.object.is_true("is_archived")
    }

    /// The data source that it is a row of.
    pub fn data_source(&self) -> Option<Uuid> {
        if self.kind == ObjectKind::DataSource {
            return None;
        }
        match self.origin {
            Origin::Query { data_source } => Some(data_source),
            Origin::Search | Origin::Id => self.object.object("parent")?.id("data_source_id"),
        }
    }
}

/// The kind that an object says it has, or the one that was asked for.
pub fn kind_of(object: &RawObject<'_>, asked_for: ObjectKind) -> ObjectKind {
    match object.text("object").as_deref() {
        Some("data_source") => ObjectKind::DataSource,
        Some("page") => ObjectKind::Page,
        _ => asked_for,
    }
}

/// Opens an answer about one object; none when it is about another one, or no object.
pub fn object_with_id(text: &str, id: Uuid) -> Option<RawObject<'_>> {
    RawObject::parse(text).filter(|object| object.id("id") == Some(id))
}

#[derive(Deserialize)]
struct Database {
    #[serde(default)]
    data_sources: Option<Vec<Value>>,
}

/// The ids of a database's data sources; none for a linked view, which has no data source of its own
/// (<https://developers.notion.com/guides/data-apis/working-with-databases>).
pub fn data_source_ids(database: &str) -> Vec<Uuid> {
    let database: Option<Database> = serde_json::from_str(database).ok();
    let names = database.and_then(|database| database.data_sources).unwrap_or_default();
    names.iter().filter_map(|name| Uuid::try_parse(name.get("id")?.as_str()?).ok()).collect()
}

/// What a block stands in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BlockParent {
    /// A page.
    Page(Uuid),
    /// Another block.
    Block(Uuid),
}

/// What a block stands in; none where it says neither a page nor a block.
pub fn parent_of_block(block: &RawObject<'_>) -> Option<BlockParent> {
    let parent = block.object("parent")?;
    let page = parent.id("page_id").map(BlockParent::Page);
    page.or_else(|| parent.id("block_id").map(BlockParent::Block))
}
