//! Objects that are served exactly as they were given.

use serde_json::Value;
use uuid::Uuid;

use super::{
    Kind, Node, Parent, Workspace,
    node::{Comment, Heading},
};
use crate::{clock, rich_text};

/// Where a raw object is listed; by default where its own `parent` says, as the last one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Placement {
    /// The object that lists it, whatever its own `parent` says.
    pub parent: Option<Uuid>,
    /// Its position among the children that are there already.
    pub position: Option<usize>,
}

impl Workspace {
    /// Serves a raw page, data source, database, block, comment or user exactly as given; answers with its id.
    ///
    /// Its id, parent, times and marks are read from it. Edits change the times, titles and marks in it and
    /// nothing else. Objects of the same id are replaced, but keep what stands below them.
    pub fn put_object(&mut self, object: Value) -> Uuid {
        self.put_object_at(object, Placement::default())
    }

    /// Like [`Self::put_object`], listed at a place of the caller's choice.
    pub fn put_object_at(&mut self, object: Value, placement: Placement) -> Uuid {
        let id: Uuid = object["id"].as_str().and_then(|id| id.parse().ok()).expect("an object has a uuid");
        match object["object"].as_str().unwrap_or_default() {
            "user" => self.add_user(object),
            "comment" => self.put_comment(id, &object, placement),
            "page" => self.put_node(id, Kind::Page, &object, placement),
            "database" => self.put_node(id, Kind::Database, &object, placement),
            "data_source" => self.put_node(id, Kind::DataSource, &object, placement),
            _ => self.put_block(id, &object, placement),
        }
    }

    /// Appends a raw block to a page or block, whatever its own `parent` says.
    pub fn append_raw_block(&mut self, parent: Uuid, block: Value) -> Uuid {
        self.put_object_at(block, Placement { parent: Some(parent), position: None })
    }

    fn put_block(&mut self, id: Uuid, object: &Value, placement: Placement) -> Uuid {
        let shares_id = matches!(object["type"].as_str(), Some("child_page" | "child_database"));
        if shares_id {
            self.raw_block_forms.insert(id, object.to_string().into());
            if self.nodes.get(&id).is_some_and(|node| node.kind != Kind::Block) {
                return id;
            }
        }
        self.put_node(id, Kind::Block, object, placement)
    }

    fn put_node(&mut self, id: Uuid, kind: Kind, object: &Value, placement: Placement) -> Uuid {
        let parent = match placement.parent {
            Some(parent) => self.parent_with_id(parent),
            None => read_parent(&object["parent"]),
        };
        let time = |key: &str| object[key].as_str().and_then(clock::parse);
        let edited = time("last_edited_time").unwrap_or(0);
        let mut node = Node::new(kind, parent, edited);
        node.created = time("created_time").unwrap_or(edited);
        node.raw = true;
        node.trashed = object["in_trash"].as_bool().unwrap_or(false);
        node.archived = object["is_archived"].as_bool().unwrap_or(false);
        node.text = object.to_string().into();
        if kind == Kind::Block {
            node.block_type = self.block_type_index(object["type"].as_str().unwrap_or("unsupported"));
            node.forced_children = object["has_children"].as_bool();
        } else {
            node.heading = Some(Box::new(Heading { title: read_title(object), ..Heading::default() }));
        }
        if let Some(old) = self.nodes.remove(&id) {
            node.children = old.children;
            self.listed.retain(|&listed| listed != id);
            if let Some(parent) = old.parent.id().and_then(|parent| self.nodes.get_mut(&parent)) {
                parent.children.retain(|&child| child != id);
            }
        }
        self.adopt_quietly(id, node, placement.position);
        id
    }

    /// Puts a raw node into the tree without moving its page's time.
    fn adopt_quietly(&mut self, id: Uuid, node: Node, position: Option<usize>) {
        let page = node.parent.id().and_then(|parent| self.page_of(parent));
        let edited = page.map(|page| self.known(page).edited);
        let text = page.filter(|&page| self.known(page).raw).map(|page| self.known(page).text.clone());
        self.adopt(id, node, position);
        if let (Some(page), Some(edited)) = (page, edited) {
            let page = self.known_mut(page);
            page.edited = edited;
            if let Some(text) = text {
                page.text = text;
            }
            self.changed();
        }
    }

    fn put_comment(&mut self, id: Uuid, object: &Value, placement: Placement) -> Uuid {
        let parent = placement.parent.or_else(|| read_parent(&object["parent"]).id());
        let time = |key: &str| object[key].as_str().and_then(clock::parse).unwrap_or(0);
        let discussion = object["discussion_id"].as_str().and_then(|id| id.parse().ok()).unwrap_or(id);
        let comment = Comment {
            id,
            discussion,
            created: time("created_time"),
            edited: time("last_edited_time"),
            author: 0,
            text: object.to_string().into(),
            attachments: None,
            raw: true,
            resolved: false,
        };
        self.delete_comment(id);
        let siblings = self.comments_mut(parent.expect("a comment has a parent"));
        siblings.insert(placement.position.unwrap_or(siblings.len()).min(siblings.len()), comment);
        id
    }
}

fn read_parent(parent: &Value) -> Parent {
    let id = |key: &str| parent[key].as_str().and_then(|id| id.parse().ok());
    match parent["type"].as_str() {
        Some("page_id") => id("page_id").map_or(Parent::Workspace, Parent::Page),
        Some("block_id") => id("block_id").map_or(Parent::Workspace, Parent::Block),
        Some("database_id") => id("database_id").map_or(Parent::Workspace, Parent::Database),
        Some("data_source_id") => id("data_source_id").map_or(Parent::Workspace, Parent::DataSource),
        _ => Parent::Workspace,
    }
}

fn read_title(object: &Value) -> String {
    let own = &object["title"];
    if own.is_array() {
        return rich_text::plain_text(own);
    }
    let properties = object["properties"].as_object();
    let title =
        properties.into_iter().flatten().map(|(_, value)| value).find(|value| value["type"] == "title");
    title.map(|value| rich_text::plain_text(&value["title"])).unwrap_or_default()
}
