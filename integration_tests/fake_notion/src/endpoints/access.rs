//! Who may call what: token, version, capabilities, and ids in paths.

use serde_json::json;
use uuid::Uuid;

use super::{Context, Tokens};
use crate::{
    answer::Refusal,
    call::{Call, parse_uuid},
    route::Route,
    settings::Settings,
    workspace::{Kind, Workspace},
};

const VERSION: &str = "2025-09-03";

/// Refuses calls with a bad token, version or body, and those that lack a capability.
pub(crate) fn check_access(call: &Call, settings: &Settings, tokens: &Tokens) -> Result<(), Refusal> {
    if call.route == Route::OAuthToken {
        return Ok(());
    }
    if call.header("authorization").and_then(|value| value.strip_prefix("Bearer ")) != Some(tokens.access()) {
        return Err(Refusal::new(401, "unauthorized", "API token is invalid."));
    }
    if settings.strict_version && call.header("notion-version") != Some(VERSION) {
        let sent = call.header("notion-version").map_or("undefined".to_owned(), |sent| format!("\"{sent}\""));
        let message = format!(
            "Notion-Version header failed validation: Notion-Version header should be `\"{VERSION}\"`, instead was `{sent}`."
        );
        return Err(Refusal::new(400, "missing_version", message));
    }
    if call.body.is_err() {
        return Err(Refusal::new(400, "invalid_json", "Error parsing JSON body."));
    }
    let allowed = match call.route {
        Route::UsersMe | Route::OAuthToken | Route::Any => true,
        Route::Users | Route::User(_) => settings.capabilities.users,
        Route::Comments(_) => settings.capabilities.comments,
        _ => settings.capabilities.read_content,
    };
    if allowed {
        Ok(())
    } else {
        Err(Refusal::new(403, "restricted_resource", "Insufficient permissions for this endpoint."))
    }
}

/// A 404 in the API's words.
pub(crate) fn not_found(workspace: &Workspace, kind: &str, id: Uuid) -> Refusal {
    let name = &workspace.settings.integration_name;
    let mut refusal = Refusal::new(
        404,
        "object_not_found",
        format!(
            "Could not find {kind} with ID: {id}. Make sure the relevant pages and databases are shared with your integration \"{name}\"."
        ),
    );
    refusal.additional_data = Some(Box::new(json!({"integration_id": workspace.own_bot().to_string()})));
    refusal
}

impl Context<'_> {
    /// The id in the third segment of the path.
    pub(super) fn path_id(&self, name: &str) -> Result<Uuid, Refusal> {
        let sent = self.call.segment(2);
        parse_uuid(sent).ok_or_else(|| {
            Refusal::invalid(format!(
                "path failed validation: path.{name} should be a valid uuid, instead was `\"{sent}\"`."
            ))
        })
    }

    /// Refuses what was locked on purpose.
    pub(super) fn refuse_locked(&self, id: Uuid) -> Result<(), Refusal> {
        self.workspace
            .lock_of(id)
            .map_or(Ok(()), |lock| Err(Refusal::new(lock.status, &lock.code, lock.message.clone())))
    }

    /// Passes a visible object of the kind, and refuses everything else.
    pub(super) fn require(&self, id: Uuid, kind: Kind) -> Result<(), Refusal> {
        let found =
            self.workspace.node(id).filter(|_| self.workspace.reach(id).is_some()).map(|node| node.kind);
        match (kind, found) {
            (kind, Some(found)) if kind == found => Ok(()),
            (Kind::Page, Some(Kind::Database)) => Err(Refusal::invalid(format!(
                "Provided ID {id} is a database, not a page. Use the retrieve database API instead."
            ))),
            (Kind::Database, Some(Kind::Page)) => Err(Refusal::invalid(format!(
                "Provided ID {id} is a page, not a database. Use the retrieve page API instead."
            ))),
            (Kind::Page, _) => Err(not_found(self.workspace, "page", id)),
            // Of a data source, too, Notion says that it could not find the database.
            (Kind::Database | Kind::DataSource, _) => Err(not_found(self.workspace, "database", id)),
            (Kind::Block, _) => Err(not_found(self.workspace, "block", id)),
        }
    }
}
