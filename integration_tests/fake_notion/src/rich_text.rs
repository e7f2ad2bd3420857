//! Builders for rich text, in the shapes that the API answers with.

use serde_json::{Value, json};
use uuid::Uuid;

/// A rich text array of one plain segment; empty for an empty text.
pub fn plain(text: &str) -> Value {
    if text.is_empty() { json!([]) } else { json!([segment(text)]) }
}

/// The JSON text of [`plain`].
pub(crate) fn plain_json(text: &str) -> String {
    if text.is_empty() {
        return "[]".to_owned();
    }
    let content = Value::from(text);
    let annotations = concat!(
        r#"{"bold":false,"italic":false,"strikethrough":false,"underline":false,"#,
        r#""code":false,"color":"default"}"#
    );
    format!(
        r#"[{{"type":"text","text":{{"content":{content},"link":null}},"annotations":{annotations},"plain_text":{content},"href":null}}]"#
    )
}

/// One plain text segment.
pub fn segment(text: &str) -> Value {
    json!({
        "type": "text",
        "text": {"content": text, "link": null},
        "annotations": annotations(),
        "plain_text": text,
        "href": null,
    })
}

/// One text segment with a link.
pub fn link(text: &str, url: &str) -> Value {
    json!({
        "type": "text",
        "text": {"content": text, "link": {"url": url}},
        "annotations": annotations(),
        "plain_text": text,
        "href": url,
    })
}

/// One inline equation.
pub fn equation(expression: &str) -> Value {
    json!({
        "type": "equation",
        "equation": {"expression": expression},
        "annotations": annotations(),
        "plain_text": expression,
        "href": null,
    })
}

/// One mention of any type: `mention` is the value below the key `mention`.
#[expect(clippy::needless_pass_by_value, reason = "callers write the mention with json! in place")]
pub fn mention(mention: Value, plain_text: &str, href: Option<&str>) -> Value {
    json!({
        "type": "mention",
        "mention": mention,
        "annotations": annotations(),
        "plain_text": plain_text,
        "href": href,
    })
}

/// One mention of the user with this id.
pub fn mention_user(user: Uuid, name: &str) -> Value {
    mention(
        json!({"type": "user", "user": {"object": "user", "id": user.to_string()}}),
        &format!("@{name}"),
        None,
    )
}

/// One mention of the page with this id.
pub fn mention_page(page: Uuid, title: &str) -> Value {
    let href = format!("https://app.notion.com/p/{}", page.simple());
    mention(json!({"type": "page", "page": {"id": page.to_string()}}), title, Some(&href))
}

/// The concatenated `plain_text` of a rich text array.
pub fn plain_text(rich_text: &Value) -> String {
    rich_text.as_array().into_iter().flatten().filter_map(|item| item["plain_text"].as_str()).collect()
}

fn annotations() -> Value {
    json!({
        "bold": false,
        "italic": false,
        "strikethrough": false,
        "underline": false,
        "code": false,
        "color": "default",
    })
}

#[cfg(test)]
mod tests {
    use super::{plain, plain_json};

    #[test]
    fn both_forms_of_plain_text_are_equal() {
        for text in ["", "a \"quoted\" text"] {
            assert_eq!(plain(text).to_string(), plain_json(text));
        }
    }
}
