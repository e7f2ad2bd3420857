//! Adding objects.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    Kind, LinkedDatabase, Node, Parent, Workspace,
    node::{Comment, User},
};
use crate::rich_text;

impl Workspace {
    /// Adds a person, with an e-mail address or without.
    pub fn add_person(&mut self, name: &str, email: Option<&str>) -> Uuid {
        let id = self.ids.id();
        let person = match email {
            Some(email) => json!({"email": email, "email_verified": true}),
            None => json!({}),
        };
        self.add_user(json!({
            "object": "user", "id": id.to_string(), "name": name, "avatar_url": null,
            "type": "person", "person": person,
        }))
    }

    /// Adds a bot of another connection, of which nothing but its name is shown.
    pub fn add_other_bot(&mut self, name: &str) -> Uuid {
        let id = self.ids.id();
        self.add_user(json!({
            "object": "user", "id": id.to_string(), "name": name, "avatar_url": null, "type": "bot", "bot": {},
        }))
    }

    /// Adds a person who can be retrieved but is not listed.
    pub fn add_guest(&mut self, name: &str, email: &str) -> Uuid {
        let id = self.add_person(name, Some(email));
        self.users.last_mut().expect("a user was just added").guest = true;
        id
    }

    /// Adds a user object as it is; one with a known id replaces the old one.
    pub fn add_user(&mut self, object: Value) -> Uuid {
        let id: Uuid = object["id"].as_str().and_then(|id| id.parse().ok()).expect("a user has a uuid");
        let user = User { id, object, guest: false };
        match self.users.iter_mut().find(|known| known.id == id) {
            Some(known) => *known = user,
            None => self.users.push(user),
        }
        id
    }

    /// Makes a user, and not the workspace, the owner of the connection's own bot.
    pub fn set_bot_owner(&mut self, owner: Uuid) {
        let user =
            self.users.iter().find(|user| user.id == owner).expect("the owner is a user").object.clone();
        self.users[self.own_bot].object["bot"]["owner"] = json!({"type": "user", "user": user});
    }

    pub(super) fn add_own_bot(&mut self) {
        let id = self.ids.id();
        self.add_user(json!({
            "object": "user", "id": id.to_string(), "name": self.settings.integration_name, "avatar_url": null,
            "type": "bot",
            "bot": {
                "owner": {"type": "workspace", "workspace": true},
                "workspace_name": "Fake workspace",
                "workspace_id": self.own_id.to_string(),
                "workspace_limits": {"max_file_upload_size_in_bytes": 5_242_880},
            },
        }));
    }

    /// Adds a page directly to the workspace.
    pub fn add_top_page(&mut self, title: &str) -> Uuid {
        self.add_top_page_at(title, self.time_of_building())
    }

    /// Adds a page directly to the workspace, last edited at `time`.
    pub fn add_top_page_at(&mut self, title: &str, time: DateTime<Utc>) -> Uuid {
        self.insert_page(Parent::Workspace, title, time)
    }

    /// Adds a page below a page or block; an unknown parent is one that is not shared.
    pub fn add_page(&mut self, parent: Uuid, title: &str) -> Uuid {
        self.add_page_at(parent, title, self.time_of_building())
    }

    /// Adds a page below a page or block, last edited at `time`, which the parent page is then, too.
    pub fn add_page_at(&mut self, parent: Uuid, title: &str, time: DateTime<Utc>) -> Uuid {
        let parent = self.parent_with_id(parent);
        self.insert_page(parent, title, time)
    }

    /// Adds a row to a data source, with empty values except for the title, last edited at `time`.
    pub fn add_row(&mut self, data_source: Uuid, title: &str, time: DateTime<Utc>) -> Uuid {
        self.insert_page(Parent::DataSource(data_source), title, time)
    }

    /// Adds a database with one data source below a page, block or wiki; answers with both ids.
    pub fn add_database(&mut self, parent: Uuid, title: &str, time: DateTime<Utc>) -> (Uuid, Uuid) {
        let parent = self.parent_with_id(parent);
        let database = self.insert_database(parent, title, time);
        let data_source = self.add_data_source(database, title, time);
        (database, data_source)
    }

    /// Adds a database with one data source directly to the workspace; answers with both ids.
    pub fn add_top_database(&mut self, title: &str, time: DateTime<Utc>) -> (Uuid, Uuid) {
        let database = self.insert_database(Parent::Workspace, title, time);
        let data_source = self.add_data_source(database, title, time);
        (database, data_source)
    }

    /// Adds a further data source to a database.
    pub fn add_data_source(&mut self, database: Uuid, title: &str, time: DateTime<Utc>) -> Uuid {
        let mut node = Node::new(Kind::DataSource, Parent::Database(database), time.timestamp_millis());
        let schema = json!({
            "Name": {"id": "title", "name": "Name", "description": null, "type": "title", "title": {}},
        });
        node.text = schema.to_string().into();
        title.clone_into(&mut node.heading_mut().title);
        self.insert(node)
    }

    /// Adds a wiki: a database whose data source has a `verification` property and may hold databases.
    pub fn add_wiki(&mut self, parent: Uuid, title: &str, time: DateTime<Utc>) -> (Uuid, Uuid) {
        let (database, data_source) = self.add_database(parent, title, time);
        self.add_schema_property(
            data_source,
            "Verification",
            json!({"id": "verification", "type": "verification", "verification": {}}),
        );
        (database, data_source)
    }

    /// Adds a linked database to a page: a `child_database` block whose database is elsewhere.
    pub fn add_linked_database(&mut self, page: Uuid, title: &str, kind: LinkedDatabase) -> Uuid {
        let parent = self.parent_with_id(page);
        let database = self.insert_database(parent, title, self.time_of_building());
        self.known_mut(database).heading_mut().linked = Some(kind);
        database
    }

    /// Adds a property to a data source's schema; missing `id`, `name` and `description` are filled in.
    pub fn add_schema_property(&mut self, data_source: Uuid, name: &str, schema: Value) {
        let id = schema["id"].as_str().map_or_else(|| Self::property_id(name), str::to_owned);
        let mut property = json!({"id": id, "name": name, "description": null});
        if let (Some(all), Value::Object(given)) = (property.as_object_mut(), schema) {
            all.extend(given);
        }
        let node = self.known_mut(data_source);
        let mut properties = Self::read_json(&node.text);
        properties[name] = property;
        node.text = properties.to_string().into();
    }

    /// Appends a block to a page or block; the page is edited at that time, too.
    #[expect(clippy::needless_pass_by_value, reason = "callers write the payload with json! in place")]
    pub fn append_block(&mut self, parent: Uuid, kind: &str, payload: Value) -> Uuid {
        self.insert_payload(parent, None, kind, payload.to_string())
    }

    /// Appends a block that holds nothing but a text: a paragraph, heading, list item, quote, toggle or to-do.
    pub fn append_text(&mut self, parent: Uuid, kind: &str, text: &str) -> Uuid {
        self.insert_payload(parent, None, kind, text_payload(kind, text))
    }

    /// Inserts such a block at a position among the children that are there already, those that nobody sees included.
    pub fn insert_text(&mut self, parent: Uuid, position: usize, kind: &str, text: &str) -> Uuid {
        self.insert_payload(parent, Some(position), kind, text_payload(kind, text))
    }

    fn insert_payload(&mut self, parent: Uuid, position: Option<usize>, kind: &str, payload: String) -> Uuid {
        let parent = self.parent_with_id(parent);
        let mut node = Node::new(Kind::Block, parent, self.building_time());
        node.block_type = self.block_type_index(kind);
        node.text = payload.into();
        self.insert_at(node, position)
    }

    /// Sets what `has_children` says, whatever the block holds.
    pub fn force_has_children(&mut self, block: Uuid, has_children: bool) {
        self.known_mut(block).forced_children = Some(has_children);
    }

    /// Adds a comment, in a discussion of its own, to a page or block; moves no time.
    pub fn add_comment(&mut self, parent: Uuid, text: &str) -> Uuid {
        let discussion = self.object_id(self.building_time());
        self.add_reply(parent, discussion, rich_text::plain(text), None)
    }

    /// Adds a comment to a discussion, with rich text and attachments of any shape.
    #[expect(clippy::needless_pass_by_value, reason = "callers write the values with json! in place")]
    pub fn add_reply(
        &mut self,
        parent: Uuid,
        discussion: Uuid,
        text: Value,
        attachments: Option<Value>,
    ) -> Uuid {
        let time = self.building_time();
        let id = self.object_id(time);
        let comment = Comment {
            id,
            discussion,
            created: time,
            edited: time,
            author: self.some_author(),
            text: text.to_string().into(),
            attachments: attachments.map(|value| value.to_string().into()),
            raw: false,
            resolved: false,
        };
        self.comments_mut(parent).push(comment);
        id
    }

    fn time_of_building(&self) -> DateTime<Utc> {
        crate::clock::instant(self.building_time())
    }

    fn some_author(&mut self) -> u16 {
        u16::try_from(self.ids.below(self.users.len())).unwrap_or(0)
    }

    fn insert_page(&mut self, parent: Parent, title: &str, time: DateTime<Utc>) -> Uuid {
        let mut node = Node::new(Kind::Page, parent, time.timestamp_millis());
        title.clone_into(&mut node.heading_mut().title);
        let properties = match parent {
            Parent::DataSource(data_source) => self.empty_row(data_source, title),
            _ => json!({"title": title_value(title)}),
        };
        Self::store_properties(&mut node, &properties);
        self.insert(node)
    }

    fn insert_database(&mut self, parent: Parent, title: &str, time: DateTime<Utc>) -> Uuid {
        let mut node = Node::new(Kind::Database, parent, time.timestamp_millis());
        title.clone_into(&mut node.heading_mut().title);
        self.insert(node)
    }

    pub(super) fn empty_row(&self, data_source: Uuid, title: &str) -> Value {
        let mut properties = Map::new();
        let Some(node) = self.nodes.get(&data_source) else {
            return json!({"Name": title_value(title)});
        };
        let mut schema = Self::read_json(&node.text);
        if node.raw {
            schema = schema["properties"].take();
        }
        for (name, property) in schema.as_object().into_iter().flatten() {
            let kind = property["type"].as_str().unwrap_or("title");
            if kind == "title" {
                properties.insert(name.clone(), title_value(title));
                continue;
            }
            let mut value = json!({"id": property["id"], "type": kind});
            value[kind] = self.empty_value(kind);
            if kind == "relation" {
                value["has_more"] = false.into();
            }
            properties.insert(name.clone(), value);
        }
        Value::Object(properties)
    }

    fn empty_value(&self, kind: &str) -> Value {
        match kind {
            "rich_text" | "multi_select" | "people" | "files" | "relation" => json!([]),
            "checkbox" => json!(false),
            "formula" => json!({"type": "string", "string": null}),
            "rollup" => json!({"type": "array", "array": [], "function": "show_original"}),
            "created_time" | "last_edited_time" => json!(format!("@{kind}@")),
            "created_by" | "last_edited_by" => self.own_bot_user().object.clone(),
            "unique_id" => json!({"prefix": null, "number": null}),
            "button" => json!({}),
            _ => Value::Null,
        }
    }

    /// Puts a new node with a new id into the tree; its page is edited at the node's time, too.
    fn insert(&mut self, node: Node) -> Uuid {
        self.insert_at(node, None)
    }

    fn insert_at(&mut self, mut node: Node, position: Option<usize>) -> Uuid {
        let id = self.object_id(node.created);
        node.author = self.some_author();
        self.adopt(id, node, position);
        id
    }

    /// Puts a node into the tree, at a position among its siblings or as the last one.
    pub(super) fn adopt(&mut self, id: Uuid, node: Node, position: Option<usize>) {
        let (kind, parent, edited) = (node.kind, node.parent, node.edited);
        self.nodes.insert(id, node);
        if matches!(kind, Kind::Page | Kind::DataSource) {
            self.listed.push(id);
            self.note_edit(id, None);
            self.changed();
        }
        let Some(parent_id) = parent.id() else { return };
        if let Some(parent) = self.nodes.get_mut(&parent_id) {
            let position = position.unwrap_or(parent.children.len()).min(parent.children.len());
            parent.children.insert(position, id);
        }
        if matches!(parent, Parent::Page(_) | Parent::Block(_)) {
            self.move_page_time(parent_id, edited);
        }
    }

    /// The id of a property, as short and as percent-encoded as the API's.
    pub(crate) fn property_id(name: &str) -> String {
        let hash = name.bytes().fold(0, |hash, byte| crate::ids::mix(hash ^ u64::from(byte)));
        let letter = |shift: u64| char::from(b'a' + u8::try_from((hash >> shift) % 26).expect("below 26"));
        format!("{}{}%3A{}", letter(0), letter(8), letter(16))
    }
}

/// The payload of a block that holds nothing but a text; written by hand, because large workspaces are made of these.
fn text_payload(kind: &str, text: &str) -> String {
    let rich_text = rich_text::plain_json(text);
    let detail = match kind {
        "paragraph" | "callout" => r#""icon":null,"#,
        "to_do" => r#""checked":false,"#,
        kind if kind.starts_with("heading_") => r#""is_toggleable":false,"#,
        _ => "",
    };
    format!(r#"{{"rich_text":{rich_text},{detail}"color":"default"}}"#)
}

/// A title value with this text.
pub(super) fn title_value(title: &str) -> Value {
    json!({"id": "title", "type": "title", "title": rich_text::plain(title)})
}
