//! Unresolved comments of every synced page (<https://developers.notion.com/reference/list-comments>).

use futures_util::{FutureExt, future::LocalBoxFuture};
use uuid::Uuid;

use super::{
    PageReader, PageScope, RawObject, Schema, Source, SourceStream, StreamSpec,
    record::{plain_text, quoted},
};
use crate::{
    client::{ApiError, ListRequest},
    engine::{Node, ReadError, StateForm, Visit},
};

/// The stream of comments.
#[derive(Debug)]
pub(super) struct Comments;

static SPEC: StreamSpec = StreamSpec {
    name: "comments",
    schema: Schema::new(
        include_str!("../../schemas/comments.json"),
        include_str!("../../schemas/fields/comments.json"),
    ),
    primary_key: "id",
    cursor_field: Some("last_edited_time"),
    state_form: StateForm::Global,
    capability: "Read comments",
};

impl SourceStream for Comments {
    fn spec(&self) -> &'static StreamSpec {
        &SPEC
    }

    fn source(&self) -> Source {
        Source::Pages(&Self)
    }

    /// Adds `plain_text`.
    fn transform(&self, comment: &mut RawObject<'_>) {
        let text = comment.get("rich_text").and_then(plain_text);
        comment.set_or_null("plain_text", text);
    }
}

impl PageReader for Comments {
    /// A new comment does not move its page's time.
    fn scope(&self) -> PageScope {
        PageScope::Synced
    }

    fn finds_objects(&self) -> bool {
        false
    }

    fn read<'a>(&'a self, visit: &'a Visit<'a>, node: Node) -> LocalBoxFuture<'a, Result<(), ReadError>> {
        async move {
            let mut listing = visit.list(comments_of(node.id));
            loop {
                let page = match listing.next().await {
                    Ok(Some(page)) => page,
                    Ok(None) => return Ok(()),
                    // The page was deleted or unshared since it was listed, or is of a kind without comments.
                    Err(error) if matches!(error.api_error(), Some(ApiError::NotFound { .. })) => {
                        visit.skip("page not found or not shared");
                        return Ok(());
                    }
                    Err(error) if matches!(error.api_error(), Some(ApiError::Rejected { .. })) => {
                        visit.skip("page whose comments Notion refuses to list");
                        return Ok(());
                    }
                    Err(error) if matches!(error.api_error(), Some(ApiError::Forbidden { .. })) => {
                        if !is_another_page_readable(visit).await? {
                            return Err(error.into());
                        }
                        visit.skip("page whose comments Notion denies");
                        return Ok(());
                    }
                    Err(error) => return Err(error.into()),
                };
                let mut batch = visit.batch(&page);
                for mut comment in visit.results(&page) {
                    if comment.id("id").is_some_and(|id| !listing.is_new(id)) {
                        continue;
                    }
                    let time = comment.time("last_edited_time");
                    comment.set("page_id", quoted(&visit.page_id().to_string()));
                    self.transform(&mut comment);
                    visit.add(&mut batch, &comment, time);
                }
                visit.emit(batch).await?;
            }
        }
        .boxed_local()
    }
}

fn comments_of(page: Uuid) -> ListRequest {
    ListRequest::get(format!("/v1/comments?block_id={page}"))
}

/// How many other pages are tried before a refusal is taken to be about all of them.
const MOST_OTHERS: usize = 3;

/// Whether comments may be read elsewhere: then a refusal is about one page, and no capability is missing. It is asked
/// anew each time, for a capability can be withdrawn at any moment.
async fn is_another_page_readable(visit: &Visit<'_>) -> Result<bool, ReadError> {
    for page in visit.other_pages(MOST_OTHERS) {
        match visit.list(comments_of(page)).next().await {
            Ok(_answer) => return Ok(true),
            Err(error)
                if matches!(
                    error.api_error(),
                    Some(ApiError::Forbidden { .. } | ApiError::NotFound { .. } | ApiError::Rejected { .. })
                ) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(false)
}
