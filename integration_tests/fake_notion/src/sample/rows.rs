//! Two data sources with every type of property, and rows with values of all of them.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{rich_text, workspace::Workspace};

/// Adds every type of property to the schema of the tasks.
pub(super) fn add_properties(workspace: &mut Workspace, tasks: Uuid, projects: Uuid) {
    for kind in [
        "rich_text",
        "people",
        "files",
        "checkbox",
        "url",
        "email",
        "phone_number",
        "date",
        "created_time",
        "created_by",
        "last_edited_time",
        "last_edited_by",
        "button",
        "place",
        "verification",
    ] {
        workspace.add_schema_property(tasks, &name(kind), json!({"type": kind, kind: {}}));
    }
    let options = json!([option("One", "red"), option("Two", "blue")]);
    let groups = json!([{"id": "group-1", "name": "To-do", "color": "gray", "option_ids": ["one"]}]);
    let database = workspace.database_of(projects).map(|id| id.to_string());
    let relation = json!({
        "database_id": database,
        "data_source_id": projects.to_string(),
        "type": "dual_property",
        "dual_property": {"synced_property_id": "ab%3Ac", "synced_property_name": "Tasks"},
    });
    let rollup = json!({
        "rollup_property_name": "Name",
        "relation_property_name": "Relation",
        "rollup_property_id": "title",
        "relation_property_id": "re%3Al",
        "function": "show_original",
    });
    let schemas = [
        ("Number", json!({"type": "number", "number": {"format": "euro"}})),
        ("Select", json!({"type": "select", "select": {"options": options}})),
        ("Multi select", json!({"type": "multi_select", "multi_select": {"options": options}})),
        ("Status", json!({"type": "status", "status": {"options": options, "groups": groups}})),
        ("Relation", json!({"id": "re%3Al", "type": "relation", "relation": relation})),
        ("Rollup", json!({"type": "rollup", "rollup": rollup})),
        ("Formula", json!({"type": "formula", "formula": {"expression": "prop(\"Number\") * 2"}})),
        ("Unique id", json!({"type": "unique_id", "unique_id": {"prefix": "TASK"}})),
    ];
    for (name, schema) in schemas {
        workspace.add_schema_property(tasks, name, schema);
    }
}

/// Adds forty projects and eight tasks: plain, full, overlong, archived and trashed ones.
pub(super) fn add_rows(
    workspace: &mut Workspace,
    tasks: Uuid,
    projects: Uuid,
    people: &[Uuid],
    now: DateTime<Utc>,
) {
    let targets: Vec<Uuid> = (1..=40)
        .map(|number| {
            workspace.add_row(projects, &format!("Project {number}"), now - TimeDelta::hours(30 * number))
        })
        .collect();
    for number in 1..=4 {
        let row = workspace.add_row(tasks, &format!("Task {number}"), now - TimeDelta::days(10 + number));
        workspace.append_text(row, "paragraph", "What is to be done.");
    }
    let full = workspace.add_row(tasks, "Full task", now - TimeDelta::days(3));
    for (name, value) in values(workspace, people[0], targets[0]) {
        workspace.set_property_unstamped(full, &name, value);
    }
    let long = workspace.add_row(tasks, "Long task", now - TimeDelta::days(2));
    for (name, value) in long_values(people, &targets) {
        workspace.set_property_unstamped(long, name, value);
    }
    let archived = workspace.add_row(tasks, "Archived task", now - TimeDelta::days(20));
    workspace.archive(archived);
    workspace.touch(archived, now - TimeDelta::days(20));
    let trashed = workspace.add_row(tasks, "Trashed task", now - TimeDelta::days(21));
    workspace.trash(trashed);
}

fn values(workspace: &Workspace, person: Uuid, target: Uuid) -> Vec<(String, Value)> {
    let date = json!({"start": "2026-02-25T01:23:00.000+09:00", "end": null, "time_zone": null});
    let external =
        json!({"name": "link", "type": "external", "external": {"url": "https://example.com/file"}});
    let hosted = json!({"name": "notes.txt", "type": "file", "file": {
        "url": "https://files.example.com/notes.txt?X-Amz-Expires=3600",
        "expiry_time": "2026-01-01T00:00:00.000Z",
    }});
    let place =
        json!({"lat": 52.5, "lon": 13.4, "name": "Berlin", "address": "Berlin", "aws_place_id": null});
    let user = |id: Uuid| json!({"object": "user", "id": id.to_string()});
    let group = json!({"object": "group", "id": target.to_string(), "name": "A group"});
    let title = json!({"type": "title", "title": rich_text::plain("Project 1")});
    let verified = json!({"state": "verified", "verified_by": user(person), "date": date});
    let chosen = |name: &str, color: &str| json!({"id": name.to_lowercase(), "name": name, "color": color});
    let given = [
        ("rich_text", rich_text::plain("Some text")),
        ("people", json!([user(person), group])),
        ("files", json!([external, hosted])),
        ("checkbox", json!(true)),
        ("url", json!("https://example.com")),
        ("email", json!("task@example.com")),
        ("phone_number", json!("+49 30 000000")),
        ("date", date.clone()),
        ("created_by", user(workspace.own_bot())),
        ("place", place),
        ("verification", verified),
        ("number", json!(1.5)),
        ("select", chosen("One", "red")),
        ("multi_select", json!([chosen("One", "red"), chosen("Two", "blue")])),
        ("status", chosen("Two", "blue")),
        ("relation", json!([{"id": target.to_string()}])),
        ("rollup", json!({"type": "array", "array": [title], "function": "show_original"})),
        ("formula", json!({"type": "number", "number": 3})),
        ("unique_id", json!({"prefix": "TASK", "number": 5})),
    ];
    given.into_iter().map(|(kind, value)| (name(kind), json!({"type": kind, kind: value}))).collect()
}

/// A relation of thirty, thirty people, and a text with thirty mentions.
fn long_values(people: &[Uuid], targets: &[Uuid]) -> Vec<(&'static str, Value)> {
    let users: Vec<Value> =
        people.iter().take(30).map(|id| json!({"object": "user", "id": id.to_string()})).collect();
    let relations: Vec<Value> = targets.iter().take(30).map(|id| json!({"id": id.to_string()})).collect();
    let mentions: Vec<Value> =
        people.iter().take(30).map(|&id| rich_text::mention_user(id, "someone")).collect();
    let rollup = json!({"type": "number", "number": 30, "function": "count"});
    vec![
        ("Relation", json!({"type": "relation", "relation": relations})),
        ("People", json!({"type": "people", "people": users})),
        ("Rich text", json!({"type": "rich_text", "rich_text": mentions})),
        ("Rollup", json!({"type": "rollup", "rollup": rollup})),
        ("Formula", json!({"type": "formula", "formula": {"type": "unsupported", "unsupported": {}}})),
    ]
}

fn option(name: &str, color: &str) -> Value {
    json!({"id": name.to_lowercase(), "name": name, "color": color, "description": null})
}

/// The display name of the property of a type.
fn name(kind: &str) -> String {
    let mut name = kind.replace('_', " ");
    if let Some(first) = name.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    name
}
