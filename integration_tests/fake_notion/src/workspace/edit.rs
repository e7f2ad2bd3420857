//! Editing objects: every edit stamps the workspace's present time, except where the API moves none.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Kind, Node, Parent, Workspace, build::title_value, node::Lock, truncate::has_long_values};
use crate::{clock, rich_text};

impl Workspace {
    /// Renames a page, database or data source, which is thereby edited.
    pub fn edit_title(&mut self, id: Uuid, title: &str) {
        let node = self.known_mut(id);
        title.clone_into(&mut node.heading_mut().title);
        if node.raw {
            node.text = with_title(&node.text, title).into();
        } else if node.kind == Kind::Page {
            let mut properties = Self::read_json(&node.text);
            let entry = properties.as_object_mut().and_then(|all| {
                all.iter_mut().map(|(_, value)| value).find(|value| value["type"] == "title")
            });
            if let Some(value) = entry {
                *value = title_value(title);
            }
            Self::store_properties(node, &properties);
        }
        self.stamp(id);
    }

    /// Renames a page, which is thereby edited.
    pub fn edit_page_title(&mut self, page: Uuid, title: &str) {
        self.edit_title(page, title);
    }

    /// Replaces a block's text; the block and its page are thereby edited.
    pub fn edit_block_text(&mut self, block: Uuid, text: &str) {
        let kind = self.block_type(self.known(block)).to_owned();
        let node = self.known_mut(block);
        let mut whole = Self::read_json(&node.text);
        let payload = if node.raw { &mut whole[&kind] } else { &mut whole };
        if payload.get("rich_text").is_some() {
            payload["rich_text"] = rich_text::plain(text);
        }
        node.text = whole.to_string().into();
        self.stamp(block);
    }

    /// Replaces what stands below a block's type key; moves no time.
    pub fn set_block_payload(&mut self, block: Uuid, payload: &Value) {
        self.known_mut(block).text = payload.to_string().into();
    }

    /// Sets a property of a page; a missing `id` is taken from the value that was there, or made up.
    ///
    /// `value` is `{"type": kind, kind: ...}`. Long values are kept whole and cut only in answers.
    pub fn set_property(&mut self, page: Uuid, name: &str, value: Value) {
        self.set_property_unstamped(page, name, value);
        self.stamp(page);
    }

    /// Sets a property without moving the page's time: for seeds.
    pub fn set_property_unstamped(&mut self, page: Uuid, name: &str, value: Value) {
        let node = self.known_mut(page);
        let mut whole = Self::read_json(&node.text);
        let properties = if node.raw { &mut whole["properties"] } else { &mut whole };
        let id = value["id"].as_str().or_else(|| properties[name]["id"].as_str()).map(str::to_owned);
        let mut entry = json!({"id": id.unwrap_or_else(|| Self::property_id(name))});
        if let (Some(all), Value::Object(given)) = (entry.as_object_mut(), value) {
            all.extend(given);
        }
        if entry["type"] == "relation" && entry.get("has_more").is_none() {
            entry["has_more"] = false.into();
        }
        if entry["type"] == "title" {
            node.heading_mut().title = rich_text::plain_text(&entry["title"]);
        }
        properties[name] = entry;
        if node.raw {
            node.text = whole.to_string().into();
        } else {
            Self::store_properties(node, &whole);
        }
    }

    /// Sets the icon of a page, database or data source; moves no time.
    #[expect(clippy::needless_pass_by_value, reason = "callers write the icon with json! in place")]
    pub fn set_icon(&mut self, id: Uuid, icon: Value) {
        self.known_mut(id).heading_mut().icon = Some(icon.to_string().into());
    }

    /// Sets the cover of a page, database or data source; moves no time.
    #[expect(clippy::needless_pass_by_value, reason = "callers write the cover with json! in place")]
    pub fn set_cover(&mut self, id: Uuid, cover: Value) {
        self.known_mut(id).heading_mut().cover = Some(cover.to_string().into());
    }

    /// Sets when an object, but nothing around it, was last edited.
    pub fn touch(&mut self, id: Uuid, time: DateTime<Utc>) {
        self.set_edited(id, time.timestamp_millis());
    }

    /// Puts an object with all below it into the trash.
    pub fn trash(&mut self, id: Uuid) {
        self.mark(id, |node| node.trashed = true);
        self.stamp_parent(id);
    }

    /// Takes an object out of the trash.
    pub fn restore(&mut self, id: Uuid) {
        self.mark(id, |node| node.trashed = false);
        self.stamp_parent(id);
    }

    /// Archives a page: a row then is listed only by a query for archived rows.
    pub fn archive(&mut self, page: Uuid) {
        self.mark(page, |node| node.archived = true);
        self.stamp(page);
    }

    /// Undoes [`Self::archive`].
    pub fn unarchive(&mut self, page: Uuid) {
        self.mark(page, |node| node.archived = false);
        self.stamp(page);
    }

    /// Hides an object and all below it from the connection; moves no time.
    pub fn unshare(&mut self, id: Uuid) {
        self.mark(id, |node| node.unshared = true);
    }

    /// Undoes [`Self::unshare`].
    pub fn share(&mut self, id: Uuid) {
        self.mark(id, |node| node.unshared = false);
    }

    /// Keeps a page or data source out of search, though it can be read.
    pub fn hide_from_search(&mut self, id: Uuid) {
        self.mark(id, |node| node.hidden_from_search = true);
    }

    /// Undoes [`Self::hide_from_search`].
    pub fn show_in_search(&mut self, id: Uuid) {
        self.mark(id, |node| node.hidden_from_search = false);
    }

    /// Makes every listing of an object's children fail for good.
    pub fn lock_block_children(&mut self, id: Uuid, status: u16, code: &str, message: &str) {
        self.locks.insert(id, Lock { status, code: code.to_owned(), message: message.to_owned() });
    }

    /// Makes every query of a data source fail for good.
    pub fn lock_queries(&mut self, data_source: Uuid, status: u16, code: &str, message: &str) {
        self.lock_block_children(data_source, status, code, message);
    }

    /// Undoes [`Self::lock_block_children`] and [`Self::lock_queries`].
    pub fn unlock(&mut self, id: Uuid) {
        self.locks.remove(&id);
    }

    /// The object, and the page around it if it is a block, are edited now.
    pub(super) fn stamp(&mut self, id: Uuid) {
        let now = self.now_ms();
        self.set_edited(id, now);
        if self.known(id).kind == Kind::Block {
            self.move_page_time(id, now);
        }
    }

    pub(super) fn stamp_parent(&mut self, id: Uuid) {
        let now = self.now_ms();
        if let Parent::Page(parent) | Parent::Block(parent) = self.known(id).parent {
            self.move_page_time(parent, now);
        }
    }

    /// Moves the time of the page that holds the object forward to `time`, never back.
    pub(super) fn move_page_time(&mut self, id: Uuid, time: i64) {
        let Some(page) = self.page_of(id) else { return };
        if self.known(page).edited < time {
            self.set_edited(page, time);
        }
    }

    fn set_edited(&mut self, id: Uuid, time: i64) {
        let node = self.known_mut(id);
        let old = std::mem::replace(&mut node.edited, time);
        node.created = node.created.min(time);
        if node.raw {
            node.text = with_time(&node.text, time).into();
        }
        if matches!(node.kind, Kind::Page | Kind::DataSource) {
            self.note_edit(id, Some(old));
            self.changed();
        }
    }

    fn mark(&mut self, id: Uuid, change: impl FnOnce(&mut Node)) {
        let node = self.known_mut(id);
        change(node);
        if node.raw {
            node.text = with_marks(node).into();
        }
        self.changed();
    }

    pub(super) fn store_properties(node: &mut Node, properties: &Value) {
        let text = properties.to_string();
        let heading = node.heading_mut();
        heading.long_values = has_long_values(properties);
        heading.time_values = text.contains("\"@created_time@\"") || text.contains("\"@last_edited_time@\"");
        node.text = text.into();
    }
}

fn with_time(raw: &str, time: i64) -> String {
    let mut object = Workspace::read_json(raw);
    let milliseconds = object["object"] == "database";
    let text = if milliseconds { clock::millisecond_text(time) } else { clock::minute_text(time) };
    object["last_edited_time"] = text.into();
    object.to_string()
}

fn with_marks(node: &Node) -> String {
    let mut object = Workspace::read_json(&node.text);
    for (key, value) in
        [("in_trash", node.trashed), ("archived", node.trashed), ("is_archived", node.archived)]
    {
        if object.get(key).is_some() {
            object[key] = value.into();
        }
    }
    object.to_string()
}

fn with_title(raw: &str, title: &str) -> String {
    let mut object = Workspace::read_json(raw);
    if object.get("title").is_some() {
        object["title"] = rich_text::plain(title);
    } else if let Some(properties) = object.get_mut("properties").and_then(Value::as_object_mut) {
        for (_, value) in properties.iter_mut().filter(|(_, value)| value["type"] == "title") {
            value["title"] = rich_text::plain(title);
        }
    }
    object.to_string()
}
