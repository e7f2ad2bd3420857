//! The endpoints, as names for faults and the request log.

use std::mem::discriminant;

use uuid::Uuid;

use crate::call::parse_uuid;

/// An endpoint of the API; as a pattern, `None` stands for any id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Route {
    /// `POST /v1/search`
    Search,
    /// `GET /v1/users`
    Users,
    /// `GET /v1/users/me`
    UsersMe,
    /// `GET /v1/users/{id}`
    User(Option<Uuid>),
    /// `GET /v1/blocks/{id}`
    Block(Option<Uuid>),
    /// `GET /v1/blocks/{id}/children`
    BlockChildren(Option<Uuid>),
    /// `GET /v1/comments?block_id={id}`
    Comments(Option<Uuid>),
    /// `POST /v1/data_sources/{id}/query`
    QueryDataSource(Option<Uuid>),
    /// `GET /v1/data_sources/{id}`
    DataSource(Option<Uuid>),
    /// `GET /v1/databases/{id}`
    Database(Option<Uuid>),
    /// `GET /v1/pages/{id}`
    Page(Option<Uuid>),
    /// `GET /v1/pages/{id}/properties/{property}`
    PageProperty(Option<Uuid>),
    /// `GET /v1/pages/{id}/markdown`
    PageMarkdown(Option<Uuid>),
    /// `POST /v1/oauth/token`
    OAuthToken,
    /// As a pattern every request; in the log a request that is none of the above.
    Any,
}

impl Route {
    /// Whether a request of the route `other` falls under this pattern.
    pub fn covers(self, other: Self) -> bool {
        match (self, other) {
            (Self::Any, _) => true,
            _ => {
                discriminant(&self) == discriminant(&other)
                    && (self.id().is_none() || self.id() == other.id())
            }
        }
    }

    /// The id of the object that the route names.
    pub fn id(self) -> Option<Uuid> {
        match self {
            Self::User(id)
            | Self::Block(id)
            | Self::BlockChildren(id)
            | Self::Comments(id)
            | Self::QueryDataSource(id)
            | Self::DataSource(id)
            | Self::Database(id)
            | Self::Page(id)
            | Self::PageProperty(id)
            | Self::PageMarkdown(id) => id,
            Self::Search | Self::Users | Self::UsersMe | Self::OAuthToken | Self::Any => None,
        }
    }

    /// Whether the endpoint answers with a list.
    pub(crate) fn is_list(self) -> bool {
        matches!(
            self,
            Self::Search
                | Self::Users
                | Self::BlockChildren(_)
                | Self::Comments(_)
                | Self::QueryDataSource(_)
                | Self::PageProperty(_)
        )
    }

    /// The pattern with the snake case name `name`, for any id.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "search" => Self::Search,
            "users" => Self::Users,
            "users_me" => Self::UsersMe,
            "user" => Self::User(None),
            "block" => Self::Block(None),
            "block_children" => Self::BlockChildren(None),
            "comments" => Self::Comments(None),
            "query_data_source" => Self::QueryDataSource(None),
            "data_source" => Self::DataSource(None),
            "database" => Self::Database(None),
            "page" => Self::Page(None),
            "page_property" => Self::PageProperty(None),
            "page_markdown" => Self::PageMarkdown(None),
            "oauth_token" => Self::OAuthToken,
            "any" => Self::Any,
            _ => return None,
        })
    }

    /// The route of a request; `None` for the id when it is not a UUID.
    pub(crate) fn of(method: &str, segments: &[&str], block_id: Option<&str>) -> Self {
        match (method, segments) {
            ("POST", ["v1", "search"]) => Self::Search,
            ("GET", ["v1", "users"]) => Self::Users,
            ("GET", ["v1", "users", "me"]) => Self::UsersMe,
            ("GET", ["v1", "users", id]) => Self::User(parse_uuid(id)),
            ("GET", ["v1", "blocks", id]) => Self::Block(parse_uuid(id)),
            ("GET", ["v1", "blocks", id, "children"]) => Self::BlockChildren(parse_uuid(id)),
            ("GET", ["v1", "comments"]) => Self::Comments(block_id.and_then(parse_uuid)),
            ("POST", ["v1", "data_sources", id, "query"]) => Self::QueryDataSource(parse_uuid(id)),
            ("GET", ["v1", "data_sources", id]) => Self::DataSource(parse_uuid(id)),
            ("GET", ["v1", "databases", id]) => Self::Database(parse_uuid(id)),
            ("GET", ["v1", "pages", id]) => Self::Page(parse_uuid(id)),
            ("GET", ["v1", "pages", id, "properties", _]) => Self::PageProperty(parse_uuid(id)),
            ("GET", ["v1", "pages", id, "markdown"]) => Self::PageMarkdown(parse_uuid(id)),
            ("POST", ["v1", "oauth", "token"]) => Self::OAuthToken,
            _ => Self::Any,
        }
    }
}
