//! The workspace: every object, and how people edit them.
//!
//! Objects are nodes of one tree, kept as compact records with their JSON as text. Nothing here knows HTTP.
//! Times are milliseconds since the epoch and are rounded down to the minute when shown.

mod build;
mod edit;
mod index;
mod node;
mod oracle;
mod raw;
mod render;
mod tree;
mod truncate;

use std::collections::HashMap;

use chrono::{DateTime, Utc};
pub(crate) use index::{RowEntry, SearchEntry, SortKey};
pub use node::LinkedDatabase;
pub(crate) use node::{Kind, Node, Parent};
pub use oracle::{BlockInfo, CommentInfo, PageInfo};
pub use raw::Placement;
use serde_json::Value;
use uuid::Uuid;

use crate::{
    ids::Sequence,
    settings::Settings,
    workspace::{
        index::{RecentEdit, RowIndexes, SearchIndex},
        node::{Comment, Lock, User},
    },
};

/// An in-memory workspace with everything that a connection could see.
#[derive(Clone, Debug)]
pub struct Workspace {
    /// How the server that serves this workspace behaves.
    pub settings: Settings,
    ids: Sequence,
    now: Option<i64>,
    default_time: Option<i64>,
    own_id: Uuid,
    users: Vec<User>,
    own_bot: usize,
    nodes: HashMap<Uuid, Node>,
    /// Names of block types, referred to by index.
    block_types: Vec<String>,
    /// Pages and data sources in the order of their creation.
    listed: Vec<Uuid>,
    /// By the page or block that they stand on.
    comments: HashMap<Uuid, Vec<Comment>>,
    locks: HashMap<Uuid, Lock>,
    /// Raw `child_page` and `child_database` blocks, by the id they share with their page or database.
    raw_block_forms: HashMap<Uuid, Box<str>>,
    search_index: Option<SearchIndex>,
    row_indexes: RowIndexes,
    recent_edits: HashMap<Uuid, RecentEdit>,
}

impl Default for Workspace {
    fn default() -> Self {
        Self::with_seed(0)
    }
}

impl Workspace {
    /// An empty workspace with the connection's own bot as its only user.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty workspace whose ids are determined by `seed`.
    pub fn with_seed(seed: u64) -> Self {
        let mut ids = Sequence::new(seed);
        let own_id = ids.id();
        let mut workspace = Self {
            settings: Settings::default(),
            ids,
            now: None,
            default_time: None,
            own_id,
            users: Vec::new(),
            own_bot: 0,
            nodes: HashMap::new(),
            block_types: Vec::new(),
            listed: Vec::new(),
            comments: HashMap::new(),
            locks: HashMap::new(),
            raw_block_forms: HashMap::new(),
            search_index: None,
            row_indexes: RowIndexes::default(),
            recent_edits: HashMap::new(),
        };
        workspace.add_own_bot();
        workspace
    }

    /// The workspace's present time: the real clock unless it was set.
    pub fn now(&self) -> DateTime<Utc> {
        self.now.map_or_else(Utc::now, crate::clock::instant)
    }

    /// Stops the workspace's clock at `now`, or lets it follow the real one.
    pub fn set_now(&mut self, now: Option<DateTime<Utc>>) {
        self.now = now.map(|time| time.timestamp_millis());
        self.search_index = None;
    }

    /// Sets the time of objects that are added without one; `None` means the present.
    pub fn set_default_time(&mut self, time: Option<DateTime<Utc>>) {
        self.default_time = time.map(|time| time.timestamp_millis());
    }

    /// A new id of this workspace, for references to objects that do not exist.
    pub fn new_id(&mut self) -> Uuid {
        self.ids.id()
    }

    /// The id of the connection's own bot.
    pub fn own_bot(&self) -> Uuid {
        self.users[self.own_bot].id
    }

    pub(crate) fn node(&self, id: Uuid) -> Option<&Node> {
        self.nodes.get(&id)
    }

    pub(crate) fn lock_of(&self, id: Uuid) -> Option<&Lock> {
        self.locks.get(&id)
    }

    pub(crate) fn users(&self) -> &[User] {
        &self.users
    }

    pub(crate) fn own_bot_user(&self) -> &User {
        &self.users[self.own_bot]
    }

    pub(crate) fn comments_on(&self, id: Uuid) -> &[Comment] {
        self.comments.get(&id).map_or(&[], Vec::as_slice)
    }

    /// The value below a block's type key.
    pub(crate) fn block_payload(&self, id: Uuid) -> Value {
        let node = self.known(id);
        let mut value = Self::read_json(&node.text);
        if node.raw { value[self.block_type(node)].take() } else { value }
    }

    fn now_ms(&self) -> i64 {
        self.now().timestamp_millis()
    }

    fn building_time(&self) -> i64 {
        self.default_time.unwrap_or_else(|| self.now_ms())
    }

    fn known(&self, id: Uuid) -> &Node {
        self.nodes.get(&id).expect("the id is of an object of this workspace")
    }

    fn known_mut(&mut self, id: Uuid) -> &mut Node {
        self.nodes.get_mut(&id).expect("the id is of an object of this workspace")
    }

    /// Forgets what was sorted: to be called by everything that changes order, visibility or membership.
    fn changed(&mut self) {
        self.search_index = None;
        self.row_indexes.clear();
    }

    fn block_type_index(&mut self, name: &str) -> u16 {
        let found = self.block_types.iter().position(|known| known == name).unwrap_or_else(|| {
            self.block_types.push(name.to_owned());
            self.block_types.len() - 1
        });
        u16::try_from(found).expect("a workspace has few block types")
    }

    pub(crate) fn block_type(&self, node: &Node) -> &str {
        self.block_types.get(usize::from(node.block_type)).map_or("", String::as_str)
    }

    fn read_json(text: &str) -> Value {
        serde_json::from_str(text).expect("nodes hold valid JSON")
    }
}
