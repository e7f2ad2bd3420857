//! Edits of all kinds, in workspaces of which search hides a part.

use chrono::{DateTime, Utc};
use fake_notion::{
    Workspace,
    generate::{EditDone, random_any_edit},
};
use uuid::Uuid;

/// One edit of any kind; with `hides`, some of what is new is hidden from search.
pub(crate) fn edit(workspace: &mut Workspace, seed: u64, hides: bool) -> EditDone {
    let done = random_any_edit(workspace, seed);
    match &done {
        EditDone::PageAdded { page: added } | EditDone::DataSourceAdded { data_source: added }
            if hides && seed.is_multiple_of(3) =>
        {
            workspace.hide_from_search(*added);
        }
        // Search that does not list a data source does not list its rows either.
        EditDone::RowAdded { row } => hide_with_its_table(workspace, *row),
        // What search hides is known by the tree that shows it, and trees are read when their page is edited: nothing
        // tells that a tree shows more since something in it was shared or restored without an edit.
        EditDone::Shared { id } | EditDone::Restored { id } => edit_page_around_hidden(workspace, *id),
        _ => {}
    }
    done
}

/// Hides some pages, and some data sources with their rows.
pub(crate) fn hide_some(workspace: &mut Workspace, mut is_hidden: impl FnMut() -> bool) {
    for page in workspace.page_infos() {
        if page.parent.is_some() && is_hidden() {
            workspace.hide_from_search(page.id);
        }
    }
    for (data_source, _time) in workspace.visible_data_sources() {
        if is_hidden() {
            workspace.hide_from_search(data_source);
            for (row, _time, _archived) in workspace.visible_rows(data_source) {
                workspace.hide_from_search(row);
            }
        }
    }
}

/// Edits the pages that show content through copies of synced blocks whose originals stand elsewhere: it comes when
/// these pages are due, and the original can be shared, unshared or deleted without an edit of them.
pub(crate) fn edit_pages_with_copied_content(workspace: &mut Workspace, start: DateTime<Utc>) {
    let now = workspace.now();
    for page in workspace.pages_with_copied_content(start) {
        workspace.touch(page, now);
    }
}

fn hide_with_its_table(workspace: &mut Workspace, row: Uuid) {
    let table =
        workspace.page_infos().into_iter().find(|page| page.id == row).and_then(|page| page.data_source);
    if table.is_some_and(|table| workspace.is_hidden_from_search(table)) {
        workspace.hide_from_search(row);
    }
}

fn edit_page_around_hidden(workspace: &mut Workspace, id: Uuid) {
    let data_sources = workspace.visible_data_sources().into_iter().map(|(data_source, _time)| data_source);
    let mut hidden: Vec<Uuid> =
        data_sources.filter(|table| *table == id || workspace.database_of(*table) == Some(id)).collect();
    hidden.push(id);
    let around =
        workspace.page_infos().into_iter().find(|page| page.id == id).map_or(Some(id), |page| page.parent);
    let page = around.and_then(|around| workspace.page_of(around));
    if let Some(page) = page.filter(|_| hidden.iter().any(|id| workspace.is_hidden_from_search(*id))) {
        workspace.touch(page, workspace.now());
    }
}
