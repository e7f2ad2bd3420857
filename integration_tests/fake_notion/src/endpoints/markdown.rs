//! `GET /v1/pages/{id}/markdown`: a page's text, one line a block.

use serde_json::json;

use super::Context;
use crate::{answer::Refusal, rich_text, workspace::Kind};

pub(super) fn markdown(context: &mut Context<'_>) -> Result<String, Refusal> {
    let id = context.path_id("page_id")?;
    context.require(id, Kind::Page)?;
    let mut lines = Vec::new();
    let mut unknown = Vec::new();
    for block in context.workspace.blocks_of(id) {
        let indent = "\t".repeat(block.depth - 1);
        match block.kind.as_str() {
            "child_page" | "child_database" => {
                lines.push(format!("{indent}<page url=\"https://app.notion.com/p/{}\"/>", block.id.simple()));
            }
            "unsupported" | "ai_block" | "bookmark" | "embed" | "link_preview" | "breadcrumb" => {
                lines.push(format!(
                    "{indent}<unknown url=\"https://app.notion.com/p/{}\"/>",
                    block.id.simple()
                ));
                unknown.push(block.id.to_string());
            }
            kind => {
                let payload = context.workspace.block_payload(block.id);
                lines.push(format!("{indent}{}{}", mark(kind), rich_text::plain_text(&payload["rich_text"])));
            }
        }
    }
    let answer = json!({
        "object": "page_markdown",
        "id": id.to_string(),
        "markdown": lines.join("\n"),
        "truncated": false,
        "unknown_block_ids": unknown,
    });
    Ok(answer.to_string())
}

fn mark(kind: &str) -> &'static str {
    match kind {
        "heading_1" => "# ",
        "heading_2" => "## ",
        "heading_3" => "### ",
        "bulleted_list_item" => "- ",
        "numbered_list_item" => "1. ",
        "to_do" => "- [ ] ",
        "quote" => "> ",
        "divider" => "---",
        _ => "",
    }
}
