//! Reading: what comes out of a workspace.

use std::collections::BTreeSet;

use fake_notion::{FakeNotion, Workspace, sample::sample_workspace};

use crate::support::{Connector, SyncOutput};

/// Blocks that are no records.
pub(crate) const LEFT_OUT: [&str; 3] = ["child_page", "child_database", "ai_block"];

/// Fails unless the records are exactly what a token can see of the workspace.
#[track_caller]
pub(crate) fn assert_reads_everything(output: &SyncOutput, workspace: &Workspace) {
    let pages: BTreeSet<String> = workspace.visible_pages().iter().map(|(id, _)| id.to_string()).collect();
    let blocks: BTreeSet<String> = workspace
        .visible_blocks()
        .iter()
        .filter(|block| block.reachable && !LEFT_OUT.contains(&block.kind.as_str()))
        .map(|block| block.id.to_string())
        .collect();
    let comments: BTreeSet<String> = workspace
        .visible_comments()
        .iter()
        .filter(|comment| !comment.on_block)
        .map(|comment| comment.id.to_string())
        .collect();
    assert_eq!(output.ids("pages"), pages);
    assert_eq!(output.ids("blocks"), blocks);
    assert_eq!(output.ids("comments"), comments);
}

#[test]
fn the_sample_workspace_comes_out_whole() {
    let notion = FakeNotion::start_blocking(sample_workspace());
    let output = Connector::new(&notion).read();
    output.assert_complete();
    notion.edit(|workspace| assert_reads_everything(&output, workspace));
    for stream in ["users", "data_sources", "pages", "blocks", "comments"] {
        assert_eq!(output.statuses(stream), ["STARTED", "RUNNING", "COMPLETE"]);
        assert!(output.id_counts(stream).values().all(|count| *count == 1), "{stream}");
    }
}
