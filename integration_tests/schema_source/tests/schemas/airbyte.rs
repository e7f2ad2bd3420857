//! The fields that Airbyte's own connector declares, with the same primary types.

use serde_json::Value;

use super::schema_of;

const RICH_TEXT: &str = "type:string text:object text.content:string text.link:object text.link.type:string
    text.link.url:string mention:object mention.type:string mention.info:object mention.info.id:string
    mention.info.object:string equation:object equation.expression:string annotations:object
    annotations.bold:boolean annotations.italic:boolean annotations.strikethrough:boolean
    annotations.underline:boolean annotations.code:boolean annotations.color:string plain_text:string
    href:string";

const USER: &str = "object:string id:string name:string avatar_url:string type:string person:object
    person.email:string bot:object bot.owner:object bot.owner.type:string bot.owner.info:object
    bot.owner.workspace:boolean bot.workspace_name:string";

const OWNER: &str = "avatar_url:string id:string name:string object:string person:object person.email:string
    person.type:string";

const FILE: &str = "type:string caption:array external:object external.url:string file:object file.url:string
    file.expiry_time:string";

const PARENT: &str = "type:string block_id:string database_id:string page_id:string workspace:boolean";

const OPTION: &str = "id:string name:string color:string";

const DATE: &str = "start:string end:string time_zone:string";

const OBJECT: &str = "object:string id:string created_time:string last_edited_time:string archived:boolean";

#[test]
fn users_declare_what_airbyte_declares() {
    let schema = schema_of("users");
    assert_declares(&schema, &[""], USER);
    assert_declares(&schema, &["bot.owner.info"], OWNER);
}

#[test]
fn data_sources_declare_what_airbyte_declares() {
    let schema = schema_of("data_sources");
    assert_declares(&schema, &[""], OBJECT);
    assert_declares(
        &schema,
        &[""],
        "title:array description:array icon:object cover:object parent:object database_parent:object url:string
        is_inline:boolean public_url:string properties:array properties[].name:string properties[].value:object",
    );
    assert_declares(&schema, &["title[]", "description[]"], RICH_TEXT);
    assert_declares(&schema, &["created_by", "last_edited_by"], USER);
    assert_declares(&schema, &["icon", "cover"], FILE);
    assert_declares(&schema, &["icon"], "emoji:string");
    assert_declares(&schema, &["parent"], PARENT);
    assert_declares(
        &schema,
        &["properties[].value"],
        "id:string type:string name:string checkbox:object created_by:object created_time:object date:object
        email:object files:object expression:string format:string options:array phone_number:object
        database_id:string synced_property_name:string synced_property_id:string rich_text:object
        relation_property_name:string relation_property_id:string rollup_property_name:string
        rollup_property_id:string function:string status:object status.options:array status.groups:array
        status.groups[].option_ids:array title:object url:object",
    );
    let options =
        ["options[]", "status.options[]", "status.groups[]"].map(|path| format!("properties[].value.{path}"));
    assert_declares(&schema, &options.each_ref().map(String::as_str), OPTION);
}

#[test]
fn pages_declare_what_airbyte_declares() {
    let schema = schema_of("pages");
    assert_declares(&schema, &[""], OBJECT);
    assert_declares(
        &schema,
        &[""],
        "created_by:object last_edited_by:object in_trash:boolean icon:object cover:object parent:object
        url:string public_url:string properties:array properties[].name:string properties[].value:object",
    );
    assert_declares(&schema, &["created_by", "last_edited_by"], USER);
    assert_declares(&schema, &["icon", "cover"], FILE);
    assert_declares(&schema, &["icon"], "emoji:string");
    assert_declares(&schema, &["parent"], PARENT);
    let value = &schema["properties"]["properties"]["items"]["properties"]["value"];
    assert_declares(
        value,
        &[""],
        "id:string type:string title:array rich_text:array select:object multi_select:array date:object
        formula:object formula.type:string formula.string:string formula.number:number formula.boolean:boolean
        formula.date:object relation:array relation[].id:string rollup:object rollup.type:string
        rollup.number:number rollup.date:object rollup.array:array rollup.array[].type:string people:array
        files:array files[].type:string files[].url:string files[].expiry_time:string files[].name:string
        url:string email:string created_time:string created_by:object last_edited_time:string
        last_edited_by:object status:object unique_id:object unique_id.number:number unique_id.prefix:string
        verification:object verification.state:string verification.verified_by:object verification.date:object",
    );
    assert_declares(value, &["title[]", "rich_text[]"], RICH_TEXT);
    assert_declares(value, &["select", "multi_select[]", "status"], OPTION);
    assert_declares(value, &["date", "formula.date", "rollup.date", "verification.date"], DATE);
    assert_declares(value, &["people[]", "created_by", "last_edited_by", "verification.verified_by"], USER);
}

#[test]
fn comments_declare_what_airbyte_declares() {
    let schema = schema_of("comments");
    assert_declares(
        &schema,
        &[""],
        "object:string id:string parent:object parent.type:string parent.page_id:string discussion_id:string
        created_time:string last_edited_time:string page_last_edited_time:string created_by:object
        rich_text:array",
    );
    assert_declares(&schema, &["created_by"], USER);
    assert_declares(&schema, &["rich_text[]"], RICH_TEXT);
}

#[test]
fn blocks_declare_what_airbyte_declares() {
    let schema = schema_of("blocks");
    assert_declares(&schema, &[""], OBJECT);
    assert_declares(&schema, &["parent"], PARENT);
    assert_declares(&schema, &["created_by", "last_edited_by"], USER);
    assert_declares(
        &schema,
        &[""],
        "parent:object parent.sequence_number:integer has_children:boolean type:string bookmark:object
        bookmark.url:string breadcrumb:object callout:object callout.icon:object callout.icon.emoji:string
        child_page:object child_page.title:string child_database:object child_database.title:string code:object
        code.language:string column:object column_list:object divider:object embed:object embed.url:string
        equation:object equation.expression:string link_preview:object link_preview.url:string
        link_to_page:object link_to_page.page_id:string link_to_page.type:string synced_block:object
        synced_block.synced_from:object synced_block.synced_from.type:string
        synced_block.synced_from.block_id:string table:object table.table_width:integer
        table.has_column_header:boolean table.has_row_header:boolean table_of_contents:object
        table_of_contents.color:string table_row:object table_row.cells:array table_row.cells[]:array
        template:object to_do.checked:boolean unsupported:object unsupported.block_type:string
        heading_1.is_toggleable:boolean heading_2.is_toggleable:boolean heading_3.is_toggleable:boolean",
    );
    let colored =
        ["bulleted_list_item", "callout", "heading_1", "heading_2", "heading_3", "numbered_list_item"];
    assert_declares(&schema, &colored, "rich_text:array color:string");
    assert_declares(&schema, &["paragraph", "quote", "to_do", "toggle"], "rich_text:array color:string");
    let parents = ["bulleted_list_item", "numbered_list_item", "paragraph", "quote", "synced_block", "to_do"];
    assert_declares(&schema, &parents, "children:array");
    assert_declares(&schema, &["toggle"], "children:array");
    assert_declares(&schema, &["callout.icon", "file", "image", "pdf", "video"], FILE);
    for (payloads, field) in [
        (&colored[..], "rich_text[]"),
        (&["paragraph", "quote", "to_do", "toggle", "code", "template"], "rich_text[]"),
        (&["bookmark", "code", "file", "image", "pdf", "video"], "caption[]"),
        (&["table_row"], "cells[][]"),
    ] {
        for payload in payloads {
            assert_declares(&schema, &[&format!("{payload}.{field}")], RICH_TEXT);
        }
    }
}

/// Asserts that under each of `paths` the schema declares `fields`, written as `path:type`.
fn assert_declares(schema: &Value, paths: &[&str], fields: &str) {
    for path in paths {
        let parent = at(schema, path).unwrap_or_else(|| panic!("{path} is not declared"));
        for field in fields.split_whitespace() {
            let (name, kind) = field.split_once(':').unwrap();
            let declared = at(parent, name).unwrap_or_else(|| panic!("{path}.{name} is not declared"));
            assert_eq!(declared["type"][1], kind, "{path}.{name}");
        }
    }
}

/// The schema of the field at a path such as `title[].text`.
fn at<'a>(schema: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').filter(|step| !step.is_empty()).try_fold(schema, |schema, step| {
        let name = step.trim_end_matches("[]");
        let depth = (step.len() - name.len()) / 2;
        let field = schema["properties"].get(name);
        (0..depth).fold(field, |schema, _| schema?.get("items"))
    })
}
