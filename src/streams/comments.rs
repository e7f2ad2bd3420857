//! Unresolved comments of every synced page (<https://developers.notion.com/reference/list-comments>).

use uuid::Uuid;

use super::{Capability, Context, Cursor, Schema, Source, SourceStream, StateFormat, StreamSpec};
use crate::{
    client::ListRequest,
    record::{RawObject, plain_text},
};

/// The stream of comments.
#[derive(Debug)]
pub(super) struct Comments(StreamSpec);

impl Comments {
    pub(super) fn new() -> Self {
        Self(StreamSpec {
            name: "comments".into(),
            schema: Schema::new(
                include_str!("../../schemas/comments.json"),
                include_str!("../../schemas/fields/comments.json"),
            ),
            primary_key: "id".into(),
            cursor: Some(Cursor { field: "last_edited_time".into(), format: StateFormat::GlobalCursor }),
            capability: Capability::ReadComments,
        })
    }
}

impl SourceStream for Comments {
    fn spec(&self) -> &StreamSpec {
        &self.0
    }

    fn source(&self) -> Source {
        Source::PageListing(comments_of)
    }

    /// Adds `plain_text`.
    fn transform(&self, comment: &mut RawObject<'_>, _context: &Context<'_>) {
        let text = comment.get("rich_text").and_then(plain_text);
        comment.set_or_null("plain_text", text);
    }
}

fn comments_of(page: Uuid) -> ListRequest {
    ListRequest::get(format!("/v1/comments?block_id={page}"))
}
