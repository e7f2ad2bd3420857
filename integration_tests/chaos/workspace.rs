//! The workspaces that are read, and what people do in them.

use std::time::Duration;

use chrono::{DateTime, Utc};
use fake_notion::{
    CursorMeaning, SyncedCopies, Workspace,
    generate::{EditDone, Extras, GenerateOptions, generated_workspace, random_edit, random_extra_edit},
};
use uuid::Uuid;

use super::plan::Random;
use crate::invariants::shortens_listings;

pub(super) fn workspace(random: &mut Random, now: DateTime<Utc>, hides: bool) -> Workspace {
    let mut workspace = generated_workspace(GenerateOptions {
        seed: random.number(),
        pages: 1 + random.below(25),
        blocks_per_page: random.below(8),
        depth: 1 + random.below(4),
        row_share: random.pick(&[0.0, 0.3, 0.7]),
        data_sources: random.below(4),
        comments_per_page: random.pick(&[0.0, 0.5, 1.5]),
        users: 3,
        oldest_days: 30,
        now: Some(now),
        extras: if random.happens(60) { Extras::some() } else { Extras::default() },
    });
    workspace.set_now(Some(now));
    let settings = &mut workspace.settings;
    settings.max_page_size = random.pick(&[1, 2, 3, 10, 100]);
    settings.gzip = random.happens(50);
    settings.query_result_cap = random.pick(&[10, 10_000]);
    if random.happens(30) {
        settings.cursor_meaning = CursorMeaning::ResultCount;
    }
    settings.synced_copies =
        random.pick(&[SyncedCopies::NotFound, SyncedCopies::Empty, SyncedCopies::Content]);
    if random.happens(30) {
        settings.search_lag = Duration::from_mins(1 + random.number() % 5);
    }
    for page in workspace.page_infos() {
        if hides && page.parent.is_some() && random.happens(10) {
            workspace.hide_from_search(page.id);
        }
    }
    for (data_source, _time) in workspace.visible_data_sources() {
        if hides && random.happens(20) {
            workspace.hide_from_search(data_source);
            for (row, _time, _archived) in workspace.visible_rows(data_source) {
                workspace.hide_from_search(row);
            }
        }
    }
    workspace
}

/// Somebody edits something; time passes.
pub(super) fn edit(workspace: &mut Workspace, random: &mut Random, start: DateTime<Utc>, hides: bool) {
    if random.happens(40) {
        workspace.set_now(Some(workspace.now() + random.minutes(4)));
    }
    let seed = random.number();
    match random.below(20) {
        0 => {
            let comments = workspace.visible_comments();
            if !comments.is_empty() {
                let comment = random.pick(&comments);
                workspace.edit_comment(comment.id, &format!("edited {}", random.number()));
                into_scope(workspace, comment.page_id, start);
            }
        }
        1 => {
            let data_sources = workspace.visible_data_sources();
            if !data_sources.is_empty() {
                workspace.edit_title(random.pick(&data_sources).0, &format!("renamed {}", random.number()));
            }
        }
        kind => {
            match if kind < 6 { random_extra_edit(workspace, seed) } else { random_edit(workspace, seed) } {
                // What comes back from the trash keeps its old times, and no listing of changes shows it.
                EditDone::Restored { id } => workspace.trash(id),
                EditDone::PageAdded { page: added } | EditDone::DataSourceAdded { data_source: added }
                    if hides && random.happens(30) =>
                {
                    workspace.hide_from_search(added);
                }
                // What no listing shows and is moved without an edit is found by no sync of changes either.
                EditDone::Moved { page } if workspace.is_hidden_from_search(page) => {
                    let now = workspace.now();
                    workspace.touch(page, now);
                }
                EditDone::RowAdded { row } => hide_with_its_source(workspace, row),
                EditDone::CommentAdded { comment } => {
                    let found = workspace.visible_comments().into_iter().find(|known| known.id == comment);
                    into_scope(workspace, found.unwrap().page_id, start);
                }
                _ => {}
            }
        }
    }
}

/// The same while listings are being read.
pub(super) fn edit_meanwhile(
    workspace: &mut Workspace,
    random: &mut Random,
    start: DateTime<Utc>,
    hides: bool,
) {
    let before = workspace.clone();
    edit(workspace, random, start, hides);
    let counts = workspace.settings.cursor_meaning == CursorMeaning::ResultCount;
    if counts && shortens_listings(&before, workspace) {
        *workspace = before;
    }
}

/// Search that does not list a data source does not list its rows either.
fn hide_with_its_source(workspace: &mut Workspace, row: Uuid) {
    let source = workspace.page_infos().into_iter().find(|page| page.id == row).unwrap().data_source;
    if source.is_some_and(|source| workspace.is_hidden_from_search(source)) {
        workspace.hide_from_search(row);
    }
}

/// Comments on a page from before the start date are not synced; this one gets edited then.
fn into_scope(workspace: &mut Workspace, page: Uuid, start: DateTime<Utc>) {
    if workspace.last_edited_time(page).is_some_and(|time| time < start) {
        let now = workspace.now();
        workspace.touch(page, now);
    }
}
