//! Users: people and bots of the workspace (<https://developers.notion.com/reference/get-users>).

use super::{RawObject, Schema, Source, SourceStream, StreamSpec, record::decode_text};
use crate::{client::ListRequest, engine::StateForm};

/// The stream of users.
pub(super) struct Users;

static SPEC: StreamSpec = StreamSpec {
    name: "users",
    schema: Schema::new(
        include_str!("../../schemas/users.json"),
        include_str!("../../schemas/fields/users.json"),
    ),
    primary_key: "id",
    cursor_field: None,
    state_form: StateForm::Single,
    capability: "Read user information",
};

impl SourceStream for Users {
    fn spec(&self) -> &'static StreamSpec {
        &SPEC
    }

    fn source(&self) -> Source {
        Source::Listing(ListRequest::get("/v1/users"))
    }

    /// A bot's `owner.<type>` becomes `owner.info`.
    fn transform(&self, user: &mut RawObject<'_>) {
        let Some(mut bot) = user.object("bot").map(RawObject::into_owned) else { return };
        let Some(mut owner) = bot.object("owner").map(RawObject::into_owned) else { return };
        let Some(kind) = owner.get("type").and_then(decode_text).map(std::borrow::Cow::into_owned) else {
            return;
        };
        owner.rename(&kind, "info");
        bot.set("owner", owner.to_json());
        user.set("bot", bot.to_json());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transformed(user: &str) -> String {
        let mut user = RawObject::parse(user).unwrap();
        Users.transform(&mut user);
        user.to_json()
    }

    #[test]
    fn the_owner_of_a_bot_becomes_its_info() {
        assert_eq!(
            transformed(r#"{"id":"b","bot":{"owner":{"type":"workspace","workspace":true},"x":1}}"#),
            r#"{"id":"b","bot":{"owner":{"type":"workspace","info":true},"x":1}}"#
        );
        assert_eq!(
            transformed(r#"{"bot":{"owner":{"type":"user","user":{"id":"u"}}}}"#),
            r#"{"bot":{"owner":{"type":"user","info":{"id":"u"}}}}"#
        );
    }

    #[test]
    fn other_users_stay_as_they_are() {
        for user in [
            r#"{"id":"p","person":{}}"#,
            r#"{"bot":{}}"#,
            r#"{"bot":null}"#,
            r#"{"bot":{"owner":{"type":null}}}"#,
        ] {
            assert_eq!(transformed(user), user);
        }
    }
}
