//! Reading: what comes out of a workspace.

use fake_notion::{FakeNotion, Workspace, sample::sample_workspace};
use serde_json::json;

use crate::support::{Connector, assert_reads_everything, stream_names};

#[test]
fn the_sample_workspace_comes_out_whole() {
    let notion = FakeNotion::start_blocking(sample_workspace());
    let output = Connector::new(&notion).read();
    output.assert_complete();
    notion.edit(|workspace| assert_reads_everything(&output, workspace));
    for stream in stream_names() {
        assert_eq!(output.statuses(stream), ["STARTED", "RUNNING", "COMPLETE"]);
        assert!(output.id_counts(stream).values().all(|count| *count == 1), "{stream}");
    }
}

#[test]
fn a_meeting_that_cannot_be_listed_is_read_through_its_parts() {
    // GIVEN a meeting whose children Notion refuses to list, and whose payload names its parts
    let mut workspace = Workspace::new();
    let page = workspace.add_top_page("Page");
    let meeting = workspace.append_block(page, "transcription", json!({"title": []}));
    let summary = workspace.append_text(meeting, "paragraph", "Summary");
    let inner = workspace.append_text(summary, "paragraph", "What was said");
    workspace.set_block_payload(
        meeting,
        &json!({"title": [], "children": {"summary_block_id": summary.to_string()}}),
    );
    workspace.lock_block_children(
        meeting,
        400,
        "validation_error",
        "Block type is not supported via the API.",
    );
    let notion = FakeNotion::start_blocking(workspace);

    // WHEN it is read
    let output = Connector::new(&notion).read();

    // THEN what is below the part is there
    output.assert_complete();
    assert_eq!(output.record("blocks", inner)["plain_text"], "What was said");
    assert_eq!(output.record("blocks", inner)["depth"], 3);
}

#[test]
fn a_read_with_nothing_shared_says_so() {
    let notion = FakeNotion::start_blocking(Workspace::new());
    let output = Connector::new(&notion).read();
    output.assert_complete();
    let warnings: Vec<String> = output
        .logs()
        .into_iter()
        .filter(|(level, _text)| level == "WARN")
        .map(|(_level, text)| text)
        .collect();
    assert_eq!(
        warnings,
        [
            "Nothing is shared with the integration, so there is nothing to read: open a page in Notion, ••• menu, Add \
          connections, and choose the integration."
        ]
    );
}
