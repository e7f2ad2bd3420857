//! Every sentence that a failed read or check says to the user.

use super::{Failure, ReadError};
use crate::{
    client::{ApiError, ConnectStep, ListError, RequestError},
    protocol::FailureType,
};

/// The capability of an integration to read pages, blocks, databases and data sources.
pub(super) const READ_CONTENT: &str = "Read content";

/// Describes a failed attempt; `capability` is what the integration needs for the stream concerned.
pub(super) fn describe_api_error(error: &ApiError, capability: &str) -> Failure {
    let (failure_type, message) = match error {
        ApiError::Unauthorized { .. } => (
            FailureType::Config,
            "Notion refused the access token (401). It is wrong, expired or revoked: copy it again from the \
             integration's Secrets tab, or authorise again."
                .to_owned(),
        ),
        ApiError::Forbidden { .. } => (
            FailureType::Config,
            format!("Notion denied access (403): {}, or deselect the stream.", grant(capability)),
        ),
        ApiError::EdgeBlocked { status, ray } => (
            FailureType::Config,
            format!(
                "The network edge in front of Notion blocks these requests ({status}, cf-ray {ray}). Check the network's \
                 outgoing address, or ask Notion's support with that id."
            ),
        ),
        ApiError::Blocked { .. } => (
            FailureType::Config,
            "Notion has restricted the API access of this integration. Waiting does not help: ask Notion's support."
                .to_owned(),
        ),
        ApiError::NotFound { .. } => (
            FailureType::Config,
            "Notion does not find the object (404). Share it with the integration: ••• menu, Add connections.".to_owned(),
        ),
        ApiError::Unavailable { status, .. } => (
            FailureType::Transient,
            format!("Notion is not available (status {status}) after many attempts. A later sync should succeed."),
        ),
        ApiError::RateLimited { .. } => {
            (FailureType::Transient, "Notion's rate limit is reached. A later sync should succeed.".to_owned())
        }
        ApiError::Connect { step, detail } => (FailureType::Transient, describe_connect_step(*step, detail)),
        ApiError::Timeout => (
            FailureType::Transient,
            "Notion did not answer in time, after many attempts. A later sync should succeed.".to_owned(),
        ),
        ApiError::CutOff { .. } => (
            FailureType::Transient,
            "The connection to Notion broke off again and again. A later sync should succeed.".to_owned(),
        ),
        ApiError::NotJson { .. } => (
            FailureType::Transient,
            "Something that is not Notion's API answered, such as a proxy's page. Check the network; a later sync may \
             succeed."
                .to_owned(),
        ),
        ApiError::RefreshFailed { .. } => (
            FailureType::Transient,
            format!("The access token has expired, and {error}. A later sync should succeed."),
        ),
        ApiError::Environment { variable, problem } => (
            FailureType::Config,
            format!("The environment variable {variable} cannot be used: {problem}. Correct it, or take it out."),
        ),
        ApiError::Stopped => (FailureType::Transient, "The sync was given up.".to_owned()),
        ApiError::Unexpected { status } => (
            FailureType::Config,
            format!(
                "Got status {status}, which Notion's API never sends. A proxy seems to be in the way: check the network."
            ),
        ),
        ApiError::InvalidCursor | ApiError::Rejected { .. } => (
            FailureType::System,
            "Notion rejected a request of the connector. This is a bug: please report it with the log.".to_owned(),
        ),
        ApiError::UnknownShape { .. } | ApiError::OtherObject { .. } | ApiError::TooLarge { .. } => (
            FailureType::System,
            "Notion sent an answer that the connector cannot read. This is a bug: please report it with the log."
                .to_owned(),
        ),
    };
    Failure { failure_type, message, internal: Some(error.to_string()) }
}

fn describe_connect_step(step: ConnectStep, detail: &str) -> String {
    let (what, advice) = match step {
        ConnectStep::NameResolution => (
            "the host name of Notion's API cannot be resolved",
            "Check the network's DNS; if this network needs a proxy, name it in HTTPS_PROXY.",
        ),
        ConnectStep::Proxy => (
            "the proxy does not let it through",
            "Check the address and the credentials in HTTPS_PROXY, and whether the proxy allows api.notion.com.",
        ),
        ConnectStep::Tls => (
            "TLS failed",
            "If a proxy or firewall inspects the traffic, add its certificate authority to the system's store, or \
             name a file with it in SSL_CERT_FILE.",
        ),
        ConnectStep::Network => (
            "the network does not reach Notion's API",
            "Check that the network and its firewall allow https to api.notion.com; if a proxy is needed, name it \
             in HTTPS_PROXY.",
        ),
    };
    format!("No connection to Notion: {what} ({detail}). {advice}")
}

/// Describes why a check failed; no stream is concerned.
pub fn describe_check_error(error: &ListError) -> Failure {
    let failure = describe_list_error(error, READ_CONTENT);
    let message = match error.api_error() {
        Some(ApiError::Forbidden { .. }) => format!("Notion denied access (403): {}.", grant(READ_CONTENT)),
        Some(ApiError::Unavailable { status, .. }) => {
            format!("Notion is not available now (status {status}). Try again in a few minutes.")
        }
        Some(ApiError::Timeout) => "Notion did not answer in time. Try again in a few minutes.".to_owned(),
        Some(ApiError::CutOff { .. }) => {
            "The connection to Notion broke off. Try again in a few minutes.".to_owned()
        }
        _other => return failure,
    };
    Failure { message, ..failure }
}

/// How to give the integration what it lacks.
fn grant(capability: &str) -> String {
    format!(
        "the integration lacks the capability \"{capability}\". Grant it in the integration's settings under \
         Capabilities (for OAuth authorise again)"
    )
}

/// Describes a failed request.
pub(super) fn describe_request_error(error: &RequestError, capability: &str) -> Failure {
    Failure {
        internal: Some(error.to_string()),
        ..describe_api_error(&error.source, capability_for(&error.path, capability))
    }
}

/// The capability that a request needs: a stream's own one, except where it reads what others read too.
fn capability_for<'a>(path: &str, of_stream: &'a str) -> &'a str {
    let is_own = ["/v1/users", "/v1/comments"].iter().any(|own| path.starts_with(own));
    if is_own { of_stream } else { READ_CONTENT }
}

/// Describes a failed listing.
pub fn describe_list_error(error: &ListError, capability: &str) -> Failure {
    match error {
        ListError::Request(error) => describe_request_error(error, capability),
        ListError::Broken { .. }
        | ListError::BrokenOff { .. }
        | ListError::Refused { .. }
        | ListError::PositionLimit { .. } => Failure {
            failure_type: FailureType::Transient,
            message: "A listing of Notion broke off again and again, so it cannot be read to its end. A later sync \
                      should succeed."
                .to_owned(),
            internal: Some(error.to_string()),
        },
        ListError::Cut { .. } => Failure {
            failure_type: FailureType::System,
            message: "Notion cut a listing at its limit of results, so what lies beyond could not be read. Please report \
                      it with the log."
                .to_owned(),
            internal: Some(error.to_string()),
        },
    }
}

/// Describes why a stream is not complete.
pub fn describe_read_error(error: &ReadError, capability: &str) -> Failure {
    match error {
        ReadError::List(error) => describe_list_error(error, capability),
        ReadError::Request(error) => describe_request_error(error, capability),
        ReadError::SearchGap { newest, oldest } => Failure::new(
            FailureType::Config,
            format!(
                "Notion's search shows at most its result limit from either end; pages edited between {oldest} and \
                 {newest} that are in no database could not be listed. Split the workspace over several integrations, \
                 or set a later start date."
            ),
        ),
        ReadError::TooManyRowsInMinute { data_source, minute } => Failure::new(
            FailureType::Config,
            format!(
                "The data source {data_source} has more rows created in the minute {minute} than Notion lists in one \
                 query; some of them could not be read. Split the data source."
            ),
        ),
        ReadError::WrongObject { .. } => Failure {
            failure_type: FailureType::Transient,
            message: "Something that is not Notion's API answered, such as a proxy's page. Check the network; a later sync \
                      may succeed."
                .to_owned(),
            internal: Some(error.to_string()),
        },
        ReadError::MostPagesMissing { missing, known } => Failure::new(
            FailureType::Config,
            format!(
                "About {missing} of the {known} pages that were synced before are not found any more, so nothing is \
                 deleted and nothing is read: the connection was probably removed from a page in Notion, or the token \
                 belongs to another workspace. Share the pages again (••• menu, Add connections); or, if they are gone \
                 for good, clear the stream's data to accept it."
            ),
        ),
        ReadError::TooManyFailures { count } => Failure::new(
            FailureType::Transient,
            format!(
                "{count} requests in a row failed although each was tried several times, so the sync was stopped. A later \
                 sync goes on from here."
            ),
        ),
        ReadError::NothingBelow { count } => Failure {
            failure_type: FailureType::Transient,
            message: format!(
                "Notion shows {count} pages, but answers \"not found\" for what belongs to each of them. A later sync may \
                 succeed; if it does not, check that the integration has the capability \"{capability}\"."
            ),
            internal: Some(error.to_string()),
        },
        ReadError::Interrupted => Failure::new(
            FailureType::Transient,
            "The sync was stopped from outside. A later sync goes on from here.",
        ),
        ReadError::Panic(detail) => Failure {
            failure_type: FailureType::System,
            message:
                "An unexpected error inside the connector. This is a bug: please report it with the log."
                    .to_owned(),
            internal: Some(detail.clone()),
        },
        ReadError::Output(_) => Failure::new(FailureType::System, "The output was closed."),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        client::{ConnectStep, Method},
        error::Error,
    };

    fn read(error: &ReadError) -> (FailureType, String) {
        let failure = describe_read_error(error, "Read content");
        (failure.failure_type, failure.message)
    }

    fn failed_with(source: ApiError) -> ListError {
        let path = "/v1/search".into();
        RequestError {
            method: Method::Post,
            host: "api.notion.com".into(),
            path,
            attempts: 1,
            elapsed: Duration::ZERO,
            request_id: None,
            source,
        }
        .into()
    }

    #[test]
    fn what_ends_a_stream_is_told_word_for_word() {
        let minute = "2026-01-02T03:04:00Z".parse().unwrap();
        let cases = [
            (
                ReadError::SearchGap { newest: minute, oldest: minute },
                FailureType::Config,
                "Notion's search shows at most its result limit from either end; pages edited between 2026-01-02 \
                 03:04:00 UTC and 2026-01-02 03:04:00 UTC that are in no database could not be listed. Split the \
                 workspace over several integrations, or set a later start date.",
            ),
            (
                ReadError::TooManyRowsInMinute { data_source: uuid::Uuid::nil(), minute },
                FailureType::Config,
                "The data source 00000000-0000-0000-0000-000000000000 has more rows created in the minute 2026-01-02 \
                 03:04:00 UTC than Notion lists in one query; some of them could not be read. Split the data source.",
            ),
            (
                ReadError::TooManyFailures { count: 16 },
                FailureType::Transient,
                "16 requests in a row failed although each was tried several times, so the sync was stopped. A later \
                 sync goes on from here.",
            ),
            (
                ReadError::Interrupted,
                FailureType::Transient,
                "The sync was stopped from outside. A later sync goes on from here.",
            ),
            (
                ReadError::Panic("detail".to_owned()),
                FailureType::System,
                "An unexpected error inside the connector. This is a bug: please report it with the log.",
            ),
            (
                ReadError::List(failed_with(ApiError::RateLimited { status: 429, retry_after: None })),
                FailureType::Transient,
                "Notion's rate limit is reached. A later sync should succeed.",
            ),
        ];
        for (error, failure_type, message) in cases {
            assert_eq!(read(&error), (failure_type, message.to_owned()));
        }
    }

    #[test]
    fn what_ends_a_check_is_told_word_for_word() {
        let cases = [
            (ApiError::Timeout, "Notion did not answer in time. Try again in a few minutes."),
            (
                ApiError::CutOff { detail: "reset".to_owned() },
                "The connection to Notion broke off. Try again in a few minutes.",
            ),
        ];
        for (error, message) in cases {
            assert_eq!(describe_check_error(&failed_with(error)).message, message);
        }
    }

    #[test]
    fn a_client_that_cannot_be_set_up_is_told_word_for_word() {
        let error =
            Error::Client(ApiError::Connect { step: ConnectStep::Tls, detail: "no roots".to_owned() });
        assert_eq!(
            error.to_failure().message,
            "The HTTP client cannot be set up: no connection: no roots. Check the system's TLS configuration."
        );
    }
}
