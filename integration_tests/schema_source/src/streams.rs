//! The five streams.

use serde_json::Value;

use crate::{
    blocks::with_payloads,
    notation::{About, boolean, extended, integer, list, object, stream, text, timestamp},
    properties::{data_source_properties, page_properties},
    shapes::{bot, cover, hosted_file, icon, owner_info, parent, person, rich_text, user},
};

/// The schema of each stream, by name, in discover's order.
pub fn schemas() -> [(&'static str, Value); 5] {
    [
        ("users", users()),
        ("data_sources", data_sources()),
        ("pages", pages()),
        ("blocks", blocks()),
        ("comments", comments()),
    ]
}

fn users() -> Value {
    stream([
        ("object", text().about("Kind of object, always user.")),
        ("id", text().about("Identifier of the user.")),
        ("type", text().about("Kind of user: person, bot or agent.")),
        ("name", text().about("Name of the user, as shown in Notion.")),
        ("avatar_url", text().about("Address of the user's picture.")),
        ("person", person().about("What is known of a person; e-mail needs the capability to read it.")),
        (
            "bot",
            bot(owner_info().about("The user who owns the bot, or true when the workspace does."))
                .about("What is known of a bot; empty for the bots of others."),
        ),
    ])
}

fn data_sources() -> Value {
    stream([
        ("object", text().about("Kind of object, always data_source.")),
        ("id", text().about("Identifier of the data source.")),
        ("name", text().about("Title of the data source as plain text.")),
        ("title", rich_text().about("Title of the data source.")),
        ("description", rich_text().about("Description of the data source.")),
        ("parent", parent().about("The database that holds the data source.")),
        ("database_parent", parent().about("What holds the database of the data source.")),
        ("properties", data_source_properties().about("Properties that the data source gives its pages.")),
        ("is_inline", boolean().about("Whether the database is shown inside its page.")),
        ("icon", icon().about("Icon of the data source.")),
        ("cover", cover().about("Cover image of the data source.")),
        ("url", text().about("Address of the data source in Notion; it can change.")),
        ("public_url", text().about("Address where the data source is published, if it is.")),
        ("in_trash", boolean().about("Whether the data source is in the trash.")),
        ("archived", boolean().about("The same as in_trash, up to API version 2025-09-03.")),
        ("created_time", timestamp().about("When the data source was created, to the minute.")),
        (
            "last_edited_time",
            timestamp()
                .about("When the data source was last edited, to the minute; edits of rows do not count."),
        ),
        ("created_by", user().about("Who created the data source.")),
        ("last_edited_by", user().about("Who last edited the data source.")),
        (
            "database_type",
            text().about("What Notion uses the database for, as tasks or wiki, if for anything."),
        ),
        ("_ab_cdc_deleted_at", deleted_at()),
    ])
}

fn pages() -> Value {
    stream([
        ("object", text().about("Kind of object, always page.")),
        ("id", text().about("Identifier of the page.")),
        ("title", text().about("Title of the page as plain text.")),
        ("parent", parent().about("What holds the page: a data source, a page, a block or the workspace.")),
        ("properties", page_properties().about("Values of the page's properties, its title among them.")),
        ("icon", icon().about("Icon of the page.")),
        ("cover", cover().about("Cover image of the page.")),
        ("url", text().about("Address of the page in Notion; it can change.")),
        ("public_url", text().about("Address where the page is published, if it is.")),
        ("in_trash", boolean().about("Whether the page is in the trash.")),
        ("archived", boolean().about("The same as in_trash, up to API version 2025-09-03.")),
        ("is_archived", boolean().about("Whether the page was archived, which is not the trash.")),
        ("is_locked", boolean().about("Whether the page is locked against edits in Notion.")),
        ("created_time", timestamp().about("When the page was created, to the minute.")),
        ("last_edited_time", timestamp().about("When the page was last edited, to the minute.")),
        ("created_by", user().about("Who created the page.")),
        ("last_edited_by", user().about("Who last edited the page.")),
        ("_ab_cdc_deleted_at", deleted_at()),
    ])
}

fn blocks() -> Value {
    let position = integer().about("Position among the blocks of the same parent, from 0.");
    let common = stream([
        (
            "object",
            text().about("Kind of object, block; page for the marker of a page that has no blocks any more."),
        ),
        ("id", text().about("Identifier of the block.")),
        ("page_id", text().about("Identifier of the page that the block was read from.")),
        (
            "parent",
            extended(parent(), [("sequence_number", position)])
                .about("The page or block that directly holds the block."),
        ),
        (
            "depth",
            integer().about("How deep the block lies in its page; 1 is directly in the page, 0 a marker."),
        ),
        ("type", text().about("Type of the block; it names the field that holds the payload.")),
        ("plain_text", text().about("Text of the block without formatting.")),
        ("has_children", boolean().about("Whether the block holds other blocks.")),
        ("in_trash", boolean().about("Whether the block is in the trash.")),
        ("archived", boolean().about("The same as in_trash, up to API version 2025-09-03.")),
        ("created_time", timestamp().about("When the block was created, to the minute.")),
        ("last_edited_time", timestamp().about("When the block was last edited, to the minute.")),
        ("created_by", user().about("Who created the block.")),
        ("last_edited_by", user().about("Who last edited the block.")),
        ("page_last_edited_time", page_last_edited_time()),
        ("page_read_at", page_read_at()),
    ]);
    with_payloads(common)
}

fn comments() -> Value {
    let attachment = object([
        ("category", text().about("Kind of file: audio, image, pdf, productivity or video.")),
        ("file", hosted_file()),
    ]);
    stream([
        (
            "object",
            text().about(
                "Kind of object, comment; page for the marker of a page that has no comments any more.",
            ),
        ),
        ("id", text().about("Identifier of the comment.")),
        ("page_id", text().about("Identifier of the page that the comment was read from.")),
        ("parent", parent().about("The page or block that the comment is about.")),
        ("discussion_id", text().about("Identifier of the thread that the comment belongs to.")),
        ("rich_text", rich_text().about("Text of the comment.")),
        ("plain_text", text().about("Text of the comment without formatting.")),
        ("attachments", list(attachment).about("Files attached to the comment.")),
        (
            "display_name",
            object([("type", text().about("user, integration or custom.")), ("resolved_name", text())])
                .about("Name that the comment is shown under."),
        ),
        ("created_time", timestamp().about("When the comment was written, to the minute.")),
        ("last_edited_time", timestamp().about("When the comment was last edited, to the minute.")),
        ("created_by", user().about("Who wrote the comment.")),
        (
            "original_content_deleted",
            boolean().about("Whether the block that the comment is about was deleted."),
        ),
        (
            "has_pending_attachments",
            boolean().about("Whether files of the comment are still being uploaded."),
        ),
        ("page_last_edited_time", page_last_edited_time()),
        ("page_read_at", page_read_at()),
    ])
}

/// When an object was found to be gone; destinations delete or mark its row.
fn deleted_at() -> Value {
    timestamp().about("When the sync found it to be in the trash, deleted or no longer shared; else null.")
}

/// When the page around a record was read.
fn page_read_at() -> Value {
    timestamp()
        .about("When the page was read that it was found in; what is current has the latest of its page.")
}

/// The time of the page around a record.
fn page_last_edited_time() -> Value {
    timestamp()
        .about("When the page that it was found in was last edited, to the minute, as of that reading.")
}
