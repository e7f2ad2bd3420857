//! The shapes that many objects of the API share.

use serde_json::{Value, json};

use crate::notation::{
    About, boolean, extended, integer, list, number, object, open_object, text, timestamp,
};

/// Rich text: an array of formatted pieces.
pub(crate) fn rich_text() -> Value {
    list(object([
        ("type", text().about("Kind of piece: text, mention or equation.")),
        ("text", object([("content", text()), ("link", object([("type", text()), ("url", text())]))])),
        ("mention", mention()),
        ("equation", object([("expression", text().about("The formula in LaTeX."))])),
        (
            "annotations",
            object([
                ("bold", boolean()),
                ("italic", boolean()),
                ("strikethrough", boolean()),
                ("underline", boolean()),
                ("code", boolean()),
                ("color", text()),
            ]),
        ),
        ("plain_text", text().about("The piece's text without formatting.")),
        ("href", text().about("Target of a link or mention.")),
    ]))
}

/// A mention inside rich text, of every kind.
fn mention() -> Value {
    object([
        ("type", text().about("Names the field that holds the mention.")),
        ("user", user()),
        ("page", reference()),
        ("database", reference()),
        ("date", date()),
        ("link_preview", object([("url", text())])),
        (
            "link_mention",
            object([
                ("href", text()),
                ("title", text()),
                ("description", text()),
                ("link_author", text()),
                ("link_provider", text()),
                ("thumbnail_url", text()),
                ("icon_url", text()),
                ("iframe_url", text()),
                ("height", number()),
                ("padding", number()),
                ("padding_top", number()),
            ]),
        ),
        (
            "template_mention",
            object([
                ("type", text()),
                ("template_mention_date", text().about("today or now.")),
                ("template_mention_user", text().about("me.")),
            ]),
        ),
        ("custom_emoji", custom_emoji()),
        // Airbyte declares this one and never fills it.
        ("info", object([("id", text()), ("object", text())])),
    ])
}

/// An object of which only the identifier is given.
pub(crate) fn reference() -> Value {
    object([("id", text())])
}

/// A user of any kind, full or partial, a group, or a person of whom only the identifier may be known.
pub(crate) fn user() -> Value {
    // `info` is filled in the users stream alone; Airbyte declares it wherever a user is.
    extended(person_user(), [("bot", bot(open_object()))])
}

/// The fields of a user who is a person.
fn person_user() -> Value {
    object([
        ("object", text().about("user, or group.")),
        ("id", text()),
        ("name", text()),
        ("avatar_url", text()),
        ("type", text().about("person, bot or agent.")),
        ("person", person()),
    ])
}

/// What a user object says of a person.
pub(crate) fn person() -> Value {
    object([("email", text()), ("email_verified", boolean())])
}

/// What a user object says of a bot; `owner_info` is the schema of `owner.info`.
pub(crate) fn bot(owner_info: Value) -> Value {
    object([
        (
            "owner",
            object([
                ("type", text().about("user or workspace.")),
                ("info", owner_info),
                ("user", person_user()),
                ("workspace", boolean()),
            ]),
        ),
        ("workspace_id", text()),
        ("workspace_name", text()),
        ("workspace_limits", object([("max_file_upload_size_in_bytes", integer())])),
    ])
}

/// The owner of a bot where the connector moves it to `info`: the user, or `true` for the whole workspace.
pub(crate) fn owner_info() -> Value {
    // Airbyte declares `person.type` here.
    let mut info = extended(person_user(), [("person", extended(person(), [("type", text())]))]);
    info["type"] = json!(["null", "object", "boolean"]);
    info
}

/// The direct parent of an object, of any kind.
pub(crate) fn parent() -> Value {
    object([
        ("type", text().about("Names the field that holds the parent.")),
        ("workspace", boolean().about("True when the parent is the workspace itself.")),
        ("page_id", text()),
        ("block_id", text()),
        ("data_source_id", text()),
        ("database_id", text()),
        ("agent_id", text()),
    ])
}

/// An icon of any kind.
pub(crate) fn icon() -> Value {
    extended(
        cover(),
        [
            ("emoji", text()),
            ("custom_emoji", custom_emoji()),
            ("icon", object([("name", text()), ("color", text())]).about("One of Notion's own icons.")),
        ],
    )
}

/// A cover image.
pub(crate) fn cover() -> Value {
    // Airbyte declares a caption for icons and covers; the API sends none.
    extended(file(), [("caption", list(open_object()))])
}

/// A file, hosted by Notion or elsewhere.
pub(crate) fn file() -> Value {
    object([
        ("type", text().about("Names the field that holds the content.")),
        ("external", object([("url", text())]).about("A file hosted elsewhere.")),
        ("file", hosted_file().about("A file hosted by Notion.")),
    ])
}

/// Where a file hosted by Notion can be fetched.
pub(crate) fn hosted_file() -> Value {
    object([
        ("url", text().about("Signed address; it differs at each read and expires.")),
        ("expiry_time", timestamp()),
    ])
}

fn custom_emoji() -> Value {
    object([("id", text()), ("name", text()), ("url", text())])
}

/// A date or a range of dates; the ends have no format because they may be plain dates.
pub(crate) fn date() -> Value {
    object([
        ("start", text().about("Date, or date and time.")),
        ("end", text().about("Date, or date and time.")),
        ("time_zone", text()),
    ])
}

/// An option of a select, multi-select or status property.
pub(crate) fn select_option() -> Value {
    object([("id", text()), ("name", text()), ("color", text())])
}
