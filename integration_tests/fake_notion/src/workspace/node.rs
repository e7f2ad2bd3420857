//! The records that a workspace is made of.

use serde_json::Value;
use uuid::Uuid;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Page,
    DataSource,
    Database,
    Block,
}

/// Where an object stands; the id may be of an object that the connection cannot see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parent {
    Workspace,
    Page(Uuid),
    Block(Uuid),
    Database(Uuid),
    DataSource(Uuid),
}

impl Parent {
    pub(crate) fn id(self) -> Option<Uuid> {
        match self {
            Self::Workspace => None,
            Self::Page(id) | Self::Block(id) | Self::Database(id) | Self::DataSource(id) => Some(id),
        }
    }
}

/// A page, data source, database or block.
#[expect(clippy::struct_excessive_bools, reason = "independent marks, one byte each, a million times")]
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    pub(crate) parent: Parent,
    pub(crate) created: i64,
    pub(crate) edited: i64,
    /// Index into the workspace's users.
    pub(crate) author: u16,
    /// Index into the workspace's block types; only blocks have one.
    pub(crate) block_type: u16,
    pub(crate) trashed: bool,
    pub(crate) archived: bool,
    pub(crate) unshared: bool,
    pub(crate) hidden_from_search: bool,
    /// `text` is the whole object, to be served as it is.
    pub(crate) raw: bool,
    pub(crate) forced_children: Option<bool>,
    /// A block's payload, a page's property values, a data source's schema; or the whole object if `raw`.
    pub(crate) text: Box<str>,
    pub(crate) children: Vec<Uuid>,
    /// What blocks do not have.
    pub(crate) heading: Option<Box<Heading>>,
}

/// What pages, databases and data sources have in common.
#[expect(clippy::struct_excessive_bools, reason = "independent marks, not a state")]
#[derive(Clone, Debug, Default)]
pub(crate) struct Heading {
    pub(crate) title: String,
    /// JSON, `None` for null.
    pub(crate) icon: Option<Box<str>>,
    /// JSON, `None` for null.
    pub(crate) cover: Option<Box<str>>,
    pub(crate) description: String,
    pub(crate) is_inline: bool,
    pub(crate) is_locked: bool,
    /// Some property value is longer than page answers show.
    pub(crate) long_values: bool,
    /// Property values hold placeholders for the page's own times.
    pub(crate) time_values: bool,
    pub(crate) linked: Option<LinkedDatabase>,
}

/// What retrieving a linked database answers: it is only a view of a database elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkedDatabase {
    /// 404.
    NotFound,
    /// A database without data sources.
    Empty,
    /// 400, no data source is accessible.
    NoAccess,
}

#[derive(Clone, Debug)]
pub(crate) struct User {
    pub(crate) id: Uuid,
    pub(crate) object: Value,
    /// Guests are retrieved by id but not listed.
    pub(crate) guest: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Comment {
    pub(crate) id: Uuid,
    pub(crate) discussion: Uuid,
    pub(crate) created: i64,
    pub(crate) edited: i64,
    pub(crate) author: u16,
    /// The rich text, or the whole object if `raw`.
    pub(crate) text: Box<str>,
    pub(crate) attachments: Option<Box<str>>,
    pub(crate) raw: bool,
    /// No listing shows it.
    pub(crate) resolved: bool,
}

/// A permanent failure of one object's children.
#[derive(Clone, Debug)]
pub(crate) struct Lock {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) message: String,
}

impl Node {
    pub(crate) fn new(kind: Kind, parent: Parent, time: i64) -> Self {
        Self {
            kind,
            parent,
            created: time,
            edited: time,
            author: 0,
            block_type: 0,
            trashed: false,
            archived: false,
            unshared: false,
            hidden_from_search: false,
            raw: false,
            forced_children: None,
            text: Box::default(),
            children: Vec::new(),
            heading: None,
        }
    }

    pub(crate) fn title(&self) -> &str {
        self.heading.as_ref().map_or("", |heading| &heading.title)
    }

    pub(crate) fn linked(&self) -> Option<LinkedDatabase> {
        self.heading.as_ref().and_then(|heading| heading.linked)
    }

    pub(crate) fn heading_mut(&mut self) -> &mut Heading {
        self.heading.get_or_insert_default()
    }
}
