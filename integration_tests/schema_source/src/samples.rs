//! Records as the connector emits them, one for each kind of thing that the API can return.
//!
//! They carry every field that the API documents for their kind, and hold nobody's data.

use serde_json::{Value, json};

const ID: &str = "11111111-1111-4111-8111-111111111111";
const TIME: &str = "2026-06-27T16:47:00.000Z";

/// The sample records of all streams, each with the name of its stream.
pub fn records() -> Vec<(&'static str, Value)> {
    let of =
        |stream: &'static str, records: Vec<Value>| records.into_iter().map(move |record| (stream, record));
    of("users", users())
        .chain(of("data_sources", data_sources()))
        .chain(of("pages", pages()))
        .chain(of("blocks", blocks()))
        .chain(of("comments", comments()))
        .collect()
}

fn users() -> Vec<Value> {
    let mut users = people();
    users.push(own_bot(&json!({"type": "workspace", "info": true})));
    users.push(own_bot(&json!({"type": "user", "info": person()})));
    users
}

fn data_sources() -> Vec<Value> {
    let data_source = json!({
        "object": "data_source", "id": ID, "name": "Tasks", "title": rich_text(), "description": rich_text(),
        "properties": [], "parent": {"type": "database_id", "database_id": ID},
        "database_parent": {"type": "workspace", "workspace": true}, "is_inline": false, "in_trash": false,
        "archived": false, "created_time": TIME, "last_edited_time": TIME, "created_by": partial_user(),
        "last_edited_by": partial_user(), "icon": null, "cover": null, "url": "https://app.notion.com/p/1",
        "public_url": null, "database_type": "tasks", "_ab_cdc_deleted_at": null,
    });
    let properties = definitions().into_iter().map(|value| json!([{"name": "Property", "value": value}]));
    let mut records = with_each(&data_source, "properties", properties.collect());
    records.extend(with_each(&data_source, "parent", parents()));
    records.extend(with_each(&data_source, "database_parent", parents()));
    records.extend(with_each(&data_source, "icon", icons()));
    records.extend(with_each(&data_source, "cover", covers()));
    records.push(json!({"object": "data_source", "id": ID, "properties": []}));
    records
}

fn pages() -> Vec<Value> {
    let page = json!({
        "object": "page", "id": ID, "title": "Plan", "properties": [], "in_trash": false, "archived": false,
        "is_archived": false, "is_locked": false, "created_time": TIME, "last_edited_time": TIME,
        "created_by": partial_user(), "last_edited_by": partial_user(), "icon": null, "cover": null,
        "parent": {"type": "workspace", "workspace": true}, "url": "https://app.notion.com/p/1",
        "public_url": "https://example.notion.site/1", "_ab_cdc_deleted_at": TIME,
    });
    let values = property_values().into_iter().chain(rollups()).map(|mut value| {
        value["id"] = json!("%3FB%3AW");
        json!([{"name": "Property", "value": value}])
    });
    let mut records = with_each(&page, "properties", values.collect());
    records.extend(with_each(&page, "parent", parents()));
    records.extend(with_each(&page, "icon", icons()));
    records.extend(with_each(&page, "cover", covers()));
    records.push(json!({"object": "page", "id": ID}));
    records
}

fn blocks() -> Vec<Value> {
    let block = json!({
        "object": "block", "id": ID, "page_id": ID, "depth": 1, "plain_text": "text", "has_children": false,
        "parent": {"type": "page_id", "page_id": ID, "sequence_number": 0}, "in_trash": false,
        "archived": false, "created_time": TIME, "last_edited_time": TIME, "created_by": partial_user(),
        "last_edited_by": partial_user(), "page_last_edited_time": TIME, "page_read_at": TIME,
    });
    let mut records: Vec<Value> = block_payloads()
        .into_iter()
        .map(|(kind, payload)| {
            let mut record = block.clone();
            record["type"] = json!(kind);
            record[kind] = payload;
            record
        })
        .collect();
    records.extend(with_each(&block, "parent", parents()));
    records.push(json!({"object": "block", "id": ID}));
    records
}

fn comments() -> Vec<Value> {
    let attachments = ["audio", "image", "pdf", "productivity", "video"]
        .map(|category| json!({"category": category, "file": hosted_file()}));
    let comment = json!({
        "object": "comment", "id": ID, "page_id": ID, "discussion_id": ID, "created_time": TIME,
        "last_edited_time": TIME, "created_by": partial_user(), "rich_text": rich_text(), "plain_text": "text",
        "parent": {"type": "page_id", "page_id": ID}, "page_last_edited_time": TIME, "page_read_at": TIME,
        "original_content_deleted": true, "has_pending_attachments": false,
        "display_name": {"type": "integration", "resolved_name": "Bot"},
        "attachments": attachments,
    });
    let display_names =
        ["custom", "user", "integration"].map(|kind| json!({"type": kind, "resolved_name": null}));
    let mut records = with_each(&comment, "display_name", display_names.to_vec());
    records.extend(with_each(&comment, "parent", parents()));
    records.push(json!({"object": "comment", "id": ID}));
    records
}

/// Copies of `record`, each with another value of one field.
fn with_each(record: &Value, field: &str, values: Vec<Value>) -> Vec<Value> {
    let with = |value| {
        let mut copy = record.clone();
        copy[field] = value;
        copy
    };
    values.into_iter().map(with).collect()
}

/// The user objects that stand alike in the users stream and wherever else a user is.
fn people() -> Vec<Value> {
    vec![
        person(),
        json!({"object": "user", "id": ID, "type": "person", "name": null, "avatar_url": null, "person": {}}),
        json!({"object": "user", "id": ID, "type": "bot", "name": "Bot", "avatar_url": null, "bot": {}}),
        json!({"object": "user", "id": ID, "type": "agent", "name": "Agent", "avatar_url": null}),
        partial_user(),
    ]
}

/// People, bots with their owner as the API gives it, and groups.
fn users_and_groups() -> Vec<Value> {
    let mut users = people();
    users.push(own_bot(&json!({"type": "workspace", "workspace": true})));
    users.push(own_bot(&json!({"type": "user", "user": person()})));
    users.push(json!({"object": "group", "id": ID, "name": null}));
    users
}

fn person() -> Value {
    json!({
        "object": "user", "id": ID, "type": "person", "name": "Ada", "avatar_url": "https://example.com/a.png",
        "person": {"email": "ada@example.com", "email_verified": true},
    })
}

fn partial_user() -> Value {
    json!({"object": "user", "id": ID})
}

fn own_bot(owner: &Value) -> Value {
    json!({
        "object": "user", "id": ID, "type": "bot", "name": "Bot", "avatar_url": null,
        "bot": {
            "owner": owner, "workspace_id": ID, "workspace_name": null,
            "workspace_limits": {"max_file_upload_size_in_bytes": 5_242_880},
        },
    })
}

fn parents() -> Vec<Value> {
    vec![
        json!({"type": "workspace", "workspace": true}),
        json!({"type": "page_id", "page_id": ID}),
        json!({"type": "block_id", "block_id": ID}),
        json!({"type": "data_source_id", "data_source_id": ID, "database_id": ID}),
        json!({"type": "database_id", "database_id": ID}),
        json!({"type": "agent_id", "agent_id": ID}),
    ]
}

fn icons() -> Vec<Value> {
    let mut icons = covers();
    icons.push(json!({"type": "emoji", "emoji": "🎉"}));
    icons.push(json!({"type": "custom_emoji", "custom_emoji": custom_emoji()}));
    icons.push(json!({"type": "icon", "icon": {"name": "pizza", "color": "lightgray"}}));
    icons
}

fn covers() -> Vec<Value> {
    vec![
        Value::Null,
        json!({"type": "external", "external": {"url": "https://example.com/a.png"}}),
        own_file(),
    ]
}

fn own_file() -> Value {
    json!({"type": "file", "file": hosted_file()})
}

fn hosted_file() -> Value {
    json!({"url": "https://example.com/signed", "expiry_time": TIME})
}

fn custom_emoji() -> Value {
    json!({"id": ID, "name": "party", "url": "https://example.com/party.png"})
}

/// Rich text with a piece of every kind and a mention of every kind.
fn rich_text() -> Value {
    let piece = |kind: &str, content: Value| {
        let mut piece = json!({
            "type": kind, "plain_text": "text", "href": null,
            "annotations": {
                "bold": false, "italic": true, "strikethrough": false, "underline": false, "code": false,
                "color": "red_background",
            },
        });
        piece[kind] = content;
        piece
    };
    let mut pieces = vec![
        piece("text", json!({"content": "text", "link": null})),
        piece("text", json!({"content": "text", "link": {"url": "https://example.com"}})),
        piece("equation", json!({"expression": "E = mc^2"})),
    ];
    pieces.extend(mentions().into_iter().map(|mention| piece("mention", mention)));
    Value::Array(pieces)
}

fn mentions() -> Vec<Value> {
    let mut mentions = vec![
        json!({"type": "page", "page": {"id": ID}}),
        json!({"type": "database", "database": {"id": ID}}),
        json!({"type": "link_preview", "link_preview": {"url": "https://example.com"}}),
        json!({"type": "link_mention", "link_mention": {"href": "https://example.com"}}),
        json!({"type": "link_mention", "link_mention": {
            "href": "https://example.com", "title": "Title", "description": "Description", "link_author": "Ada",
            "link_provider": "Example", "thumbnail_url": "https://example.com/t.png",
            "icon_url": "https://example.com/i.png", "iframe_url": "https://example.com/f", "height": 300,
            "padding": 56.25, "padding_top": 0,
        }}),
        json!({"type": "template_mention", "template_mention": {
            "type": "template_mention_date", "template_mention_date": "today",
        }}),
        json!({"type": "template_mention", "template_mention": {
            "type": "template_mention_user", "template_mention_user": "me",
        }}),
        json!({"type": "custom_emoji", "custom_emoji": custom_emoji()}),
    ];
    mentions.extend(dates().into_iter().map(|date| json!({"type": "date", "date": date})));
    mentions.extend(users_and_groups().into_iter().map(|user| json!({"type": "user", "user": user})));
    mentions
}

fn dates() -> Vec<Value> {
    vec![
        json!({"start": "2026-06-27", "end": null, "time_zone": null}),
        json!({"start": "2026-06-27T10:00:00.000+02:00", "end": "2026-06-28T10:00:00.000+02:00", "time_zone": null}),
        json!({"start": "2026-06-27T10:00:00.000", "end": null, "time_zone": "Europe/Berlin"}),
    ]
}

/// An object whose `type` names the field that holds `content`.
fn typed(kind: &str, content: Value) -> Value {
    let mut value = json!({"type": kind});
    value[kind] = content;
    value
}

/// Property values of every type but rollups, as they stand in the array of a rollup.
fn property_values() -> Vec<Value> {
    let option = json!({"id": "a~b", "name": "Option", "color": "default"});
    let mut related = typed("relation", json!([{"id": ID}]));
    related["has_more"] = json!(true);
    let mut values = vec![
        typed("title", rich_text()),
        typed("rich_text", rich_text()),
        typed("number", json!(1)),
        typed("number", json!(-0.5)),
        typed("select", option.clone()),
        typed("status", option.clone()),
        typed("multi_select", json!([option])),
        typed("people", Value::Array(users_and_groups())),
        typed(
            "files",
            json!([
                {"name": "a.png", "type": "file", "file": hosted_file()},
                {"name": "b.png", "type": "external", "external": {"url": "https://example.com/b.png"}},
            ]),
        ),
        typed("checkbox", json!(true)),
        typed("url", json!("https://example.com")),
        typed("email", json!("ada@example.com")),
        typed("phone_number", json!("+49 30 1234567")),
        related,
        typed("created_time", json!(TIME)),
        typed("last_edited_time", json!(TIME)),
        typed("unique_id", json!({"prefix": "TASK", "number": 7})),
        typed("unique_id", json!({"prefix": null, "number": null})),
        typed("button", json!({})),
        typed("place", json!({"lat": 52.5, "lon": 13})),
        typed(
            "place",
            json!({
                "lat": 52.5, "lon": 13.4, "name": "Berlin", "address": "Alexanderplatz", "aws_place_id": "a",
                "google_place_id": "g",
            }),
        ),
    ];
    values.extend(dates().into_iter().map(|date| typed("date", date)));
    values.extend(formulas().into_iter().map(|formula| typed("formula", formula)));
    values.extend(verifications().into_iter().map(|verification| typed("verification", verification)));
    for user in users_and_groups() {
        values.push(typed("created_by", user.clone()));
        values.push(typed("last_edited_by", user));
    }
    values.extend(
        ["number", "select", "status", "date", "url", "email", "phone_number", "place", "verification"]
            .map(|kind| typed(kind, Value::Null)),
    );
    values.extend(
        ["title", "rich_text", "multi_select", "people", "files", "relation"]
            .map(|kind| typed(kind, json!([]))),
    );
    values
}

fn formulas() -> Vec<Value> {
    let mut formulas = vec![
        typed("string", json!("text")),
        typed("number", json!(1.5)),
        typed("boolean", json!(true)),
        typed("unsupported", json!({})),
    ];
    formulas.extend(["string", "number", "boolean", "date"].map(|kind| typed(kind, Value::Null)));
    formulas.extend(dates().into_iter().map(|date| typed("date", date)));
    formulas
}

fn verifications() -> Vec<Value> {
    vec![
        json!({"state": "unverified", "date": null, "verified_by": null}),
        json!({"state": "verified", "date": dates()[1], "verified_by": person()}),
        json!({"state": "expired", "date": dates()[0], "verified_by": partial_user()}),
    ]
}

fn rollups() -> Vec<Value> {
    let mut results = vec![
        typed("number", json!(42)),
        typed("number", Value::Null),
        typed("date", dates()[0].clone()),
        typed("date", Value::Null),
        typed("array", json!([])),
        typed("array", Value::Array(property_values())),
        typed("unsupported", json!({})),
        typed("incomplete", json!({})),
    ];
    let rollup = |mut result: Value| {
        result["function"] = json!("show_original");
        typed("rollup", result)
    };
    // A rollup of a rollup.
    let inner = rollup(typed("number", json!(1)));
    results.push(typed("array", json!([inner])));
    results.into_iter().map(rollup).collect()
}

/// The schema properties of every type that a data source can have.
fn definitions() -> Vec<Value> {
    let option = json!({"id": "a~b", "name": "Option", "color": "default", "description": null});
    let group = json!({"id": ID, "name": "To-do", "color": "gray", "option_ids": ["a~b"]});
    let relation = |kind: &str, content: Value| {
        let mut relation = typed(kind, content);
        relation["database_id"] = json!(ID);
        relation["data_source_id"] = json!(ID);
        typed("relation", relation)
    };
    let mut definitions = vec![
        typed("number", json!({"format": "number"})),
        typed("select", json!({"options": [option]})),
        typed("multi_select", json!({"options": [option]})),
        typed("status", json!({"options": [option], "groups": [group]})),
        relation("single_property", json!({})),
        relation("dual_property", json!({"synced_property_id": "a", "synced_property_name": "Back"})),
        typed(
            "rollup",
            json!({
                "function": "sum", "relation_property_name": "Tasks", "relation_property_id": "a",
                "rollup_property_name": "Hours", "rollup_property_id": "b",
            }),
        ),
        typed("formula", json!({"expression": "prop(\"Hours\") * 2"})),
        typed("unique_id", json!({"prefix": "TASK"})),
        typed("unique_id", json!({"prefix": null})),
    ];
    definitions.extend(
        [
            "title",
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
            "location",
            "last_visited_time",
        ]
        .map(|kind| typed(kind, json!({}))),
    );
    for (definition, description) in definitions.iter_mut().zip([Value::Null, json!("text")].iter().cycle()) {
        definition["id"] = json!("a~b");
        definition["name"] = json!("Property");
        definition["description"] = description.clone();
    }
    definitions
}

fn block_payloads() -> Vec<(&'static str, Value)> {
    let mut payloads = text_payloads();
    payloads.extend(file_payloads());
    payloads.extend([
        ("synced_block", json!({"synced_from": null})),
        ("synced_block", json!({"synced_from": {"type": "block_id", "block_id": ID}})),
        ("column_list", json!({})),
        ("column", json!({})),
        ("column", json!({"width_ratio": 0.5})),
        ("tab", json!({})),
        ("table", json!({"table_width": 2, "has_column_header": true, "has_row_header": false})),
        ("table_row", json!({"cells": [rich_text(), []]})),
        ("divider", json!({})),
        ("breadcrumb", json!({})),
        ("table_of_contents", json!({"color": "default"})),
        ("equation", json!({"expression": "E = mc^2"})),
        ("child_page", json!({"title": "Page"})),
        ("child_database", json!({"title": "Database"})),
        ("link_to_page", json!({"type": "page_id", "page_id": ID})),
        ("link_to_page", json!({"type": "database_id", "database_id": ID})),
        ("link_to_page", json!({"type": "comment_id", "comment_id": ID})),
        ("link_preview", json!({"url": "https://example.com"})),
        ("bookmark", json!({"url": "https://example.com", "caption": rich_text()})),
        ("embed", json!({"url": "https://example.com", "caption": rich_text()})),
        ("meeting_notes", meeting_notes()),
        ("meeting_notes", json!({})),
        ("transcription", meeting_notes()),
        ("transcription", json!({})),
        ("unsupported", json!({"block_type": "ai_block"})),
        ("unsupported", json!({})),
    ]);
    payloads
}

fn text_payloads() -> Vec<(&'static str, Value)> {
    let text = json!({"rich_text": rich_text(), "color": "default"});
    let heading = json!({"rich_text": rich_text(), "color": "default", "is_toggleable": false});
    let numbered = json!({
        "rich_text": rich_text(), "color": "default", "list_start_index": 3, "list_format": "roman",
    });
    let mut payloads = vec![
        ("heading_1", heading.clone()),
        ("heading_2", heading.clone()),
        ("heading_3", heading.clone()),
        ("heading_4", heading),
        ("bulleted_list_item", text.clone()),
        ("numbered_list_item", text.clone()),
        ("numbered_list_item", numbered),
        ("to_do", json!({"rich_text": rich_text(), "color": "default", "checked": true})),
        ("toggle", text.clone()),
        ("quote", text.clone()),
        ("code", json!({"rich_text": rich_text(), "caption": rich_text(), "language": "plain text"})),
        ("template", json!({"rich_text": rich_text()})),
    ];
    for kind in ["paragraph", "callout"] {
        payloads.extend(with_each(&text, "icon", icons()).into_iter().map(|payload| (kind, payload)));
    }
    payloads
}

fn file_payloads() -> Vec<(&'static str, Value)> {
    let external = json!({"type": "external", "external": {"url": "https://example.com/a"}});
    let mut payloads = Vec::new();
    for kind in ["image", "video", "pdf", "audio", "file"] {
        for mut payload in [own_file(), external.clone()] {
            payload["caption"] = rich_text();
            if kind == "file" {
                payload["name"] = json!("a.zip");
            }
            payloads.push((kind, payload));
        }
    }
    payloads
}

fn meeting_notes() -> Value {
    json!({
        "title": rich_text(), "status": "notes_ready",
        "children": {"summary_block_id": ID, "notes_block_id": ID, "transcript_block_id": ID},
        "calendar_event": {"start_time": TIME, "end_time": TIME, "attendees": [ID]},
        "recording": {"start_time": TIME, "end_time": TIME},
    })
}
