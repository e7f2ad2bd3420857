//! The workspaces that are read, and what people do in them.

use std::time::Duration;

use chrono::TimeDelta;
use fake_notion::{
    CursorMeaning, SyncedCopies, Workspace,
    generate::{Extras, GenerateOptions, generated_workspace},
};

use super::plan::Random;
use crate::invariants::{self, hide_some};

/// Pages were edited in so many days before a case.
pub(super) const OLDEST_DAYS: u32 = 30;

pub(super) fn workspace(random: &mut Random, hides: bool) -> Workspace {
    let mut workspace = generated_workspace(GenerateOptions {
        seed: random.number(),
        pages: 1 + random.below(25),
        blocks_per_page: random.below(8),
        depth: 1 + random.below(4),
        row_share: random.pick(&[0.0, 0.3, 0.7]),
        data_sources: random.below(4),
        comments_per_page: random.pick(&[0.0, 0.5, 1.5]),
        users: 3,
        oldest_days: OLDEST_DAYS,
        now: None,
        new_ids: true,
        extras: if random.happens(60) { Extras::some() } else { Extras::default() },
    });
    let settings = &mut workspace.settings;
    settings.max_page_size = random.pick(&[1, 2, 3, 10, 100]);
    settings.gzip = random.happens(50);
    settings.query_result_cap = random.pick(&[10, 10_000]);
    settings.varies_forms = random.happens(30);
    if random.happens(30) {
        settings.cursor_meaning = CursorMeaning::ResultCount;
    }
    settings.synced_copies =
        random.pick(&[SyncedCopies::NotFound, SyncedCopies::Empty, SyncedCopies::Content]);
    if random.happens(30) {
        settings.search_lag = Duration::from_mins(1 + random.number() % 5);
    }
    if hides {
        hide_some(&mut workspace, || random.happens(20));
    }
    workspace
}

/// Somebody edits something; time passes.
pub(super) fn edit(workspace: &mut Workspace, random: &mut Random, hides: bool) -> String {
    if random.happens(40) {
        workspace.advance(random.minutes(4));
    }
    let done = invariants::edit(workspace, random.number(), hides);
    format!("{} {done:?}", workspace.now().format("%d %H:%M:%S"))
}

/// A long time passes, or a short one.
pub(super) fn wait(workspace: &mut Workspace, random: &mut Random) {
    let passed = if random.happens(10) { TimeDelta::hours(30) } else { random.minutes(25) };
    workspace.advance(passed);
}
