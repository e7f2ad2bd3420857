//! The properties of pages (values) and of data sources (definitions), as arrays of `{name, value}`.

use serde_json::Value;

use crate::{
    notation::{About, boolean, extended, list, number, object, open_object, text, timestamp},
    shapes::{date, file, reference, rich_text, select_option, user},
};

/// The properties of a page.
pub(crate) fn page_properties() -> Value {
    let rollup_of_rollup = rollup(list(object([("type", text())])));
    named_values(value(rollup(list(value(rollup_of_rollup)))))
}

/// The properties of a data source.
pub(crate) fn data_source_properties() -> Value {
    named_values(definition())
}

fn named_values(value: Value) -> Value {
    list(object([("name", text().about("Name of the property.")), ("value", value)]))
}

/// A property value of any type, side by side; `rollup` is given so that rollups of rollups come to an end.
fn value(rollup: Value) -> Value {
    object([
        ("id", text().about("Identifier of the property; it survives a rename.")),
        ("type", text().about("Names the field that holds the value.")),
        ("title", rich_text()),
        ("rich_text", rich_text()),
        ("number", number()),
        ("select", select_option()),
        ("multi_select", list(select_option())),
        ("status", select_option()),
        ("date", date()),
        ("people", list(user()).about("Users and groups.")),
        (
            "files",
            // Airbyte declares `url` and `expiry_time` one level too high; both are kept.
            list(extended(file(), [("name", text()), ("url", text()), ("expiry_time", text())])),
        ),
        ("checkbox", boolean()),
        ("url", text()),
        ("email", text()),
        ("phone_number", text()),
        (
            "formula",
            object([
                ("type", text().about("Names the field that holds the result.")),
                ("string", text()),
                ("number", number()),
                ("boolean", boolean()),
                ("date", date()),
                ("unsupported", open_object().about("Present when the API cannot compute the result.")),
            ]),
        ),
        ("relation", list(reference()).about("The related pages.")),
        ("has_more", boolean().about("Whether a relation holds more pages than are given here.")),
        ("rollup", rollup),
        ("created_time", timestamp()),
        ("last_edited_time", timestamp()),
        ("created_by", user()),
        ("last_edited_by", user()),
        ("unique_id", object([("prefix", text()), ("number", number())])),
        (
            "verification",
            object([
                ("state", text().about("verified, expired or unverified.")),
                ("date", date().about("From when to when the verification holds.")),
                ("verified_by", user()),
            ]),
        ),
        ("button", open_object()),
        (
            "place",
            object([
                ("lat", number()),
                ("lon", number()),
                ("name", text()),
                ("address", text()),
                ("aws_place_id", text()),
                ("google_place_id", text()),
            ]),
        ),
    ])
}

fn rollup(array: Value) -> Value {
    object([
        ("type", text().about("Names the field that holds the result.")),
        ("function", text().about("How the related values are put together.")),
        ("number", number()),
        ("date", date()),
        ("array", array.about("The related values, each a property value.")),
        ("incomplete", open_object().about("Present when only a part of the values was computed.")),
        ("unsupported", open_object().about("Present when the API cannot compute the result.")),
    ])
}

/// A property of a data source's schema, of any type, side by side.
fn definition() -> Value {
    let common = object([
        ("id", text().about("Identifier of the property; it survives a rename.")),
        ("name", text()),
        ("description", text()),
        ("type", text().about("Names the field that holds the configuration.")),
    ]);
    let configured = extended(
        common,
        [
            ("number", object([("format", text())])),
            ("select", options()),
            ("multi_select", options()),
            ("status", extended(options(), [("groups", list(option_group()))])),
            (
                "relation",
                object([
                    ("database_id", text()),
                    ("data_source_id", text()),
                    ("type", text().about("single_property or dual_property.")),
                    ("single_property", open_object()),
                    ("dual_property", object(synced_property())),
                ]),
            ),
            ("rollup", object(rollup_definition())),
            ("formula", object([("expression", text())])),
            ("unique_id", object([("prefix", text())])),
        ],
    );
    extended(extended(configured, unconfigured()), flat_definition())
}

/// The property types whose configuration is `{}`.
fn unconfigured() -> [(&'static str, Value); 18] {
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
    .map(|kind| (kind, open_object()))
}

/// What Airbyte declares beside the type, as the first API versions had it; never filled now.
fn flat_definition() -> [(&'static str, Value); 11] {
    let [id, name] = synced_property();
    let [function, relation_name, relation_id, rollup_name, rollup_id] = rollup_definition();
    [
        ("expression", text()),
        ("format", text()),
        ("options", list(select_option())),
        ("database_id", text()),
        id,
        name,
        function,
        relation_name,
        relation_id,
        rollup_name,
        rollup_id,
    ]
}

fn synced_property() -> [(&'static str, Value); 2] {
    [("synced_property_id", text()), ("synced_property_name", text())]
}

fn rollup_definition() -> [(&'static str, Value); 5] {
    [
        ("function", text()),
        ("relation_property_name", text()),
        ("relation_property_id", text()),
        ("rollup_property_name", text()),
        ("rollup_property_id", text()),
    ]
}

fn options() -> Value {
    object([("options", list(extended(select_option(), [("description", text())])))])
}

fn option_group() -> Value {
    extended(select_option(), [("option_ids", list(text()))])
}
