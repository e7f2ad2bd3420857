//! Jobs: each is one request, and comes back with its answer.

use chrono::{DateTime, Utc};
use futures_util::future::LocalBoxFuture;
use uuid::Uuid;

use crate::{
    client::{Answer, Listing, NotionClient, ResultPage},
    error::ReadError,
    record::RawObject,
    streams::Capability,
    workspace::{Completion, NodeListing, ObjectKind, Rows, Search, TruncatedValue, complete_page},
};

/// What a job is about: enough to say what its failure means.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Subject {
    /// The listing that a stream is made of.
    Listing { stream: usize },
    /// Search for everything of a kind.
    Search { kind: ObjectKind },
    /// Search for what lies in the trash.
    Trash,
    /// The rows of a data source.
    Rows { data_source: Uuid, is_archived: bool },
    /// A page that is asked for by its id.
    Page { id: Uuid },
    /// A data source that is asked for by its id.
    DataSource { id: Uuid },
    /// A database that is asked for its data sources.
    Database { id: Uuid },
    /// The values of a page that Notion cut.
    Completion { id: Uuid },
    /// The children of a node of a page's tree.
    Children { page: Uuid, node: Uuid, kind: Box<str>, has_begun: bool },
    /// A block above the original of a synced block, asked for to find the page in which the original stands.
    Original { original: Uuid, block: Uuid },
    /// The listing that a stream has for each page.
    PageListing { stream: usize, page: Uuid },
    /// The request that a stream has for each page.
    PageObject { stream: usize, page: Uuid },
    /// Something that was readable before, to tell whether a capability is missing.
    Probe { capability: Capability },
}

/// What a job does, and what goes on after its answer.
#[derive(Debug)]
pub(super) enum Step {
    /// The next result page of a listing.
    Listing(Box<Listing>),
    /// The next result page of a search.
    Search(Box<Search>),
    /// The next result page of a data source's rows.
    Rows(Box<Rows>),
    /// The next result page of a node's children.
    Children(Box<NodeListing>),
    /// One object.
    Get(NotionClient, String),
    /// All entries of a page's cut values.
    Complete(NotionClient, Box<CutPage>),
}

/// A page whose cut values are to be completed.
#[derive(Clone, Debug)]
pub(super) struct CutPage {
    pub(super) id: Uuid,
    pub(super) page: RawObject<'static>,
    pub(super) truncated: Vec<TruncatedValue>,
    pub(super) asked_at: DateTime<Utc>,
    pub(super) is_unlisted: bool,
    /// The checksum over the page as it was listed.
    pub(super) checksum: u32,
}

/// What an answer brings.
#[derive(Debug)]
pub(super) enum Reply {
    /// A result page, or none after the last.
    Results(Option<ResultPage>),
    /// An object.
    Object(Answer),
    /// A page with its values.
    Completed(Completion),
}

/// A piece of work.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) subject: Subject,
    pub(super) step: Step,
}

impl Step {
    /// Sends the request; returns what goes on, and the answer.
    pub(super) fn run(self) -> LocalBoxFuture<'static, (Self, Result<Reply, ReadError>)> {
        Box::pin(async move {
            match self {
                Self::Listing(mut listing) => {
                    let reply = listing.next().await;
                    (Self::Listing(listing), results(reply))
                }
                Self::Search(mut search) => {
                    let reply = search.next().await;
                    (Self::Search(search), results(reply))
                }
                Self::Rows(mut rows) => {
                    let reply = rows.next().await;
                    (Self::Rows(rows), results(reply))
                }
                Self::Children(mut children) => {
                    let reply = children.next().await;
                    (Self::Children(children), results(reply))
                }
                Self::Get(client, target) => {
                    let reply = client.get(target.clone()).await;
                    (Self::Get(client, target), reply.map(Reply::Object).map_err(ReadError::from))
                }
                Self::Complete(client, cut) => {
                    let completion = complete_page(&client, cut.id, cut.page.clone(), &cut.truncated).await;
                    (Self::Complete(client, cut), Ok(Reply::Completed(completion)))
                }
            }
        })
    }
}

fn results(reply: Result<Option<ResultPage>, crate::client::ListError>) -> Result<Reply, ReadError> {
    reply.map(Reply::Results).map_err(ReadError::from)
}
