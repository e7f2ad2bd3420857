//! Comments: who sees which, and how people edit them. None of it moves the time of a page or block.

use uuid::Uuid;

use super::{CommentInfo, Kind, Workspace, node::Comment, oracle::shown};
use crate::rich_text;

impl Workspace {
    /// Replaces a comment's text; only the comment's own time moves.
    pub fn edit_comment(&mut self, comment: Uuid, text: &str) {
        let now = self.now_ms();
        if let Some(found) = self.comment_mut(comment) {
            found.text = rich_text::plain(text).to_string().into();
            found.edited = now;
            found.raw = false;
        }
    }

    /// Hides a comment from every listing, as resolving its discussion does.
    pub fn resolve_comment(&mut self, comment: Uuid) {
        if let Some(found) = self.comment_mut(comment) {
            found.resolved = true;
        }
    }

    /// Undoes [`Self::resolve_comment`]; the comment comes back with its old time.
    pub fn reopen_comment(&mut self, comment: Uuid) {
        if let Some(found) = self.comment_mut(comment) {
            found.resolved = false;
        }
    }

    /// Removes a comment for good.
    pub fn delete_comment(&mut self, comment: Uuid) {
        for comments in self.comments.values_mut() {
            comments.retain(|known| known.id != comment);
        }
    }

    /// The resolved comments, which no listing shows.
    pub fn resolved_comments(&self) -> Vec<Uuid> {
        self.comments
            .values()
            .flatten()
            .filter(|comment| comment.resolved)
            .map(|comment| comment.id)
            .collect()
    }

    /// Every visible comment, on pages and on blocks, ascending by id; also those on deleted blocks of visible pages.
    pub fn visible_comments(&self) -> Vec<CommentInfo> {
        let mut infos = Vec::new();
        for (&parent, comments) in &self.comments {
            let Some(page_id) = self.page_of(parent).filter(|&page| self.is_live(page)) else { continue };
            if self.reach(parent).is_none() {
                continue;
            }
            infos.extend(comments.iter().filter(|comment| !comment.resolved).map(|comment| CommentInfo {
                id: comment.id,
                parent,
                page_id,
                on_block: parent != page_id,
                is_orphan: self.is_orphaned(parent),
                last_edited_time: shown(comment.edited),
            }));
        }
        infos.sort_unstable_by_key(|comment| comment.id);
        infos
    }

    /// How many comments a listing for the page or block shows.
    pub fn comment_count(&self, id: Uuid) -> usize {
        self.comments_shown(id).len()
    }

    /// What a listing for the page or block shows, each with what it stands on: the open comments on itself and, for a
    /// page, those on its deleted blocks.
    pub(crate) fn comments_shown(&self, id: Uuid) -> Vec<(Uuid, &Comment)> {
        let mut shown = self.open_comments(id);
        if self.node(id).is_some_and(|node| node.kind == Kind::Page) && self.is_live(id) {
            let deleted = self.commented_blocks.iter().copied().filter(|&block| {
                self.page_of(block) == Some(id) && self.is_orphaned(block) && self.reach(block).is_some()
            });
            let own = shown.len();
            shown.extend(deleted.flat_map(|block| self.open_comments(block)));
            if shown.len() > own {
                shown.sort_by_key(|(_, comment)| (comment.created, comment.id));
            }
        }
        shown
    }

    /// Whether comments on this stand on a block that was deleted.
    pub(super) fn is_orphaned(&self, parent: Uuid) -> bool {
        self.is_block(parent) && self.is_in_trash(parent)
    }

    /// The comments on a page or block, to be added to.
    pub(super) fn comments_mut(&mut self, parent: Uuid) -> &mut Vec<Comment> {
        if self.is_block(parent) {
            self.commented_blocks.insert(parent);
        }
        self.comments.entry(parent).or_default()
    }

    fn open_comments(&self, parent: Uuid) -> Vec<(Uuid, &Comment)> {
        let comments = self.comments.get(&parent).into_iter().flatten();
        comments.filter(|comment| !comment.resolved).map(|comment| (parent, comment)).collect()
    }

    fn comment_mut(&mut self, comment: Uuid) -> Option<&mut Comment> {
        self.comments.values_mut().flatten().find(|known| known.id == comment)
    }
}
