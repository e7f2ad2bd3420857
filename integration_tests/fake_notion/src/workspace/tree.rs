//! Questions about the tree: who sees what, and what stands where.

use uuid::Uuid;

use super::{Kind, Node, Parent, Workspace};
use crate::settings::SyncedCopies;

/// Deeper than any parent chain; a guard against cycles made by raw objects.
const LONGEST_CHAIN: usize = 256;

/// The state of an object that the connection can see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reach {
    /// The object or something above it is in the trash.
    pub(crate) trashed: bool,
}

impl Workspace {
    /// The state of a visible object, `None` when it does not exist or is not shared.
    pub(crate) fn reach(&self, id: Uuid) -> Option<Reach> {
        let mut trashed = false;
        self.nodes.get(&id)?;
        for node in self.chain(id) {
            if node.unshared {
                return None;
            }
            trashed |= node.trashed;
        }
        Some(Reach { trashed })
    }

    /// Whether an object or something above it is in the trash, shared or not.
    pub(crate) fn is_in_trash(&self, id: Uuid) -> bool {
        self.chain(id).any(|node| node.trashed)
    }

    /// The object and what it stands in, from the inside out.
    fn chain(&self, id: Uuid) -> impl Iterator<Item = &Node> {
        let above = |node: &&Node| node.parent.id().and_then(|parent| self.nodes.get(&parent));
        std::iter::successors(self.nodes.get(&id), above).take(LONGEST_CHAIN)
    }

    pub(crate) fn is_live(&self, id: Uuid) -> bool {
        self.reach(id).is_some_and(|reach| !reach.trashed)
    }

    pub(crate) fn is_block(&self, id: Uuid) -> bool {
        self.node(id).is_some_and(|node| node.kind == Kind::Block)
    }

    /// The page that holds the object, or the object itself if it is a page.
    pub fn page_of(&self, id: Uuid) -> Option<Uuid> {
        let mut id = id;
        for _ in 0..LONGEST_CHAIN {
            let node = self.nodes.get(&id)?;
            if node.kind == Kind::Page {
                return Some(id);
            }
            id = node.parent.id()?;
        }
        None
    }

    /// Whether the child is listed among its parent's children: the parent is visible or, if it is a synced block,
    /// shown through a copy, which leads to no page or database that is not shared.
    pub(crate) fn is_listed_child(&self, id: Uuid) -> bool {
        self.nodes.get(&id).is_some_and(|node| {
            !node.trashed && !node.unshared && (node.kind == Kind::Block || self.reach(id).is_some())
        })
    }

    /// The children of a page or block that its listing shows, in their order.
    pub(crate) fn listed_children<'a>(&'a self, node: &'a Node) -> impl Iterator<Item = Uuid> + 'a {
        node.children.iter().copied().filter(|&child| self.is_listed_child(child))
    }

    pub(crate) fn has_children(&self, id: Uuid, node: &Node) -> bool {
        if let Some(forced) = node.forced_children {
            return forced;
        }
        match node.kind {
            Kind::Database | Kind::DataSource => false,
            Kind::Page => self.listed_children(node).next().is_some(),
            Kind::Block => {
                self.listed_children(node).next().is_some()
                    || (self.block_type(node) == "synced_block" && self.synced_original(id).is_some())
            }
        }
    }

    /// The original of a synced copy.
    pub(crate) fn synced_original(&self, id: Uuid) -> Option<Uuid> {
        let node = self.nodes.get(&id)?;
        if node.kind != Kind::Block || self.block_type(node) != "synced_block" {
            return None;
        }
        let mut payload = Self::read_json(&node.text);
        if node.raw {
            payload = payload["synced_block"].take();
        }
        payload["synced_from"]["block_id"].as_str()?.parse().ok()
    }

    /// Whether a block that is not shared is part of a synced block of which a visible copy shows the content.
    pub(crate) fn is_shown_through_copy(&self, id: Uuid) -> bool {
        if self.settings.synced_copies != SyncedCopies::Content
            || self.is_in_trash(id)
            || self.reach(id).is_some()
        {
            return false;
        }
        let parent = |id: &Uuid| self.nodes.get(id).and_then(|node| node.parent.id());
        let is_part = |id: &Uuid| self.nodes.get(id).is_some_and(|node| node.kind == Kind::Block);
        let mut around = std::iter::successors(Some(id), parent).take_while(is_part).skip(1);
        around.any(|original| {
            let mut copies = self.nodes.keys().filter(|&&copy| self.synced_original(copy) == Some(original));
            copies.any(|&copy| self.is_live(copy))
        })
    }

    /// Whether an object's parent is the other object.
    pub(crate) fn is_directly_below(&self, id: Uuid, parent: Uuid) -> bool {
        self.node(id).and_then(|node| node.parent.id()) == Some(parent)
    }

    /// The parent under the kind that the object with this id has.
    pub(crate) fn parent_with_id(&self, id: Uuid) -> Parent {
        match self.nodes.get(&id).map(|node| node.kind) {
            Some(Kind::Block) => Parent::Block(id),
            Some(Kind::Database) => Parent::Database(id),
            Some(Kind::DataSource) => Parent::DataSource(id),
            Some(Kind::Page) | None => Parent::Page(id),
        }
    }

    /// The data source that a page is a row of.
    pub(crate) fn data_source_of(node: &Node) -> Option<Uuid> {
        match node.parent {
            Parent::DataSource(id) => Some(id),
            _ => None,
        }
    }
}
