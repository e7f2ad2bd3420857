//! What a person sees of the connector's messages: tables, in colour.

use std::{collections::HashMap, env, fmt::Write as _};

use serde_json::{Value, json};

/// So many pages are shown.
const SOME: usize = 4;

/// The records of a stream among the messages.
pub(crate) fn records<'a>(messages: &'a [Value], stream: &str) -> impl Iterator<Item = &'a Value> {
    messages
        .iter()
        .filter_map(|message| message.get("record"))
        .filter(move |record| text(record, "/stream") == stream)
        .filter_map(|record| record.get("data"))
}

/// A question and the command that answers it.
pub(crate) fn heading(story: &str, command: &str) -> String {
    format!("\n{}\n{}", coloured("1;34", story), coloured("32", &format!("$ {command}")))
}

/// The streams of a catalog, by how they can be read.
pub(crate) fn streams(messages: &[Value]) -> String {
    let streams = messages.iter().find_map(|message| message.pointer("/catalog/streams")?.as_array());
    let streams: Vec<&Value> = streams.into_iter().flatten().collect();
    let names = |is_wanted_incremental: bool| {
        let is_incremental = |stream: &Value| {
            let modes = stream.get("supported_sync_modes").and_then(Value::as_array);
            modes.is_some_and(|modes| modes.contains(&json!("incremental")))
        };
        let wanted = streams.iter().filter(|stream| is_incremental(stream) == is_wanted_incremental);
        wanted.map(|stream| text(stream, "/name")).collect::<Vec<_>>().join(", ")
    };
    format!("whole, or only what changed: {}\nalways whole: {}", names(true), names(false))
}

/// The pages that were edited last.
pub(crate) fn some_pages(messages: &[Value]) -> String {
    let mut pages: Vec<&Value> = records(messages, "pages").collect();
    pages.sort_by_key(|page| std::cmp::Reverse(text(page, "/last_edited_time")));
    let row = |page: &&Value| {
        let day = text(page, "/last_edited_time").split('T').next().unwrap_or_default();
        let parent = text(page, "/parent/type").trim_end_matches("_id").replace('_', " ");
        [text(page, "/title").to_owned(), day.to_owned(), parent]
    };
    let mut shown = table(["pages: title", "last edited", "stands in a"], pages.iter().take(SOME).map(row));
    let blocks = records(messages, "blocks").map(|block| text(block, "/plain_text"));
    let quote = blocks.filter(|text| text.ends_with('.')).max().unwrap_or_default();
    write!(
        shown,
        "\n… and {} more, with their blocks, such as: “{}”",
        pages.len().saturating_sub(SOME),
        short(quote)
    )
    .unwrap_or_default();
    shown
}

/// What a second read brought, by what happened.
pub(crate) fn what_came(first: &[Value], second: &[Value]) -> String {
    let known: HashMap<&str, &str> =
        records(first, "pages").map(|page| (text(page, "/id"), text(page, "/title"))).collect();
    let page = |page: &Value| {
        let (id, title) = (text(page, "/id"), text(page, "/title"));
        let day = text(page, "/last_edited_time").split('T').next().unwrap_or_default();
        let (what, title) = match known.get(id) {
            Some(before) if !text(page, "/_ab_cdc_deleted_at").is_empty() => {
                ("deleted", (*before).to_owned())
            }
            Some(before) => ("edited", format!("{before} → {title}")),
            None => ("shared late", format!("{title} (last edited {day})")),
        };
        ["page".to_owned(), what.to_owned(), title]
    };
    let rest = [("block", "blocks"), ("comment", "comments")].into_iter().flat_map(|(name, stream)| {
        records(second, stream)
            .filter(move |record| text(record, "/object") == name)
            .map(move |record| [name.to_owned(), "new".to_owned(), text(record, "/plain_text").to_owned()])
    });
    table(["came", "because it is", "what"], records(second, "pages").map(page).chain(rest))
}

/// A table of three columns; the last one may be long.
fn table(head: [&str; 3], rows: impl Iterator<Item = [String; 3]>) -> String {
    let rows: Vec<[String; 3]> = rows.map(|row| row.map(|cell| short(&cell))).collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain(head.get(column).map(|cell| cell.len())).max().unwrap_or(0)
    };
    let line = |[a, b, c]: [&str; 3]| format!("{a:<0$}  {b:<1$}  {c}", width(0), width(1));
    let rows = rows.iter().map(|[a, b, c]| line([a, b, c]));
    std::iter::once(coloured("2", &line(head))).chain(rows).collect::<Vec<_>>().join("\n")
}

/// At most so much as fits a line, without what could command a terminal.
fn short(text: &str) -> String {
    const MOST: usize = 52;
    let text: String = text.chars().filter(|character| !character.is_control()).collect();
    if text.chars().count() <= MOST { text } else { text.chars().take(MOST - 1).chain(['…']).collect() }
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The text in a colour, unless the person wants none.
fn coloured(colour: &str, text: &str) -> String {
    let is_plain = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
        || env::var_os("TERM").is_none_or(|term| term == "dumb");
    if is_plain { text.to_owned() } else { format!("\x1b[{colour}m{text}\x1b[0m") }
}
