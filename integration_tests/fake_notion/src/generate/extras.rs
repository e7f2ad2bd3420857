//! What only some workspaces have: synced blocks, wikis, linked databases, and values that page answers cut.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{BRANCHES, words};
use crate::{
    ids::Sequence,
    rich_text,
    workspace::{LinkedDatabase, Workspace},
};

/// How much of it a workspace has: nothing by default, and then it is the same as without these options.
#[derive(Clone, Copy, Debug, Default)]
pub struct Extras {
    /// Which part of the pages holds the original of a synced block, from 0 to 1; each has two copies on any pages.
    pub synced_blocks: f64,
    /// Which part of the databases is a wiki, with a database in it.
    pub wikis: f64,
    /// Which part of the databases has a second data source.
    pub second_data_sources: f64,
    /// Which part of the pages shows a linked database.
    pub linked_databases: f64,
    /// Which part of the pages has a value that page answers cut, or that is just short enough.
    pub long_values: f64,
}

impl Extras {
    /// Some of everything.
    pub fn some() -> Self {
        Self {
            synced_blocks: 0.2,
            wikis: 0.5,
            second_data_sources: 0.7,
            linked_databases: 0.1,
            long_values: 0.15,
        }
    }
}

/// Adds data sources next to the given ones and inside of them, and the properties that may hold long values.
pub(super) fn add_data_sources(
    workspace: &mut Workspace,
    random: &mut Sequence,
    extras: Extras,
    data_sources: &mut Vec<Uuid>,
) {
    for data_source in data_sources.clone() {
        let time = workspace.last_edited_time(data_source).expect("the data source was just added");
        let title = workspace.title(data_source).to_owned();
        if random.happens(extras.wikis) {
            let verification = json!({"id": "verification", "type": "verification", "verification": {}});
            workspace.add_schema_property(data_source, "Verification", verification);
            data_sources.push(workspace.add_database(data_source, &format!("{title} inside"), time).1);
        } else if random.happens(extras.second_data_sources) {
            let database = workspace.database_of(data_source).expect("a data source is in a database");
            data_sources.push(workspace.add_data_source(database, &format!("{title} again"), time));
        }
    }
    if extras.long_values > 0.0 {
        for data_source in data_sources {
            add_long_properties(workspace, *data_source);
        }
    }
}

/// Adds a relation, people and a text, which may become longer than page answers show.
pub(super) fn add_long_properties(workspace: &mut Workspace, data_source: Uuid) {
    let database = workspace.database_of(data_source).map(|id| id.to_string());
    let relation = json!({
        "database_id": database,
        "data_source_id": data_source.to_string(),
        "type": "single_property",
        "single_property": {},
    });
    workspace.add_schema_property(data_source, "Related", json!({"type": "relation", "relation": relation}));
    workspace.add_schema_property(data_source, "People", json!({"type": "people", "people": {}}));
    workspace.add_schema_property(data_source, "Mentions", json!({"type": "rich_text", "rich_text": {}}));
}

/// Adds synced blocks, linked databases and long values to pages, which keep their times.
pub(super) fn add_to_pages(workspace: &mut Workspace, random: &mut Sequence, extras: Extras, pages: &[Uuid]) {
    for &page in pages {
        if random.happens(extras.synced_blocks) {
            let original = unnoticed(workspace, page, |workspace| add_original(workspace, random, page));
            for _ in 0..2 {
                let page = random.pick(pages);
                unnoticed(workspace, page, |workspace| add_copy(workspace, random, page, original));
            }
        }
        if random.happens(extras.linked_databases) {
            unnoticed(workspace, page, |workspace| add_linked_database(workspace, random, page));
        }
        if random.happens(extras.long_values) {
            let (name, value) = long_value(workspace, random, page);
            workspace.set_property_unstamped(page, &name, value);
        }
    }
}

/// Changes a page as if it had been done at the time of its last edit.
fn unnoticed<T>(workspace: &mut Workspace, page: Uuid, change: impl FnOnce(&mut Workspace) -> T) -> T {
    let time = workspace.last_edited_time(page).expect("the page is of this workspace");
    workspace.set_default_time(Some(time));
    let result = change(workspace);
    workspace.set_default_time(None);
    result
}

/// Adds the original of a synced block with content of its own, some of it nested.
pub(super) fn add_original(workspace: &mut Workspace, random: &mut Sequence, page: Uuid) -> Uuid {
    let original = workspace.append_block(page, "synced_block", json!({"synced_from": null}));
    for _ in 0..=random.below(3) {
        let text = words(random);
        let block = workspace.append_text(original, random.pick(&BRANCHES), &text);
        if random.happens(0.5) {
            workspace.append_text(block, "paragraph", &words(random));
        }
    }
    original
}

/// Adds a copy of a synced block to a page, at its end or inside of another block.
pub(super) fn add_copy(workspace: &mut Workspace, random: &mut Sequence, page: Uuid, original: Uuid) -> Uuid {
    let branches: Vec<Uuid> = workspace
        .blocks_of(page)
        .into_iter()
        .filter(|block| BRANCHES.contains(&block.kind.as_str()) && !workspace.would_loop(original, block.id))
        .map(|block| block.id)
        .collect();
    let parent = if random.happens(0.5) { branches.get(random.below(branches.len())) } else { None };
    let from = json!({"type": "block_id", "block_id": original.to_string()});
    workspace.append_block(*parent.unwrap_or(&page), "synced_block", json!({"synced_from": from}))
}

/// Adds a linked database, which answers in any of the ways in which they do.
pub(super) fn add_linked_database(workspace: &mut Workspace, random: &mut Sequence, page: Uuid) -> Uuid {
    let kind = random.pick(&[LinkedDatabase::NotFound, LinkedDatabase::Empty, LinkedDatabase::NoAccess]);
    workspace.add_linked_database(page, "Linked", kind)
}

/// A value about as long as page answers show, or much longer, for one of the page's properties.
pub(super) fn long_value(workspace: &mut Workspace, random: &mut Sequence, page: Uuid) -> (String, Value) {
    let length = random.pick(&[24, 25, 26, 40]);
    let ids: Vec<Uuid> = (0..length).map(|_| workspace.new_id()).collect();
    let values = workspace.property_values(page);
    let fitting = |(name, value): (&String, &Value)| {
        let kind = value["type"].as_str()?;
        matches!(kind, "relation" | "people" | "rich_text" | "title").then(|| (name.clone(), kind.to_owned()))
    };
    let properties: Vec<(String, String)> =
        values.as_object().into_iter().flatten().filter_map(fitting).collect();
    let (name, kind) = properties[random.below(properties.len())].clone();
    let entries: Value = match kind.as_str() {
        "relation" => ids.iter().map(|id| json!({"id": id.to_string()})).collect(),
        "people" => ids.iter().map(|id| json!({"object": "user", "id": id.to_string()})).collect(),
        _text => {
            let mention = |(number, id): (usize, &Uuid)| {
                let words = number.is_multiple_of(10).then(|| rich_text::segment(" with "));
                let mention = if number % 2 == 0 {
                    rich_text::mention_user(*id, "someone")
                } else {
                    rich_text::mention_page(*id, "some page")
                };
                words.into_iter().chain([mention])
            };
            ids.iter().enumerate().flat_map(mention).collect()
        }
    };
    let mut value = json!({"type": kind});
    value[&kind] = entries;
    (name, value)
}
