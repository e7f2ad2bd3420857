//! Takes secrets out of what is told to a person.

use std::borrow::Cow;

use secrecy::{ExposeSecret, SecretString};

use super::{AirbyteMessage, ConnectionStatus, ErrorTrace};

/// The message with each secret taken out of its texts. CONTROL stays: a new token pair is what it is for.
pub(super) fn without_secrets<'m>(
    secrets: &[SecretString],
    message: &'m AirbyteMessage,
) -> Cow<'m, AirbyteMessage> {
    let shown = |text: &String| {
        secrets.iter().fold(text.clone(), |text, secret| text.replace(secret.expose_secret(), "[…]"))
    };
    Cow::Owned(match message {
        AirbyteMessage::Log(level, text) => AirbyteMessage::Log(*level, shown(text)),
        AirbyteMessage::Error(error) => AirbyteMessage::Error(ErrorTrace {
            message: shown(&error.message),
            internal_message: error.internal_message.as_ref().map(shown),
            ..error.clone()
        }),
        AirbyteMessage::ConnectionStatus(status) => AirbyteMessage::ConnectionStatus(match status {
            ConnectionStatus::Succeeded(text) => ConnectionStatus::Succeeded(shown(text)),
            ConnectionStatus::Failed(text) => ConnectionStatus::Failed(shown(text)),
        }),
        AirbyteMessage::Spec(_)
        | AirbyteMessage::Catalog(_)
        | AirbyteMessage::StreamStatus(..)
        | AirbyteMessage::Estimate(_)
        | AirbyteMessage::Control(_) => return Cow::Borrowed(message),
    })
}
