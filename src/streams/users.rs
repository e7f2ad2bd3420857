//! Users: people and bots of the workspace (<https://developers.notion.com/reference/get-users>).

use super::{Capability, Context, Schema, Source, SourceStream, StreamSpec};
use crate::{
    client::ListRequest,
    record::{RawObject, decode_text},
};

/// The stream of users.
#[derive(Debug)]
pub(super) struct Users(StreamSpec);

impl Users {
    pub(super) fn new() -> Self {
        Self(StreamSpec {
            name: "users".into(),
            schema: Schema::new(
                include_str!("../../schemas/users.json"),
                include_str!("../../schemas/fields/users.json"),
            ),
            primary_key: "id".into(),
            cursor: None,
            capability: Capability::ReadUsers,
        })
    }
}

impl SourceStream for Users {
    fn spec(&self) -> &StreamSpec {
        &self.0
    }

    fn source(&self) -> Source {
        Source::Listing(ListRequest::get("/v1/users"))
    }

    /// A bot's `owner.<type>` becomes `owner.info`.
    fn transform(&self, user: &mut RawObject<'_>, _context: &Context<'_>) {
        let Some(mut bot) = user.object("bot").map(RawObject::into_owned) else { return };
        let Some(mut owner) = bot.object("owner").map(RawObject::into_owned) else { return };
        // One that has `info` already is the record that it should become.
        if owner.get("info").is_some() {
            return;
        }
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
        Users::new().transform(&mut user, &Context::default());
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
            r#"{"bot":{"owner":false}}"#,
            r#"{"bot":{"owner":{}}}"#,
            r#"{"bot":{"owner":{"type":"user","user":{},"info":{}}}}"#,
        ] {
            assert_eq!(transformed(user), user);
        }
    }
}
