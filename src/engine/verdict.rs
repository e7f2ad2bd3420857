//! What a failure means: the one table of what was asked and how it failed.

use super::job::Subject;
use crate::{
    client::{ApiError, ListError},
    error::ReadError,
    streams::Capability,
};

/// What follows from a failure.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    /// Every further request would fail alike: the run ends.
    EndRun,
    /// A 403: whether the capability is missing has to be asked first.
    AskCapability(Capability),
    /// The object is gone.
    Gone,
    /// The id is that of a database now.
    IsDatabase,
    /// Notion does not show one object, for good or for now: counted, and due again in the next run.
    Refused(String),
    /// A part of an object cannot be read, and never could: counted.
    Skipped(String),
    /// The object could not be read: its streams are incomplete, and it is due again in the next run.
    Failed,
    /// The stream ends here.
    StopStream,
}

/// How a refusal is to be read, as far as that was asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Access {
    /// Nobody has asked.
    Unknown,
    /// Other objects can be read, so a refusal is about one.
    Granted,
    /// Nothing can be read.
    Denied,
}

impl Subject {
    /// The capability that the request needs.
    pub(super) fn capability(&self, of_stream: impl Fn(usize) -> Capability) -> Capability {
        match self {
            Self::Listing { stream } | Self::PageListing { stream, .. } | Self::PageObject { stream, .. } => {
                of_stream(*stream)
            }
            Self::Probe { capability } => *capability,
            Self::Search { .. }
            | Self::Trash
            | Self::Rows { .. }
            | Self::Page { .. }
            | Self::DataSource { .. }
            | Self::Database { .. }
            | Self::Completion { .. }
            | Self::Children { .. }
            | Self::Original { .. } => Capability::ReadContent,
        }
    }
}

/// Decides what a failure means.
pub(super) fn verdict(
    subject: &Subject,
    error: &ReadError,
    capability: Capability,
    access: Access,
) -> Verdict {
    if error.ends_everything() {
        return Verdict::EndRun;
    }
    match refusal(error) {
        None => lasting(subject),
        // Nothing but a listing's own refusal shows that its capability is missing.
        Some(Refusal::Forbidden) if matches!(subject, Subject::Listing { .. } | Subject::Search { .. }) => {
            Verdict::StopStream
        }
        Some(Refusal::Forbidden) => match access {
            Access::Unknown => Verdict::AskCapability(capability),
            Access::Denied => Verdict::StopStream,
            Access::Granted => refused(subject, Refusal::Forbidden, error, capability),
        },
        Some(refusal) => refused(subject, refusal, error, capability),
    }
}

/// A 4xx that is about one object.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Refusal {
    Forbidden,
    NotFound,
    Rejected,
}

fn refusal(error: &ReadError) -> Option<Refusal> {
    // The listing had begun well, so the refusal of a later result page is a failure.
    if matches!(error, ReadError::List(ListError::Refused { .. })) {
        return None;
    }
    match error.api_error()? {
        ApiError::Forbidden { .. } => Some(Refusal::Forbidden),
        ApiError::NotFound { .. } => Some(Refusal::NotFound),
        ApiError::Rejected { .. } => Some(Refusal::Rejected),
        _ => None,
    }
}

/// Whether Notion says that the id is a database's
/// (`Provided ID … is a database, not a page.`, status 400).
fn says_database(error: &ReadError) -> bool {
    matches!(error.api_error(), Some(ApiError::Rejected { message, .. }) if message.contains("is a database"))
}

/// What of a page a capability is needed for, in the words of a report.
fn what_belongs(capability: Capability) -> &'static str {
    match capability {
        Capability::ReadComments => "comments",
        Capability::ReadContent | Capability::ReadUsers => "content",
    }
}

fn refused(subject: &Subject, refusal: Refusal, error: &ReadError, capability: Capability) -> Verdict {
    let for_now = |reason: &str| Verdict::Refused(reason.to_owned());
    let for_good = |reason: &str| Verdict::Skipped(reason.to_owned());
    match (subject, refusal) {
        (Subject::Listing { .. } | Subject::Search { .. } | Subject::Probe { .. }, _) => Verdict::StopStream,
        (Subject::Trash, _) => for_good("trash that Notion refuses to search"),
        (Subject::Rows { is_archived: true, .. }, Refusal::Rejected) => {
            for_good("archived rows of a data source that Notion refuses to list")
        }
        (Subject::Rows { .. }, Refusal::Rejected) => {
            for_good("rows of a data source that Notion refuses to list")
        }
        (Subject::Rows { .. }, _) => for_now("rows of a data source that is not found or not shared"),
        (Subject::Page { .. }, Refusal::Rejected) if says_database(error) => Verdict::IsDatabase,
        (Subject::Page { .. } | Subject::DataSource { .. }, Refusal::NotFound)
        | (Subject::Original { .. }, _) => Verdict::Gone,
        (Subject::Page { .. } | Subject::Completion { .. }, _) => for_now("page not found or not shared"),
        (Subject::DataSource { .. }, _) => for_now("data source not found or not shared"),
        (Subject::Database { .. }, _) => for_good("database that is a linked view, or not shared"),
        (Subject::Children { page, node, .. }, Refusal::Rejected) if page == node => {
            for_now("page that Notion refuses to list")
        }
        (Subject::Children { page, node, .. }, _) if page == node => for_now("page not found or not shared"),
        (Subject::Children { kind, .. }, Refusal::Rejected) => {
            Verdict::Skipped(format!("subtree of a {kind} block that Notion refuses to list"))
        }
        (Subject::Children { .. }, _) => for_good("subtree not found or not shared"),
        (Subject::PageListing { .. } | Subject::PageObject { .. }, Refusal::NotFound) => {
            for_now("page not found or not shared")
        }
        (Subject::PageListing { .. } | Subject::PageObject { .. }, Refusal::Forbidden) => {
            Verdict::Refused(format!("page whose {} Notion denies", what_belongs(capability)))
        }
        (Subject::PageListing { .. } | Subject::PageObject { .. }, Refusal::Rejected) => {
            Verdict::Refused(format!("page whose {} Notion refuses to list", what_belongs(capability)))
        }
    }
}

/// What a failure means that is not about one object: the network, Notion, or a bug.
fn lasting(subject: &Subject) -> Verdict {
    match subject {
        Subject::Listing { .. } => Verdict::StopStream,
        Subject::Trash => Verdict::Skipped("trash that could not be searched".to_owned()),
        Subject::Search { .. }
        | Subject::Rows { .. }
        | Subject::Page { .. }
        | Subject::DataSource { .. }
        | Subject::Database { .. }
        | Subject::Completion { .. }
        | Subject::Children { .. }
        | Subject::Original { .. }
        | Subject::PageListing { .. }
        | Subject::PageObject { .. }
        | Subject::Probe { .. } => Verdict::Failed,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use uuid::Uuid;

    use super::*;
    use crate::{
        client::{ConnectStep, Method, RequestError},
        workspace::ObjectKind,
    };

    fn failed(source: ApiError) -> ReadError {
        RequestError {
            method: Method::Get,
            host: "api.notion.com".into(),
            path: "/v1/x".into(),
            attempts: 1,
            elapsed: Duration::ZERO,
            request_id: None,
            source,
        }
        .into()
    }

    fn not_found() -> ReadError {
        failed(ApiError::NotFound { message: String::new() })
    }

    fn forbidden() -> ReadError {
        failed(ApiError::Forbidden { message: String::new() })
    }

    fn rejected(message: &str) -> ReadError {
        failed(ApiError::Rejected {
            status: 400,
            code: "validation_error".into(),
            message: message.to_owned(),
        })
    }

    fn unreachable() -> ReadError {
        failed(ApiError::Connect { step: ConnectStep::Network, detail: String::new() })
    }

    fn subjects() -> Vec<Subject> {
        let (id, other) = (Uuid::nil(), Uuid::max());
        let children = |node| Subject::Children { page: id, node, kind: "toggle".into(), has_begun: false };
        vec![
            Subject::Rows { data_source: id, is_archived: false },
            Subject::Page { id },
            Subject::DataSource { id },
            Subject::Database { id },
            Subject::Completion { id },
            children(id),
            children(other),
            Subject::Original { original: id, block: id },
            Subject::PageListing { stream: 0, page: id },
            Subject::PageObject { stream: 0, page: id },
        ]
    }

    fn of(subject: &Subject, error: &ReadError, access: Access) -> Verdict {
        verdict(subject, error, Capability::ReadContent, access)
    }

    #[test]
    fn what_is_about_the_token_ends_the_run_whatever_was_asked() {
        let error = failed(ApiError::Unauthorized { message: String::new() });
        for subject in subjects() {
            assert_eq!(of(&subject, &error, Access::Unknown), Verdict::EndRun, "{subject:?}");
        }
    }

    #[test]
    fn a_403_is_asked_about_before_it_means_anything() {
        for subject in subjects() {
            let ask = Verdict::AskCapability(Capability::ReadContent);
            assert_eq!(of(&subject, &forbidden(), Access::Unknown), ask, "{subject:?}");
            assert_eq!(of(&subject, &forbidden(), Access::Denied), Verdict::StopStream, "{subject:?}");
            let granted = of(&subject, &forbidden(), Access::Granted);
            assert!(
                !matches!(granted, Verdict::StopStream | Verdict::AskCapability(_)),
                "{subject:?}: {granted:?}"
            );
        }
        let search = Subject::Search { kind: ObjectKind::Page };
        assert_eq!(of(&search, &forbidden(), Access::Unknown), Verdict::StopStream);
    }

    #[test]
    fn only_the_answer_about_an_object_itself_says_that_it_is_gone() {
        for subject in subjects() {
            let is_gone = of(&subject, &not_found(), Access::Unknown) == Verdict::Gone;
            let is_itself = matches!(
                subject,
                Subject::Page { .. } | Subject::DataSource { .. } | Subject::Original { .. }
            );
            assert_eq!(is_gone, is_itself, "{subject:?}");
        }
        let page = Subject::Page { id: Uuid::nil() };
        let database = rejected("Provided ID x is a database, not a page.");
        assert_eq!(of(&page, &database, Access::Unknown), Verdict::IsDatabase);
    }

    #[test]
    fn what_is_not_about_an_object_fails_it_and_never_skips_it() {
        for subject in subjects() {
            assert_eq!(of(&subject, &unreachable(), Access::Unknown), Verdict::Failed, "{subject:?}");
        }
        assert_eq!(of(&Subject::Listing { stream: 0 }, &unreachable(), Access::Unknown), Verdict::StopStream);
    }

    #[test]
    fn the_refusal_of_a_later_result_page_is_a_failure() {
        for subject in subjects() {
            let ReadError::Request(source) = not_found() else { panic!("it is a request's") };
            let path = "/v1/x".to_owned();
            let error = ListError::Refused { path, results_read: 100, source: Box::new(source) };
            assert_eq!(of(&subject, &error.into(), Access::Unknown), Verdict::Failed, "{subject:?}");
        }
    }
}
