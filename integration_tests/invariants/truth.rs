//! What the workspace holds, and whether records say so.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use fake_notion::{BlockInfo, CommentInfo, Workspace};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::read::LEFT_OUT;

/// One object that must have been received.
#[derive(Debug)]
pub(crate) struct Truth {
    pub(crate) time: DateTime<Utc>,
    /// The page that holds it, if it is a block or a comment.
    pub(crate) page_id: Option<String>,
    /// The properties as they stand in records, if it has some.
    properties: Option<Value>,
    place: Option<Place>,
}

/// Where a block stands.
#[derive(Debug)]
struct Place {
    depth: usize,
    /// Its index among the siblings that are records.
    sequence_number: usize,
    /// The pages in whose trees it is met through copies, if it stands below a synced block.
    met_in: Option<BTreeSet<String>>,
}

/// Everything of a stream that can be seen, by id; nothing of users.
pub(crate) fn everything(workspace: &Workspace, stream: &str) -> BTreeMap<String, Truth> {
    let described = |(id, time): (Uuid, DateTime<Utc>)| {
        let properties = Some(properties_in_record(&workspace.property_values(id)));
        (id.to_string(), Truth { time, page_id: None, properties, place: None })
    };
    match stream {
        "pages" => workspace.visible_pages().into_iter().map(described).collect(),
        "data_sources" => workspace.visible_data_sources().into_iter().map(described).collect(),
        "blocks" => blocks(workspace),
        "comments" => comments(workspace),
        _users => BTreeMap::new(),
    }
}

fn properties_in_record(values: &Value) -> Value {
    let values = values.as_object().into_iter().flatten();
    values.map(|(name, value)| json!({"name": name, "value": value})).collect()
}

fn comments(workspace: &Workspace) -> BTreeMap<String, Truth> {
    let on_pages = workspace.visible_comments().into_iter().filter(|comment| !comment.on_block);
    let truth = |comment: CommentInfo| {
        let page_id = Some(comment.page_id.to_string());
        let truth = Truth { time: comment.last_edited_time, page_id, properties: None, place: None };
        (comment.id.to_string(), truth)
    };
    on_pages.map(truth).collect()
}

fn blocks(workspace: &Workspace) -> BTreeMap<String, Truth> {
    let all = workspace.visible_blocks();
    let parents: BTreeMap<Uuid, &BlockInfo> = all.iter().map(|block| (block.id, block)).collect();
    let is_below_synced = |block: &BlockInfo| {
        let mut above = std::iter::successors(parents.get(&block.parent), |above| parents.get(&above.parent));
        above.any(|above| above.kind == "synced_block")
    };
    let copies = all.iter().filter(|block| workspace.is_synced_copy(block.id));
    let pages_with_copies: BTreeSet<String> = copies.map(|copy| copy.page_id.to_string()).collect();
    let mut sibling_counts: BTreeMap<Uuid, usize> = BTreeMap::new();
    let mut truths = BTreeMap::new();
    for block in &all {
        if !block.reachable || LEFT_OUT.contains(&block.kind.as_str()) {
            continue;
        }
        let sibling_count = sibling_counts.entry(block.parent).or_default();
        let place = Place {
            depth: block.depth,
            sequence_number: *sibling_count,
            met_in: is_below_synced(block).then(|| pages_with_copies.clone()),
        };
        *sibling_count += 1;
        let page_id = Some(block.page_id.to_string());
        let truth = Truth { time: block.last_edited_time, page_id, properties: None, place: Some(place) };
        truths.insert(block.id.to_string(), truth);
    }
    truths
}

impl Truth {
    /// What a record that was just read says wrongly.
    pub(crate) fn contradicts(&self, fresh: &Value) -> Option<String> {
        let differs = |field: &str, expected: Value| {
            let found = fresh.pointer(field).unwrap_or(&Value::Null);
            (*found != expected).then(|| format!("{field} is {found} and not {expected}"))
        };
        let time = (time(fresh) != self.time).then(|| format!("not of {}: {fresh}", self.time));
        let properties = || differs("/properties", self.properties.clone()?);
        let met_in = self.place.as_ref().and_then(|place| place.met_in.as_ref());
        // Whichever page with a copy comes first has the content of a synced block, at the copy's depth.
        let is_met_elsewhere =
            met_in.is_some_and(|pages| fresh["page_id"].as_str().is_some_and(|id| pages.contains(id)));
        let page_id = || differs("/page_id", json!(self.page_id.as_ref()?)).filter(|_| !is_met_elsewhere);
        let place = || {
            let place = self.place.as_ref()?;
            let depth = differs("/depth", json!(place.depth)).filter(|_| !is_met_elsewhere);
            depth.or_else(|| differs("/parent/sequence_number", json!(place.sequence_number)))
        };
        time.or_else(properties).or_else(page_id).or_else(place)
    }

    fn is_below_synced(&self) -> bool {
        self.place.as_ref().is_some_and(|place| place.met_in.is_some())
    }
}

/// What is not the same in a record received earlier and in one that was just read, of all that does not change
/// without the record's time.
pub(crate) fn outdated(kept: &Value, fresh: &Value, truth: Option<&Truth>) -> Option<String> {
    let mut fields = vec!["last_edited_time", "title", "name", "plain_text", "properties"];
    // Copies of a synced block come and go without an edit of what stands in it.
    if !truth.is_some_and(Truth::is_below_synced) {
        fields.extend(["page_id", "depth"]);
    }
    if let Some(field) = fields.into_iter().find(|field| kept[field] != fresh[field]) {
        return Some(format!("{field} is {} and not {}", kept[field], fresh[field]));
    }
    // A sibling that goes moves those behind it forward, and these keep their times. New ones come last.
    let number = |record: &Value| record["parent"]["sequence_number"].as_u64();
    (number(kept) < number(fresh))
        .then(|| format!("sequence_number is {:?} and not {:?}", number(kept), number(fresh)))
}

fn time(record: &Value) -> DateTime<Utc> {
    record["last_edited_time"].as_str().unwrap().parse().unwrap()
}
