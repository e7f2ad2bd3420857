//! A plain complete reader.

use std::collections::{BTreeMap, BTreeSet};

use fake_notion::Home;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::client::{Client, id};

const DEEPEST_LEVEL: usize = 30;

/// What a reader has received.
#[derive(Default)]
pub(crate) struct Received {
    pub(crate) pages: BTreeMap<Uuid, Value>,
    pub(crate) data_sources: BTreeMap<Uuid, Value>,
    pub(crate) blocks: BTreeMap<Uuid, ReadBlock>,
    /// The page of each comment.
    pub(crate) comments: BTreeMap<Uuid, Uuid>,
}

/// A block, and where it was met.
pub(crate) struct ReadBlock {
    pub(crate) object: Value,
    pub(crate) home: Home,
    pub(crate) sequence_number: usize,
}

struct Reader<'c> {
    client: &'c Client,
    received: Received,
    /// Pages and data sources to be read.
    found: Vec<Value>,
    /// Databases that were asked for.
    databases: BTreeSet<Uuid>,
    /// Copies of synced blocks: the original, the copy, and where its content would stand.
    copies: Vec<(Uuid, Uuid, Home)>,
    /// Originals that were looked for.
    originals: BTreeSet<Uuid>,
}

/// Reads everything with as few requests as can be.
pub(crate) fn read_all(client: &Client) -> Received {
    client.drain("/v1/users", None, 100);
    let mut reader = Reader {
        client,
        received: Received::default(),
        found: client.search("page", 100),
        databases: BTreeSet::new(),
        copies: Vec::new(),
        originals: BTreeSet::new(),
    };
    reader.found.extend(client.search("data_source", 100));
    loop {
        reader.read_found();
        let Some((original, copy, home)) = reader.copies.pop() else { return reader.received };
        reader.read_copy(original, copy, home);
    }
}

impl Reader<'_> {
    /// Data sources go first: their rows need no lookup then.
    fn read_found(&mut self) {
        loop {
            let source = self.found.iter().position(|object| object["object"] == "data_source");
            let Some(object) = source.map(|index| self.found.remove(index)).or_else(|| self.found.pop())
            else {
                return;
            };
            if object["in_trash"] == true {
                continue;
            }
            if object["object"] == "data_source" {
                self.read_data_source(object);
            } else {
                self.read_page(object);
            }
        }
    }

    fn read_data_source(&mut self, object: Value) {
        let id = id(&object);
        if self.received.data_sources.insert(id, object).is_none() {
            let path = format!("/v1/data_sources/{id}/query");
            self.found.extend(self.client.drain(&path, Some(&json!({})), 100));
            self.found.extend(self.client.drain(&path, Some(&json!({"is_archived": true})), 100));
        }
    }

    fn read_page(&mut self, object: Value) {
        let id = id(&object);
        if self.received.pages.contains_key(&id) {
            return;
        }
        self.read_properties(&object);
        self.received.pages.insert(id, object);
        for comment in self.client.drain(&format!("/v1/comments?block_id={id}"), None, 100) {
            self.received.comments.insert(crate::client::id(&comment), id);
        }
        self.read_children(id, Home { page_id: id, depth: 1 });
    }

    fn read_properties(&self, page: &Value) {
        for (_, value) in page["properties"].as_object().unwrap() {
            let kind = value["type"].as_str().unwrap();
            let count = value[kind].as_array().map_or(0, |items| {
                items.iter().filter(|item| kind == "people" || item["type"] == "mention").count()
            });
            if value["has_more"] == true || count >= 25 {
                let path = format!("/v1/pages/{}/properties/{}", id(page), value["id"].as_str().unwrap());
                self.client.drain(&path, None, 100);
            }
        }
    }

    fn read_children(&mut self, parent: Uuid, home: Home) {
        // What a copy refuses stays unknown.
        let Some(blocks) = self.client.drain_if_found(&format!("/v1/blocks/{parent}/children"), 100) else {
            return;
        };
        let mut sequence_number = 0;
        for object in blocks {
            let block = id(&object);
            match object["type"].as_str().unwrap() {
                "child_page" => self.look_up("pages", block),
                "child_database" => self.ask_for_database(block),
                "ai_block" => {}
                kind => {
                    let is_open = object["has_children"] == true && kind != "unsupported";
                    let original = object["synced_block"]["synced_from"]["block_id"].as_str();
                    let original: Option<Uuid> = original.map(|id| id.parse().unwrap());
                    self.received.blocks.insert(block, ReadBlock { object, home, sequence_number });
                    sequence_number += 1;
                    let inside = Home { depth: home.depth + 1, ..home };
                    match original {
                        _ if !is_open || home.depth >= DEEPEST_LEVEL => {}
                        Some(original) => self.copies.push((original, block, inside)),
                        None => self.read_children(block, inside),
                    }
                }
            }
        }
    }

    fn look_up(&mut self, kind: &str, id: Uuid) {
        let is_known = |found: &Value| crate::client::id(found) == id;
        let received = &self.received;
        if received.pages.contains_key(&id)
            || received.data_sources.contains_key(&id)
            || self.found.iter().any(is_known)
        {
            return;
        }
        self.found.push(self.client.get(&format!("/v1/{kind}/{id}")).json());
    }

    fn ask_for_database(&mut self, id: Uuid) {
        if self.databases.insert(id) {
            let database = self.client.get(&format!("/v1/databases/{id}")).json();
            for data_source in database["data_sources"].as_array().into_iter().flatten() {
                self.look_up("data_sources", crate::client::id(data_source));
            }
        }
    }

    /// Looks for the original, and reads its content through the copy if nothing leads to the page of the original.
    fn read_copy(&mut self, original: Uuid, copy: Uuid, home: Home) {
        if self.received.blocks.contains_key(&original) || !self.originals.insert(original) {
            return;
        }
        let mut block = original;
        let is_elsewhere = loop {
            let reply = self.client.get(&format!("/v1/blocks/{block}"));
            if reply.status != 200 {
                break false;
            }
            let object = reply.json();
            if object["in_trash"] == true {
                break true;
            }
            let parent = &object["parent"];
            let Some(parent_block) = parent["block_id"].as_str() else {
                let page = parent["page_id"].as_str().unwrap().parse().unwrap();
                self.look_up("pages", page);
                break self
                    .client
                    .fake
                    .edit(|workspace| workspace.visible_pages().iter().any(|(id, _)| *id == page));
            };
            block = parent_block.parse().unwrap();
            if self.received.blocks.contains_key(&block) {
                break true;
            }
        };
        if !is_elsewhere {
            self.read_children(copy, home);
        }
    }
}
