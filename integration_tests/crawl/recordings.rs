//! Real objects of the API, where the folder that holds them lies beside the project: each comes out of a read
//! as it went in, but for the changes that the record shapes name.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    path::PathBuf,
};

use fake_notion::{FakeNotion, Fault, Placement, Route, Workspace};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Connector, LEFT_OUT, SyncOutput};

const VERSIONS: [&str; 2] = ["2025-09-03", "2026-03-11"];

/// Fields of objects that records do not hold.
const OF_THE_ANSWER: [&str; 2] = ["request_id", "developer_survey"];

/// Fields of records that depend on when and where they were read; other tests are about them.
const OF_THE_READING: [&str; 3] = ["_ab_cdc_deleted_at", "page_last_edited_time", "page_read_at"];

/// The recorded objects of a kind with their API versions; none, with a word, where the folder is absent.
#[expect(clippy::print_stderr, reason = "whoever runs the tests should see that some had nothing to test")]
fn recorded(name: &str) -> Option<Vec<(String, Value)>> {
    let folder: PathBuf =
        [env!("CARGO_MANIFEST_DIR"), "..", "shared", "recordings", "objects"].iter().collect();
    if !folder.exists() {
        eprintln!("skipped: no recordings beside the project");
        return None;
    }
    let lines = fs::read_to_string(folder.join(format!("{name}.jsonl"))).unwrap();
    let parse = |line| {
        let mut line: Value = serde_json::from_str(line).unwrap();
        (line["notion_version"].as_str().unwrap().to_owned(), line["object"].take())
    };
    let objects: Vec<_> = lines.lines().map(parse).collect();
    for version in VERSIONS {
        assert!(objects.iter().any(|(of, _object)| of == version), "{name}: none of {version}");
    }
    Some(objects)
}

/// The objects in groups in which no id occurs twice: what was recorded several times needs several workspaces.
fn rounds(objects: Vec<Value>) -> Vec<Vec<Value>> {
    let mut rounds: Vec<Vec<Value>> = Vec::new();
    let mut seen: HashMap<String, usize> = HashMap::new();
    for object in objects {
        let times = seen.entry(object["id"].as_str().unwrap().to_owned()).or_default();
        if rounds.len() == *times {
            rounds.push(Vec::new());
        }
        rounds[*times].push(object);
        *times += 1;
    }
    rounds
}

/// Serves each recorded object of a kind, reads it, and compares the record's text with what is expected.
fn assert_unharmed(
    stream: &str,
    mut serve: impl FnMut(&mut Workspace, Value),
    config: &Value,
    expected: impl Fn(Value) -> Value,
) {
    let Some(objects) = recorded(stream) else { return };
    let objects = objects.into_iter().map(|(_version, object)| object);
    // What lies in the trash is gone, and no record but of its deletion.
    let is_gone = |object: &Value| matches!(stream, "data_sources" | "pages") && object["in_trash"] == true;
    let objects: Vec<Value> = objects.filter(|object| !is_gone(object)).collect();
    let mut compared = BTreeMap::new();
    let total = objects.len();
    for (round, objects) in rounds(objects).into_iter().enumerate() {
        let mut workspace = Workspace::new();
        for object in &objects {
            serve(&mut workspace, object.clone());
        }
        let notion = FakeNotion::start_blocking(workspace);
        let output = Connector::new(&notion)
            .streams(&[stream])
            .with_config("complete_properties", config["complete_properties"].clone())
            .read();
        output.assert_complete();
        compared.insert(round, objects.len());
        for object in objects {
            assert_record(&output, stream, &expected(object));
        }
    }
    assert_eq!(compared.values().sum::<usize>(), total);
    told(stream, total, compared.len(), "");
}

#[expect(clippy::print_stderr, reason = "the counts say how much was tested")]
fn told(stream: &str, total: usize, workspaces: usize, rest: &str) {
    eprintln!("{stream}: {total} recorded objects came out unharmed, from {workspaces} workspaces{rest}");
}

/// The record's text is the expected one: every field, in the same place, but for those that belong to the answer, and
/// those of ours that say when it was read.
#[track_caller]
fn assert_record(output: &SyncOutput, stream: &str, expected: &Value) {
    let record = without(output.record(stream, expected["id"].as_str().unwrap()), &OF_THE_READING);
    let expected = without(expected, &OF_THE_ANSWER);
    assert_eq!(record, expected);
    assert_eq!(record.to_string(), expected.to_string());
}

fn without(object: &Value, fields: &[&str]) -> Value {
    let mut object = object.clone();
    for field in fields {
        object.as_object_mut().unwrap().shift_remove(*field);
    }
    object
}

fn with(mut object: Value, fields: &[(&str, Value)]) -> Value {
    for (name, value) in fields {
        object[*name] = value.clone();
    }
    object
}

fn named_properties(mut object: Value) -> Value {
    if let Some(Value::Object(properties)) = object.get_mut("properties").map(Value::take) {
        let named = properties.into_iter().map(|(name, value)| json!({"name": name, "value": value}));
        object["properties"] = named.collect();
    }
    object
}

/// The plain text of a rich text array.
fn plain_text(rich_text: &Value) -> Value {
    let Some(items) = rich_text.as_array() else { return Value::Null };
    items.iter().map(|item| item["plain_text"].as_str().unwrap_or_default()).collect::<String>().into()
}

#[test]
fn users_come_out_unharmed() {
    let expected = |mut user: Value| {
        if let Some(owner) = user.pointer_mut("/bot/owner").and_then(Value::as_object_mut) {
            let kind = owner["type"].as_str().unwrap().to_owned();
            let renamed = owner.iter().map(|(name, value)| {
                (if *name == kind { "info".to_owned() } else { name.clone() }, value.clone())
            });
            *owner = renamed.collect();
        }
        user
    };
    let serve = |workspace: &mut Workspace, user| {
        workspace.put_object(user);
    };
    assert_unharmed("users", serve, &json!({}), expected);
}

#[test]
fn data_sources_come_out_unharmed() {
    let expected = |source: Value| {
        let name = plain_text(&source["title"]);
        with(named_properties(source), &[("name", name)])
    };
    let serve = |workspace: &mut Workspace, source| {
        workspace.put_object(source);
    };
    assert_unharmed("data_sources", serve, &json!({}), expected);
}

#[test]
fn pages_come_out_unharmed() {
    let expected = |page: Value| {
        let properties = page["properties"].as_object().cloned().unwrap_or_default();
        let title = properties.values().find(|value| value.get("title").is_some());
        let title = title.map_or(Value::Null, |value| plain_text(&value["title"]));
        with(named_properties(page), &[("title", title)])
    };
    let serve = |workspace: &mut Workspace, page| {
        workspace.put_object(page);
    };
    // Values that the API cut are completed unless told otherwise, and then are no longer as recorded.
    assert_unharmed("pages", serve, &json!({"complete_properties": false}), expected);
}

#[test]
fn comments_come_out_unharmed() {
    let Some(objects) = recorded("comments") else { return };
    let total = objects.len();
    let rounds = rounds(objects.into_iter().map(|(_version, comment)| comment).collect());
    let workspaces = rounds.len();
    for comments in rounds {
        let mut workspace = Workspace::new();
        let page = workspace.add_top_page("Recorded");
        for comment in &comments {
            workspace.put_object_at(comment.clone(), Placement { parent: Some(page), position: None });
        }
        let output = Connector::new(&FakeNotion::start_blocking(workspace)).streams(&["comments"]).read();
        output.assert_complete();
        assert_eq!(output.records("comments").len(), comments.len());
        for comment in comments {
            let text = plain_text(&comment["rich_text"]);
            let added = [("plain_text", text), ("page_id", json!(page.to_string()))];
            assert_record(&output, "comments", &with(comment, &added));
        }
    }
    told("comments", total, workspaces, "");
}

/// The text of a block as its record shows it.
fn block_text(block: &Value) -> Value {
    let payload = &block[block["type"].as_str().unwrap()];
    if payload["rich_text"].is_array() {
        return plain_text(&payload["rich_text"]);
    }
    if let Some(cells) = payload["cells"].as_array() {
        let cells: Vec<String> =
            cells.iter().map(|cell| plain_text(cell).as_str().unwrap().to_owned()).collect();
        return json!(cells.join("\t"));
    }
    if payload["expression"].is_string() {
        return payload["expression"].clone();
    }
    let other = ["title", "caption"].map(|field| &payload[field]);
    other.into_iter().find(|text| text.is_array()).map_or(Value::Null, plain_text)
}

/// What the record of a block looks like that stands at this place directly in a page.
fn expected_block(mut block: Value, page: Uuid, sequence_number: usize) -> Value {
    let text = block_text(&block);
    block["parent"]["sequence_number"] = json!(sequence_number);
    let added = [("depth", json!(1)), ("plain_text", text), ("page_id", json!(page.to_string()))];
    with(block, &added)
}

fn is_left_out(block: &Value) -> bool {
    LEFT_OUT.contains(&block["type"].as_str().unwrap())
}

/// Fails unless exactly these blocks of a page came out, each unharmed and in this order.
fn assert_blocks(output: &SyncOutput, blocks: Vec<Value>, page: Uuid) {
    let kept: Vec<Value> = blocks.into_iter().filter(|block| !is_left_out(block)).collect();
    let ids: BTreeSet<String> = kept.iter().map(|block| block["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(output.ids("blocks"), ids);
    for (sequence_number, block) in kept.into_iter().enumerate() {
        assert_record(output, "blocks", &expected_block(block, page, sequence_number));
    }
}

#[test]
fn blocks_come_out_unharmed() {
    let Some(objects) = recorded("blocks") else { return };
    let total = objects.len();
    let left_out = objects.iter().filter(|(_version, block)| is_left_out(block)).count();
    let blocks = objects.into_iter().map(|(_version, block)| block);
    // No listing shows what is in the trash; those were recorded as answers about one block.
    let (trashed, live): (Vec<Value>, Vec<Value>) =
        blocks.partition(|block| block["in_trash"] == true || block["archived"] == true);
    let mut served = 0;
    let mut workspaces = 0;
    for blocks in rounds(live) {
        let mut workspace = Workspace::new();
        let page = workspace.add_top_page("Recorded");
        for block in &blocks {
            workspace.append_raw_block(page, block.clone());
        }
        let output = Connector::new(&FakeNotion::start_blocking(workspace)).streams(&["blocks"]).read();
        output.assert_complete();
        (served, workspaces) = (served + blocks.len(), workspaces + 1);
        assert_blocks(&output, blocks, page);
    }
    // They are served all the same, in a listing made by hand.
    for blocks in rounds(trashed) {
        let mut workspace = Workspace::new();
        let page = workspace.add_top_page("Recorded");
        let notion = FakeNotion::start_blocking(workspace);
        let list = json!({"object": "list", "type": "block", "block": {}, "has_more": false,
            "next_cursor": null, "results": blocks});
        notion.fail(Route::BlockChildren(Some(page)), Fault::json(list.to_string()));
        let output = Connector::new(&notion).streams(&["blocks"]).read();
        output.assert_complete();
        (served, workspaces) = (served + blocks.len(), workspaces + 1);
        assert_blocks(&output, blocks, page);
    }
    assert_eq!(served, total);
    let rest = format!("; {left_out} of them are of the types that are left out");
    told("blocks", total - left_out, workspaces, &rest);
}

/// A block of every recorded type stands below another one of it, where the type may have children.
#[test]
fn recorded_blocks_come_out_of_any_depth() {
    let Some(objects) = recorded("blocks") else { return };
    let mut by_type: BTreeMap<String, Value> = BTreeMap::new();
    for (_version, block) in objects {
        let is_plain = block["in_trash"] != true && !is_left_out(&block) && block["type"] != "synced_block";
        if is_plain && block["type"] != "unsupported" {
            by_type.insert(block["type"].as_str().unwrap().to_owned(), block);
        }
    }
    // GIVEN a chain of blocks, each the only child of the one before.
    let mut workspace = Workspace::new();
    let page = workspace.add_top_page("Recorded");
    let mut parent = page;
    let mut chain = Vec::new();
    for block in by_type.into_values().take(29) {
        let block = with(block, &[("has_children", json!(true))]);
        parent = workspace.append_raw_block(parent, block.clone());
        chain.push(block);
    }
    // WHEN
    let output = Connector::new(&FakeNotion::start_blocking(workspace)).streams(&["blocks"]).read();
    // THEN
    output.assert_complete();
    assert_eq!(output.records("blocks").len(), chain.len());
    for (index, block) in chain.into_iter().enumerate() {
        let expected = with(expected_block(block, page, 0), &[("depth", json!(index + 1))]);
        assert_record(&output, "blocks", &expected);
    }
}

/// Databases are no records, but which data sources a recorded one has is found out all the same.
#[test]
fn data_sources_of_recorded_databases_are_found() {
    let (Some(databases), Some(sources)) = (recorded("databases"), recorded("data_sources")) else { return };
    let sources: HashMap<String, Value> = sources
        .into_iter()
        .map(|(_version, source)| (source["id"].as_str().unwrap().to_owned(), source))
        .collect();
    let mut found = 0;
    for (_version, database) in databases {
        let names = database["data_sources"].as_array().cloned().unwrap_or_default();
        let known: Vec<&Value> =
            names.iter().filter_map(|name| sources.get(name["id"].as_str().unwrap())).collect();
        let mut workspace = Workspace::new();
        let page = workspace.add_top_page("Recorded");
        let placed = Placement { parent: Some(page), position: None };
        let database = workspace.put_object_at(database, placed);
        for source in &known {
            let id = workspace
                .put_object_at((*source).clone(), Placement { parent: Some(database), position: None });
            workspace.hide_from_search(id);
        }
        let output = Connector::new(&FakeNotion::start_blocking(workspace))
            .streams(&["data_sources", "blocks"])
            .read();
        output.assert_complete();
        let expected: BTreeSet<String> =
            known.iter().map(|source| source["id"].as_str().unwrap().to_owned()).collect();
        assert_eq!(output.ids("data_sources"), expected);
        found += expected.len();
    }
    assert!(found > 0, "no recorded database has a recorded data source");
}
