//! Objects as JSON text, in the shapes of API version 2025-09-03.

use std::fmt::Write;

use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Kind, Node, Parent, Workspace,
    node::{Comment, User},
    truncate,
};
use crate::{clock, rich_text};

/// Appends formatted text; a `String` takes everything.
macro_rules! put {
    ($out:expr, $($part:tt)*) => {
        write!($out, $($part)*).expect("writing to a String cannot fail")
    };
}

impl Workspace {
    /// Appends a page as page endpoints answer it: long values are cut.
    pub(crate) fn write_page(&self, id: Uuid, node: &Node, out: &mut String) {
        let trashed = self.reach(id).is_some_and(|reach| reach.trashed);
        if node.raw {
            out.push_str(&node.text);
            return;
        }
        put!(out, r#"{{"object":"page","id":"{id}","#);
        write_times(node, out);
        self.write_authors(node, out);
        out.push(',');
        write_looks(node, out);
        out.push_str(r#","parent":"#);
        self.write_parent(node.parent, out);
        let archived = node.archived;
        let locked = node.heading.as_ref().is_some_and(|heading| heading.is_locked);
        put!(out, r#","in_trash":{trashed},"is_archived":{archived},"is_locked":{locked},"properties":"#);
        Self::write_properties(node, out);
        write_urls(id, out);
        put!(out, r#","archived":{trashed}}}"#);
    }

    /// The whole property values of a page, nothing cut.
    pub(crate) fn properties(node: &Node) -> Value {
        let mut value = Self::read_json(&with_own_times(node));
        if node.raw { value["properties"].take() } else { value }
    }

    fn write_properties(node: &Node, out: &mut String) {
        let long = node.heading.as_ref().is_some_and(|heading| heading.long_values);
        if long {
            let mut properties = Self::properties(node);
            truncate::cut_long_values(&mut properties);
            out.push_str(&properties.to_string());
        } else {
            out.push_str(&with_own_times(node));
        }
    }

    /// Appends a data source with its schema.
    pub(crate) fn write_data_source(&self, id: Uuid, node: &Node, out: &mut String) {
        if node.raw {
            out.push_str(&node.text);
            return;
        }
        let trashed = self.reach(id).is_some_and(|reach| reach.trashed);
        put!(out, r#"{{"object":"data_source","id":"{id}","#);
        write_looks(node, out);
        put!(out, r#","created_time":"{}","#, clock::minute_text(node.created));
        self.write_authors(node, out);
        put!(out, r#","last_edited_time":"{}","#, clock::minute_text(node.edited));
        write_title(node, out);
        let inline = node.heading.as_deref().is_some_and(|heading| heading.is_inline);
        put!(out, r#","is_inline":{inline},"properties":{},"parent":"#, node.text);
        self.write_parent(node.parent, out);
        out.push_str(r#","database_parent":"#);
        let database = node.parent.id().and_then(|database| self.nodes.get(&database));
        self.write_database_parent(database.map_or(Parent::Workspace, |database| database.parent), out);
        write_urls(node.parent.id().unwrap_or(id), out);
        put!(out, r#","in_trash":{trashed},"archived":{trashed}}}"#);
    }

    /// Appends a database with the names of its data sources.
    pub(crate) fn write_database(&self, id: Uuid, node: &Node, out: &mut String) {
        if node.raw {
            out.push_str(&node.text);
            return;
        }
        let trashed = self.reach(id).is_some_and(|reach| reach.trashed);
        put!(out, r#"{{"object":"database","id":"{id}","#);
        write_title(node, out);
        out.push_str(r#","parent":"#);
        self.write_database_parent(node.parent, out);
        let heading = node.heading.as_deref();
        let (inline, locked) =
            heading.map_or((false, false), |heading| (heading.is_inline, heading.is_locked));
        put!(out, r#","is_inline":{inline},"in_trash":{trashed},"is_locked":{locked},"#);
        let (created, edited) = (clock::millisecond_text(node.created), clock::millisecond_text(node.edited));
        put!(out, r#""created_time":"{created}","last_edited_time":"{edited}","data_sources":"#);
        let data_sources: Vec<Value> = self
            .listed_children(node)
            .filter(|_| node.linked().is_none())
            .map(|child| json!({"id": child.to_string(), "name": self.known(child).title()}))
            .collect();
        let (cover, icon) = looks(node);
        put!(out, r#"{},"icon":{icon},"cover":{cover}"#, Value::Array(data_sources));
        write_urls(id, out);
        put!(out, r#","archived":{trashed}}}"#);
    }

    /// Appends an object as a block: pages become `child_page`, databases `child_database` blocks.
    pub(crate) fn write_block(&self, id: Uuid, node: &Node, out: &mut String) {
        if let Some(form) = self.raw_block_forms.get(&id) {
            out.push_str(form);
            return;
        }
        if node.raw && node.kind == Kind::Block {
            out.push_str(&node.text);
            return;
        }
        put!(out, r#"{{"object":"block","id":"{id}","parent":"#);
        self.write_parent(node.parent, out);
        out.push(',');
        write_times(node, out);
        self.write_authors(node, out);
        let trashed = self.reach(id).is_some_and(|reach| reach.trashed);
        put!(out, r#","has_children":{},"in_trash":{trashed},"type":"#, self.has_children(id, node));
        match node.kind {
            Kind::Block => {
                let kind = self.block_type(node);
                put!(out, r#""{kind}","{kind}":{}"#, node.text);
            }
            Kind::Page | Kind::Database | Kind::DataSource => {
                let kind = if node.kind == Kind::Page { "child_page" } else { "child_database" };
                put!(out, r#""{kind}","{kind}":{{"title":{}}}"#, Value::from(node.title()));
            }
        }
        put!(out, r#","archived":{trashed}}}"#);
    }

    /// Appends a comment as a listing for `asked` shows it. Those of a deleted block say so, and have no text in the
    /// block's own listing.
    pub(crate) fn write_comment(&self, asked: Uuid, parent: Uuid, comment: &Comment, out: &mut String) {
        if comment.raw {
            out.push_str(&comment.text);
            return;
        }
        let is_orphan = self.is_orphaned(parent);
        put!(out, r#"{{"object":"comment","id":"{}","parent":"#, comment.id);
        let place = match self.nodes.get(&parent).map(|node| node.kind) {
            Some(Kind::Block) => Parent::Block(parent),
            _ => Parent::Page(parent),
        };
        self.write_parent(place, out);
        put!(
            out,
            r#","discussion_id":"{}","created_time":"{}","last_edited_time":"{}","created_by":"#,
            comment.discussion,
            clock::minute_text(comment.created),
            clock::minute_text(comment.edited)
        );
        let author = self.author(comment.author);
        let text = if is_orphan && asked == parent { "[]" } else { &*comment.text };
        put!(out, r#"{{"object":"user","id":"{}"}},"rich_text":{text},"display_name":"#, author.id);
        let kind = if author.object["type"] == "bot" { "integration" } else { "user" };
        out.push_str(&json!({"type": kind, "resolved_name": author.object["name"]}).to_string());
        if let Some(attachments) = &comment.attachments {
            put!(out, r#","attachments":{attachments}"#);
        }
        if is_orphan {
            out.push_str(r#","original_content_deleted":true"#);
        }
        out.push('}');
    }

    fn author(&self, index: u16) -> &User {
        self.users.get(usize::from(index)).unwrap_or(&self.users[self.own_bot])
    }

    fn write_authors(&self, node: &Node, out: &mut String) {
        let id = self.author(node.author).id;
        let user = format!(r#"{{"object":"user","id":"{id}"}}"#);
        put!(out, r#""created_by":{user},"last_edited_by":{user}"#);
    }

    /// Appends the parent of a database: in a wiki that is the wiki's database.
    fn write_database_parent(&self, parent: Parent, out: &mut String) {
        let wiki = match parent {
            Parent::DataSource(id) => self.nodes.get(&id).map(|node| node.parent),
            _ => None,
        };
        self.write_parent(wiki.unwrap_or(parent), out);
    }

    fn write_parent(&self, parent: Parent, out: &mut String) {
        match parent {
            Parent::Workspace => out.push_str(r#"{"type":"workspace","workspace":true}"#),
            Parent::Page(id) => put!(out, r#"{{"type":"page_id","page_id":"{id}"}}"#),
            Parent::Block(id) => put!(out, r#"{{"type":"block_id","block_id":"{id}"}}"#),
            Parent::Database(id) => put!(out, r#"{{"type":"database_id","database_id":"{id}"}}"#),
            Parent::DataSource(id) => {
                put!(out, r#"{{"type":"data_source_id","data_source_id":"{id}""#);
                if let Some(database) = self.nodes.get(&id).and_then(|node| node.parent.id()) {
                    put!(out, r#","database_id":"{database}""#);
                }
                out.push('}');
            }
        }
    }
}

fn write_times(node: &Node, out: &mut String) {
    out.push_str(r#""created_time":""#);
    clock::write_minute(node.created, out);
    out.push_str(r#"","last_edited_time":""#);
    clock::write_minute(node.edited, out);
    out.push_str(r#"","#);
}

fn write_looks(node: &Node, out: &mut String) {
    let (cover, icon) = looks(node);
    put!(out, r#""cover":{cover},"icon":{icon}"#);
}

/// The JSON of the cover and the icon.
fn looks(node: &Node) -> (&str, &str) {
    let heading = node.heading.as_deref();
    let cover = heading.and_then(|heading| heading.cover.as_deref()).unwrap_or("null");
    let icon = heading.and_then(|heading| heading.icon.as_deref()).unwrap_or("null");
    (cover, icon)
}

fn write_title(node: &Node, out: &mut String) {
    let description = node.heading.as_deref().map_or("", |heading| &heading.description);
    let (title, description) = (rich_text::plain_json(node.title()), rich_text::plain_json(description));
    put!(out, r#""title":{title},"description":{description}"#);
}

fn write_urls(id: Uuid, out: &mut String) {
    put!(out, r#","url":"https://app.notion.com/p/{}","public_url":null"#, id.simple());
}

/// The text of a node with the placeholders for its own times filled in.
fn with_own_times(node: &Node) -> std::borrow::Cow<'_, str> {
    if !node.heading.as_ref().is_some_and(|heading| heading.time_values) {
        return (&*node.text).into();
    }
    node.text
        .replace("@created_time@", &clock::minute_text(node.created))
        .replace("@last_edited_time@", &clock::minute_text(node.edited))
        .into()
}
