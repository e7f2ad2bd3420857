//! The workspace: every object, and how people edit them.
//!
//! Objects are nodes of one tree, kept as compact records with their JSON as text. Nothing here knows HTTP.
//! Times are milliseconds since the epoch and are rounded down to the minute when shown.

mod build;
mod comments;
mod edit;
mod expected;
mod index;
mod node;
mod oracle;
mod places;
mod raw;
mod render;
mod tree;
mod truncate;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, TimeDelta, Utc};
pub use expected::{Expected, ExpectedBlock, ExpectedComment, ExpectedObject, Home};
pub(crate) use index::{RowEntry, SearchEntry, SortKey};
pub use node::LinkedDatabase;
pub(crate) use node::{Kind, Node, Parent};
pub use oracle::{BlockInfo, CommentInfo, PageInfo};
pub use raw::Placement;
use serde_json::Value;
use uuid::Uuid;

use crate::{
    ids::{Sequence, newer_form},
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
    /// Whether ids have the form of Notion's newer ones.
    new_ids: bool,
    now: Option<i64>,
    /// How far the clock is ahead of the real one, in milliseconds.
    clock_offset: i64,
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
    comments: BTreeMap<Uuid, Vec<Comment>>,
    /// The blocks among them.
    commented_blocks: BTreeSet<Uuid>,
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

    /// The same with ids in the form of Notion's newer ones, which share 36 bits, and 48 if they are of the same day.
    pub fn with_new_ids(seed: u64) -> Self {
        Self { new_ids: true, ..Self::with_seed(seed) }
    }

    /// An empty workspace whose ids are random, as Notion's older ones, and determined by `seed`.
    pub fn with_seed(seed: u64) -> Self {
        let mut ids = Sequence::new(seed);
        let own_id = ids.id();
        let mut workspace = Self {
            settings: Settings::default(),
            ids,
            new_ids: false,
            now: None,
            clock_offset: 0,
            default_time: None,
            own_id,
            users: Vec::new(),
            own_bot: 0,
            nodes: HashMap::new(),
            block_types: Vec::new(),
            listed: Vec::new(),
            comments: BTreeMap::new(),
            commented_blocks: BTreeSet::new(),
            locks: HashMap::new(),
            raw_block_forms: HashMap::new(),
            search_index: None,
            row_indexes: RowIndexes::default(),
            recent_edits: HashMap::new(),
        };
        workspace.add_own_bot();
        workspace
    }

    /// The workspace's present time: the real clock unless it was set or moved. The header `Date` says the same.
    pub fn now(&self) -> DateTime<Utc> {
        let running = || Utc::now() + TimeDelta::milliseconds(self.clock_offset);
        self.now.map_or_else(running, crate::clock::instant)
    }

    /// Stops the workspace's clock at `now`, or lets it run again.
    pub fn set_now(&mut self, now: Option<DateTime<Utc>>) {
        self.now = now.map(|time| time.timestamp_millis());
        self.search_index = None;
    }

    /// Lets the workspace's clock run so far ahead of the real one; a larger offset lets time pass.
    pub fn set_clock_offset(&mut self, offset: TimeDelta) {
        self.clock_offset = offset.num_milliseconds();
        self.search_index = None;
    }

    /// Lets time pass: the clock runs on, or stands still, so much later.
    pub fn advance(&mut self, time: TimeDelta) {
        self.now = self.now.map(|now| now + time.num_milliseconds());
        self.clock_offset += time.num_milliseconds();
        self.search_index = None;
    }

    /// The present time where it is not the real one.
    pub(crate) fn own_time(&self) -> Option<DateTime<Utc>> {
        (self.now.is_some() || self.clock_offset != 0).then(|| self.now())
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

    /// The value below a block's type key.
    pub(crate) fn block_payload(&self, id: Uuid) -> Value {
        let node = self.known(id);
        let mut value = Self::read_json(&node.text);
        if node.raw { value[self.block_type(node)].take() } else { value }
    }

    /// The id of a new object that is created at this time.
    fn object_id(&mut self, created_ms: i64) -> Uuid {
        let id = self.ids.id();
        if self.new_ids { newer_form(id, self.own_id, created_ms) } else { id }
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

    /// The type under which an object is listed as a block.
    fn block_type_of(&self, node: &Node) -> &str {
        match node.kind {
            Kind::Block => self.block_type(node),
            Kind::Page => "child_page",
            Kind::Database | Kind::DataSource => "child_database",
        }
    }

    fn read_json(text: &str) -> Value {
        serde_json::from_str(text).expect("nodes hold valid JSON")
    }
}
