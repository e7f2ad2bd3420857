//! Moving objects elsewhere, and deleting them for good.

use std::collections::HashSet;

use uuid::Uuid;

use super::{Kind, Parent, Workspace, build::title_value};

impl Workspace {
    /// Moves a page or database below another page or block, or to the top; both parent pages are thereby edited, and
    /// what is moved keeps its time.
    pub fn move_page(&mut self, page: Uuid, new_parent: Option<Uuid>) {
        let parent = new_parent.map_or(Parent::Workspace, |id| self.parent_with_id(id));
        self.relocate(page, parent, None);
    }

    /// Moves a block with all below it to a position below another page or block; both pages are thereby edited, and
    /// the block keeps its time.
    pub fn move_block(&mut self, block: Uuid, new_parent: Uuid, position: usize) {
        let parent = self.parent_with_id(new_parent);
        self.relocate(block, parent, Some(position));
    }

    /// Moves a row to another data source: it keeps its time, its title, and those values that both have.
    pub fn move_row(&mut self, row: Uuid, data_source: Uuid) {
        let old = self.property_values(row);
        let mut properties = self.empty_row(data_source, self.title(row));
        let values = properties.as_object_mut().expect("a row has an object of properties");
        for (name, value) in values {
            match &old[name.as_str()] {
                kept if kept["type"] == value["type"] => *value = kept.clone(),
                _ if value["type"] == "title" => *value = title_value(self.title(row)),
                _ => {}
            }
        }
        Self::store_properties(self.known_mut(row), &properties);
        self.relocate(row, Parent::DataSource(data_source), None);
    }

    /// Deletes an object with all below it for good: nothing knows it any more. Its parent page is thereby edited.
    pub fn purge(&mut self, id: Uuid) {
        self.stamp_parent(id);
        self.detach(id);
        let mut open = vec![id];
        let mut gone = HashSet::new();
        while let Some(id) = open.pop() {
            if let Some(node) = self.nodes.remove(&id) {
                open.extend(node.children);
            }
            self.comments.remove(&id);
            self.commented_blocks.remove(&id);
            self.locks.remove(&id);
            self.raw_block_forms.remove(&id);
            self.recent_edits.remove(&id);
            gone.insert(id);
        }
        self.listed.retain(|id| !gone.contains(id));
        self.changed();
    }

    /// Whether a block would show itself within itself if it stood directly below `target`: through its parents, or
    /// through copies of synced blocks.
    pub fn would_loop(&self, block: Uuid, target: Uuid) -> bool {
        let (mut open, mut seen) = (vec![block], HashSet::new());
        while let Some(id) = open.pop() {
            if self.is_below(target, id) {
                return true;
            }
            let Some(node) = self.node(id).filter(|_| seen.insert(id)) else { continue };
            open.extend(self.synced_original(id));
            open.extend(&node.children);
        }
        false
    }

    fn relocate(&mut self, id: Uuid, parent: Parent, position: Option<usize>) {
        self.stamp_parent(id);
        self.detach(id);
        self.known_mut(id).parent = parent;
        if let Some(new) = parent.id().and_then(|parent| self.nodes.get_mut(&parent)) {
            let end = new.children.len();
            new.children.insert(position.unwrap_or(end).min(end), id);
        }
        self.stamp_parent(id);
        self.changed();
    }

    fn detach(&mut self, id: Uuid) {
        if let Some(old) = self.known(id).parent.id().and_then(|parent| self.nodes.get_mut(&parent)) {
            old.children.retain(|&child| child != id);
        }
    }

    /// What somebody has put into the trash, rather than something above it; ascending by id.
    pub fn trashed_objects(&self) -> Vec<Uuid> {
        self.marked(|workspace, id| workspace.known(id).trashed && workspace.reach(id).is_some())
    }

    /// What is not shared itself, rather than something above it; ascending by id.
    pub fn unshared_objects(&self) -> Vec<Uuid> {
        self.marked(|workspace, id| workspace.known(id).unshared)
    }

    /// The visible databases that are not in the trash, without linked ones; ascending by id.
    pub fn visible_databases(&self) -> Vec<Uuid> {
        self.marked(|workspace, id| {
            let node = workspace.known(id);
            node.kind == Kind::Database && node.linked().is_none() && workspace.is_live(id)
        })
    }

    /// Whether an object holds no more than a quarter of the visible pages, itself included, or no more than one.
    pub(crate) fn is_small(&self, id: Uuid) -> bool {
        let pages = self.visible_pages();
        let held = pages.iter().filter(|(page, _)| self.is_below(*page, id)).count();
        held <= 1.max(pages.len() / 4)
    }

    fn marked(&self, is_meant: impl Fn(&Self, Uuid) -> bool) -> Vec<Uuid> {
        let mut ids: Vec<Uuid> = self.nodes.keys().copied().filter(|&id| is_meant(self, id)).collect();
        ids.sort_unstable();
        ids
    }
}
