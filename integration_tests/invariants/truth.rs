//! What a destination must hold, and how what it holds differs.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, SecondsFormat, Utc};
use fake_notion::{Home, Workspace, rich_text};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::destination::{Destination, subject};

/// What the workspace says at one moment.
#[derive(Debug)]
pub(crate) struct Truth {
    /// The records of each stream, by id.
    records: BTreeMap<&'static str, BTreeMap<String, Expected>>,
    /// The times of the synced pages.
    page_times: BTreeMap<String, String>,
    archived_rows: BTreeSet<String>,
    /// What cannot be found by reading so far.
    unfindable: BTreeMap<Reach, BTreeSet<String>>,
    varies_forms: bool,
}

/// How far a run reads: what no selected stream needs is not listed.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Reach {
    /// Searches alone.
    Search,
    /// The rows of tables, too.
    Rows,
    /// The trees of synced pages, too.
    Trees,
}

impl Reach {
    /// How far a run with these streams reads.
    pub(crate) fn of(streams: &[&str]) -> Self {
        match streams {
            _ if streams.contains(&"blocks") => Self::Trees,
            _ if streams.contains(&"pages") || streams.contains(&"comments") => Self::Rows,
            _ => Self::Search,
        }
    }
}

/// A record as it must be.
#[derive(Debug)]
struct Expected {
    record: Value,
    /// The pages that it may belong to, with its depth if it is a block; none of an object of its own.
    homes: BTreeMap<String, Option<usize>>,
}

/// One thing that is not as it must be.
#[derive(Debug)]
pub(crate) struct Difference {
    pub(crate) stream: &'static str,
    /// The object, or the pages that a block or comment may belong to.
    pub(crate) subjects: BTreeSet<String>,
    pub(crate) id: String,
    pub(crate) what: String,
    /// It is there and should not be.
    pub(crate) is_left: bool,
}

impl Truth {
    /// What must be there once everything edited since `start` was read.
    pub(crate) fn of(workspace: &Workspace, start: DateTime<Utc>) -> Self {
        let expected = workspace.expected(start);
        let minute = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Millis, true);
        let varies_forms = workspace.settings.varies_forms;
        let object = |id: &Uuid| workspace.object(*id).expect("what is expected exists");
        let whole = |record: Value, homes| Expected { record: normalized(record, varies_forms), homes };
        let on_page = |page: Uuid| BTreeMap::from([(page.to_string(), None)]);

        let pages = expected.pages.iter().map(|(id, page)| {
            let mut record = object(id);
            record["properties"] = named(&record["properties"]);
            record["title"] = page.title.as_str().into();
            record["_ab_cdc_deleted_at"] = Value::Null;
            (id.to_string(), whole(record, BTreeMap::new()))
        });
        let data_sources = expected.data_sources.iter().map(|(id, data_source)| {
            let mut record = object(id);
            record["properties"] = named(&record["properties"]);
            record["name"] = data_source.title.as_str().into();
            record["_ab_cdc_deleted_at"] = Value::Null;
            (id.to_string(), whole(record, BTreeMap::new()))
        });
        let blocks = expected.blocks.iter().map(|(id, block)| {
            let mut record = object(id);
            record["parent"]["sequence_number"] = block.sequence_number.into();
            record["plain_text"] = block_text(&record[block.kind.as_str()]);
            let home = |home: &Home| (home.page_id.to_string(), Some(home.depth));
            (id.to_string(), whole(record, block.homes.iter().map(home).collect()))
        });
        let comments = expected.comments.iter().map(|(id, comment)| {
            let mut record = object(id);
            record["plain_text"] = rich_text::plain_text(&record["rich_text"]).into();
            (id.to_string(), whole(record, on_page(comment.page_id)))
        });
        let ids = |reads_trees| {
            workspace.unfindable(start, reads_trees).iter().map(Uuid::to_string).collect::<BTreeSet<_>>()
        };
        let hidden = workspace.visible_data_sources().into_iter().map(|(id, _time)| id);
        let hidden =
            hidden.filter(|id| workspace.is_hidden_from_search(*id)).map(|id| id.to_string()).collect();
        let archived = |page: &fake_notion::PageInfo| page.archived && page.data_source.is_some();
        Self {
            archived_rows: workspace
                .page_infos()
                .iter()
                .filter(|page| archived(page))
                .map(|page| page.id.to_string())
                .collect(),
            unfindable: BTreeMap::from([
                (Reach::Trees, ids(true)),
                (Reach::Rows, ids(false)),
                (Reach::Search, hidden),
            ]),
            varies_forms,
            page_times: expected
                .pages
                .iter()
                .map(|(id, page)| (id.to_string(), minute(page.last_edited_time)))
                .collect(),
            records: BTreeMap::from([
                ("pages", pages.collect()),
                ("data_sources", data_sources.collect()),
                ("blocks", blocks.collect()),
                ("comments", comments.collect()),
            ]),
        }
    }

    /// Whether a page is an archived row.
    pub(crate) fn is_archived_row(&self, id: &str) -> bool {
        self.archived_rows.contains(id)
    }

    /// How the destinations differ from what must be there.
    ///
    /// The eager one may differ where the careful one does not, in what docs/notion.md says is not covered, and
    /// only where its last records are covered by no state: something that went for good before the next run could
    /// know of it, and a change without an edit that was undone before the next run.
    pub(crate) fn differences(
        &self,
        destination: &Destination,
        stream: &'static str,
        reach: Reach,
    ) -> Vec<Difference> {
        let careful = destination.careful(stream);
        let eager = destination.eager(stream);
        let mut found = self.compare(&careful, stream, reach);
        let wrong: BTreeSet<String> = found.iter().map(|difference| difference.id.clone()).collect();
        let edited = |records: &BTreeMap<String, &Value>, id: &String| {
            records.get(id).map(|record| record["last_edited_time"].clone())
        };
        let is_undone = |id: &String| edited(&careful, id) == edited(&eager, id);
        let is_uncovered = |difference: &Difference| {
            let is_ahead = difference.subjects.iter().any(|subject| destination.is_ahead(stream, subject));
            let is_named = match stream {
                "blocks" => difference.is_left,
                // The comments of a page are one thing: with one that comes back without an edit all others are undone.
                "comments" => true,
                _objects => difference.is_left || is_undone(&difference.id),
            };
            is_ahead && is_named && !wrong.contains(&difference.id)
        };
        let differs =
            self.compare(&eager, stream, reach).into_iter().filter(|difference| !is_uncovered(difference));
        found.extend(differs.map(|mut difference| {
            difference.what.push_str(" (where records without a state are kept)");
            difference
        }));
        found
    }

    fn compare(
        &self,
        held: &BTreeMap<String, &Value>,
        stream: &'static str,
        reach: Reach,
    ) -> Vec<Difference> {
        let Some(records) = self.records.get(stream) else { return Vec::new() };
        let difference = |id: &String, subjects: BTreeSet<String>, what: String| {
            let (stream, id, is_left) = (stream, id.clone(), false);
            Difference { stream, subjects, id, what, is_left }
        };
        let subjects = |id: &String, expected: &Expected| -> BTreeSet<String> {
            if expected.homes.is_empty() {
                BTreeSet::from([id.clone()])
            } else {
                expected.homes.keys().cloned().collect()
            }
        };
        let mut found = Vec::new();
        for (id, expected) in records {
            let Some(record) = held.get(id) else {
                let subjects = subjects(id, expected);
                // Nobody can know of it who has not known it before.
                if !subjects.is_subset(&self.unfindable[&reach]) {
                    let what = format!("is missing: {}", expected.record);
                    found.push(difference(id, subjects, what));
                }
                continue;
            };
            found.extend(
                self.wrong(stream, record, expected).map(|what| difference(id, subjects(id, expected), what)),
            );
        }
        for (id, record) in held.iter().filter(|(id, _)| !records.contains_key(*id)) {
            let subject = subject(stream, record);
            // What belongs to a page that is gone is out of sight with it.
            let is_seen =
                matches!(stream, "pages" | "data_sources") || self.page_times.contains_key(&subject);
            if is_seen {
                let what = format!("should not be there: {record}");
                found.push(Difference { is_left: true, ..difference(id, BTreeSet::from([subject]), what) });
            }
        }
        found
    }

    /// What a record says wrongly.
    fn wrong(&self, stream: &str, record: &Value, expected: &Expected) -> Option<String> {
        let mut record = record.clone();
        let fields = record.as_object_mut().unwrap();
        if !expected.homes.is_empty() {
            let page = fields.remove("page_id").unwrap_or_default();
            let page = page.as_str().unwrap_or_default();
            let depth = fields
                .remove("depth")
                .and_then(|depth| depth.as_u64())
                .map(|depth| usize::try_from(depth).unwrap());
            if expected.homes.get(page) != Some(&depth) {
                return Some(format!(
                    "is in {page} at depth {depth:?} and not in one of {:?}",
                    expected.homes
                ));
            }
            fields.remove("page_read_at");
            let page_time = fields.remove("page_last_edited_time").unwrap_or_default();
            // Comments are sent when they differ, not when their page was edited.
            if stream == "blocks" && self.page_times.get(page).is_some_and(|time| page_time != time.as_str())
            {
                return Some(format!("of a page edited at {page_time} and not {}", self.page_times[page]));
            }
        }
        let record = normalized(record, self.varies_forms);
        let (is, must) = (record.as_object().unwrap(), expected.record.as_object().unwrap());
        let keys: BTreeSet<&String> = is.keys().chain(must.keys()).collect();
        let differs = keys.into_iter().find(|key| is.get(*key) != must.get(*key))?;
        let shown = |fields: &Map<String, Value>| {
            fields.get(differs).map_or_else(|| "absent".to_owned(), Value::to_string)
        };
        Some(format!("{differs} is {} and not {}", shown(is), shown(must)))
    }
}

/// Properties as records have them.
fn named(properties: &Value) -> Value {
    let values = properties.as_object().into_iter().flatten();
    values.map(|(name, value)| json!({"name": name, "value": value})).collect()
}

/// The text of a block's payload.
fn block_text(payload: &Value) -> Value {
    let text_of = |field: &str| payload.get(field).map(|text| Value::from(rich_text::plain_text(text)));
    let cells = || {
        let cells = payload.get("cells")?.as_array()?;
        Some(Value::from(cells.iter().map(rich_text::plain_text).collect::<Vec<_>>().join("\t")))
    };
    let first = text_of("rich_text").or_else(cells).or_else(|| payload.get("expression").cloned());
    first.or_else(|| text_of("title")).or_else(|| text_of("caption")).unwrap_or_default()
}

/// A record without what may differ between two answers about the same thing: file addresses, the order of
/// properties, and where answers come in several forms what these are about.
fn normalized(mut record: Value, varies_forms: bool) -> Value {
    if let Some(properties) = record.get_mut("properties").and_then(Value::as_array_mut) {
        properties.sort_by_key(|property| property["name"].to_string());
    }
    if varies_forms && let Some(fields) = record.as_object_mut() {
        fields.shift_remove("archived");
        fields.shift_remove("url");
    }
    normalize(&mut record, varies_forms);
    record
}

fn normalize(value: &mut Value, varies_forms: bool) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| normalize(item, varies_forms)),
        Value::Object(fields) => {
            if fields.shift_remove("expiry_time").is_some() {
                fields.shift_remove("url");
            }
            if varies_forms && fields.get("object").is_some_and(|object| object == "user") {
                fields.retain(|key, _| key == "object" || key == "id");
            }
            fields.values_mut().for_each(|field| normalize(field, varies_forms));
        }
        _ => {}
    }
}
