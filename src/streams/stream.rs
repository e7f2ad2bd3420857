//! What a stream declares.

use std::{borrow::Cow, fmt};

use uuid::Uuid;

use super::Schema;
use crate::{
    client::ListRequest,
    record::{RawObject, quoted},
    workspace::{BlockPlace, ObjectKind},
};

/// A stream of the connector: where its records come from, and how an object of the API becomes a record.
pub trait SourceStream: fmt::Debug + Send + Sync {
    /// What the stream declares.
    fn spec(&self) -> &StreamSpec;

    /// Where its records come from.
    fn source(&self) -> Source;

    /// Changes an object of the API into the stream's record. The fields that all streams of a source have are set by
    /// the engine: see [`Source`].
    fn transform(&self, _object: &mut RawObject<'_>, _context: &Context<'_>) {}
}

/// The facts about a stream.
#[derive(Debug)]
pub struct StreamSpec {
    /// The name.
    pub name: Cow<'static, str>,
    /// The records' JSON Schema, draft-07.
    pub schema: Schema,
    /// The field that identifies a record.
    pub primary_key: Cow<'static, str>,
    /// How the stream is read incrementally, or none.
    pub cursor: Option<Cursor>,
    /// The capability that the integration needs.
    pub capability: Capability,
}

impl StreamSpec {
    /// The field by which the stream is read incrementally, if it is.
    pub fn cursor_field(&self) -> Option<&str> {
        self.cursor.as_ref().map(|cursor| &*cursor.field)
    }
}

/// How a stream is read incrementally.
#[derive(Clone, Debug)]
pub struct Cursor {
    /// The field of the records by which the platform compares them.
    pub field: Cow<'static, str>,
    /// In which of Airbyte's forms its state stands beside the ledger.
    pub format: StateFormat,
}

/// The forms of a cursor in the states of Airbyte's connector.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StateFormat {
    /// `{"last_edited_time": T}`
    Flat,
    /// `{"use_global_cursor": true, "state": {"last_edited_time": T}, ...}`
    GlobalCursor,
}

/// A capability of an integration (<https://developers.notion.com/reference/capabilities>).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Capability {
    /// Pages, blocks, databases and data sources.
    ReadContent,
    /// Comments.
    ReadComments,
    /// Users.
    ReadUsers,
}

impl Capability {
    /// Its name in the integration's settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::ReadContent => "Read content",
            Self::ReadComments => "Read comments",
            Self::ReadUsers => "Read user information",
        }
    }
}

/// Where a stream's records come from.
#[derive(Clone, Debug)]
pub enum Source {
    /// A listing of its own, read whole in every sync. Such a stream has no cursor.
    Listing(ListRequest),
    /// Pages or data sources, as they are found. Records get `_ab_cdc_deleted_at`.
    Objects(ObjectKind),
    /// The blocks of every synced page that was edited. Records get `page_id`, `page_read_at` and
    /// `page_last_edited_time`.
    Blocks,
    /// One listing for every synced page, asked in every sync: what it shows does not move the page's time. Records get
    /// the same three fields.
    PageListing(fn(Uuid) -> ListRequest),
    /// One request for every synced page that was edited: its target. Records get the page's `last_edited_time` and
    /// `_ab_cdc_deleted_at`.
    PageObject(fn(Uuid) -> String),
}

impl Source {
    /// Whether it reads pages, themselves or what belongs to them.
    pub fn reads_pages(&self) -> bool {
        match self {
            Self::Listing(_) | Self::Objects(ObjectKind::DataSource) => false,
            Self::Objects(ObjectKind::Page) | Self::Blocks | Self::PageListing(_) | Self::PageObject(_) => {
                true
            }
        }
    }

    /// Whether it reads what belongs to pages.
    pub fn reads_content(&self) -> bool {
        matches!(self, Self::Blocks | Self::PageListing(_) | Self::PageObject(_))
    }
}

/// What a record belongs to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Context<'a> {
    /// The page that was read, where the record is a part of one.
    pub page: Option<&'a PageContext>,
    /// Where a block stands.
    pub place: Option<BlockPlace>,
}

/// A page whose content is being read, as its records name it: each field is a JSON text.
#[derive(Clone, Debug)]
pub struct PageContext {
    /// The page's id.
    pub id: String,
    /// When it was last edited, or null.
    pub last_edited_time: String,
    /// When this reading began, by Notion's clock.
    pub read_at: String,
}

impl PageContext {
    /// Names a page; the times are as records show them.
    pub fn new(id: Uuid, last_edited_time: Option<&str>, read_at: &str) -> Self {
        let last_edited_time = last_edited_time.map_or_else(|| "null".to_owned(), quoted);
        Self { id: quoted(&id.to_string()), last_edited_time, read_at: quoted(read_at) }
    }

    /// Sets the fields that every record of a page's content has.
    pub fn stamp<'a>(&'a self, record: &mut RawObject<'a>) {
        record.set("page_id", self.id.as_str());
        record.set("page_read_at", self.read_at.as_str());
        record.set("page_last_edited_time", self.last_edited_time.as_str());
    }
}
