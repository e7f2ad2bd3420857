//! The block tree of a page, read node by node (<https://developers.notion.com/reference/get-block-children>).
//!
//! A tree is read once, whatever number of streams want it. The content of a synced block belongs to the page in which its
//! original stands, so a copy is only named here ([`Met::Copy`]); who owns the crawl decides whether it is read through.
//! No block is entered twice, so no answer can lead the crawl in a circle.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{
    client::{ListError, ListRequest, Listing, NotionClient, ResultPage},
    record::RawObject,
};

/// How deep a tree is read; 1 is directly in the page.
pub(super) const MAX_DEPTH: u8 = 30;

/// A block, or the page itself, whose children are to be read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Node {
    /// The block or page.
    pub id: Uuid,
    /// The depth of its children.
    pub depth: u8,
    /// The type of the block, for messages.
    pub kind: Box<str>,
    /// Where the children are asked for when this block does not show them: the copy of a synced block.
    pub otherwise: Option<Uuid>,
    /// The blocks that hold a meeting's summary, notes and transcript, as far as the children did not show them.
    pub parts: Vec<Uuid>,
}

impl Node {
    /// The page itself.
    pub fn page(id: Uuid) -> Self {
        Self { id, depth: 1, kind: "page".into(), otherwise: None, parts: Vec::new() }
    }

    /// The content of a synced block that is read through a copy: the original's children, or else the copy's.
    pub fn copied(copy: &SyncedCopy, is_original_visible: bool) -> Self {
        let (id, otherwise) =
            if is_original_visible { (copy.original, Some(copy.id)) } else { (copy.id, None) };
        Self { id, depth: copy.depth + 1, kind: "synced_block".into(), otherwise, parts: Vec::new() }
    }
}

/// A copy of a synced block.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SyncedCopy {
    /// The copy.
    pub id: Uuid,
    /// The block whose content it shows.
    pub original: Uuid,
    /// The depth at which it stands.
    pub depth: u8,
}

/// Where a block stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BlockPlace {
    /// 1 is directly in the page.
    pub depth: u8,
    /// Its index among the siblings that are records too.
    pub sequence_number: u64,
}

/// What a result page of a tree showed.
#[derive(Debug)]
pub enum Met<'a> {
    /// A block.
    Block(RawObject<'a>, BlockPlace),
    /// A page below this one.
    ChildPage(Uuid),
    /// A database.
    ChildDatabase(Uuid),
    /// An original of synced blocks.
    Original(Uuid),
    /// A copy of a synced block.
    Copy(SyncedCopy),
    /// Something that is left out, and why.
    Skipped(&'static str),
}

/// The listing of a node's children.
#[derive(Debug)]
pub struct NodeListing {
    /// The node.
    pub node: Node,
    listing: Listing,
    kept: u64,
    /// Whether its first result page has come.
    pub has_begun: bool,
}

impl NodeListing {
    /// Begins to list the children of a node.
    pub fn new(client: &NotionClient, node: Node) -> Self {
        let listing = client.list(ListRequest::get(format!("/v1/blocks/{}/children", node.id)));
        Self { node, listing, kept: 0, has_begun: false }
    }

    /// Returns the next result page, or none after the last.
    pub async fn next(&mut self) -> Result<Option<ResultPage>, ListError> {
        self.listing.next().await
    }
}

/// The tree of one page while it is being read.
#[derive(Debug, Default)]
pub struct TreeReading {
    /// Blocks whose children were asked for.
    entered: HashSet<Uuid>,
    /// Notion's time when the first request was sent.
    pub asked_at: Option<DateTime<Utc>>,
    /// Whether any block was met that is a record.
    pub has_blocks: bool,
}

impl TreeReading {
    /// Takes in a result page of a node: says to `met` what it showed, and returns the nodes to be read next.
    pub fn take_in<'a>(
        &mut self,
        listing: &mut NodeListing,
        page: &'a ResultPage,
        mut met: impl FnMut(Met<'a>),
    ) -> Vec<Node> {
        self.asked_at.get_or_insert(page.asked_at);
        listing.has_begun = true;
        let (depth, mut nodes) = (listing.node.depth, Vec::new());
        for result in page.results() {
            let Some(block) = result else {
                met(Met::Skipped("result that is not an object"));
                continue;
            };
            let id = block.id("id");
            if id.is_some_and(|id| !listing.listing.is_new(id)) {
                continue;
            }
            listing.node.parts.retain(|part| Some(*part) != id);
            let kind = block.text("type").unwrap_or_default().into_owned();
            match (&*kind, id) {
                ("child_page", id) => id.into_iter().for_each(|id| met(Met::ChildPage(id))),
                ("child_database", id) => id.into_iter().for_each(|id| met(Met::ChildDatabase(id))),
                ("ai_block", _) => met(Met::Skipped("ai_block, which the API cannot read")),
                _ => {
                    if let Some(id) = id {
                        self.descend(&block, &kind, id, depth, &mut nodes, &mut met);
                    }
                    let place = BlockPlace { depth, sequence_number: listing.kept };
                    listing.kept += 1;
                    self.has_blocks = true;
                    met(Met::Block(block, place));
                }
            }
        }
        nodes
    }

    /// Ends the listing of a node, or takes in that it was refused: what is still to be read of it.
    ///
    /// `is_refused` is said where its first result page was refused.
    pub fn end(&mut self, listing: &mut NodeListing, is_refused: bool) -> Vec<Node> {
        let node = &mut listing.node;
        if let Some(copy) = node.otherwise.take().filter(|_| is_refused || listing.kept == 0) {
            return vec![Node { id: copy, ..node.clone() }];
        }
        let parts: Vec<Uuid> = std::mem::take(&mut node.parts);
        let parts = parts.into_iter().filter(|part| self.entered.insert(*part));
        parts
            .map(|id| Node { id, depth: node.depth + 1, parts: Vec::new(), ..node.clone() })
            .filter(|part| part.depth <= MAX_DEPTH)
            .collect()
    }

    /// Whether the content of an original is read through a copy for the first time.
    pub fn enter(&mut self, original: Uuid) -> bool {
        self.entered.insert(original)
    }

    fn descend<'a>(
        &mut self,
        block: &RawObject<'a>,
        kind: &str,
        id: Uuid,
        depth: u8,
        nodes: &mut Vec<Node>,
        met: &mut impl FnMut(Met<'a>),
    ) {
        let has_children = block.is_true("has_children");
        let parts = meeting_parts(block, kind);
        if !has_children && parts.is_empty() {
            return;
        }
        // Asking for the children of an unsupported block is answered with 400.
        if kind == "unsupported" {
            return met(Met::Skipped("content of an unsupported block"));
        }
        if depth >= MAX_DEPTH {
            return met(Met::Skipped("subtree deeper than 30 levels"));
        }
        if kind == "synced_block" {
            let payload = block.object("synced_block");
            let original = payload.and_then(|payload| payload.object("synced_from")?.id("block_id"));
            match original.filter(|original| *original != id) {
                Some(original) => return met(Met::Copy(SyncedCopy { id, original, depth })),
                None => met(Met::Original(id)),
            }
        }
        if !self.entered.insert(id) {
            return;
        }
        let mut node = Node { id, depth: depth + 1, kind: kind.into(), otherwise: None, parts };
        if has_children {
            nodes.push(node);
        } else {
            let parts = std::mem::take(&mut node.parts).into_iter();
            let parts = parts.filter(|part| depth + 2 <= MAX_DEPTH && self.entered.insert(*part));
            nodes.extend(parts.map(|id| Node { id, depth: depth + 2, ..node.clone() }));
        }
    }
}

/// The blocks that hold a meeting's summary, notes and transcript: its payload names them, whether or not they are
/// listed as its children.
fn meeting_parts(block: &RawObject<'_>, kind: &str) -> Vec<Uuid> {
    if !matches!(kind, "transcription" | "meeting_notes") {
        return Vec::new();
    }
    let payload = block.object(kind);
    let children = payload.as_ref().and_then(|payload| payload.object("children"));
    let names = ["summary_block_id", "notes_block_id", "transcript_block_id"];
    children.map(|children| names.iter().filter_map(|name| children.id(name)).collect()).unwrap_or_default()
}
