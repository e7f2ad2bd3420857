//! Users, pages, databases and data sources by id.

use serde_json::Value;

use super::{Context, not_found};
use crate::{
    answer::Refusal,
    workspace::{Kind, LinkedDatabase},
};

pub(super) fn users(context: &mut Context<'_>) -> Result<String, Refusal> {
    let users: Vec<Value> = context
        .workspace
        .users()
        .iter()
        .filter(|user| !user.guest)
        .map(|user| shown(context, &user.object))
        .collect();
    context.slice(&users, "user", |_, user, out| out.push_str(&user.to_string()))
}

pub(super) fn own_bot(context: &Context<'_>) -> String {
    shown(context, &context.workspace.own_bot_user().object).to_string()
}

pub(super) fn user(context: &mut Context<'_>) -> Result<String, Refusal> {
    let id = context.path_id("user_id")?;
    let found = context.workspace.users().iter().find(|user| user.id == id);
    let user = found.ok_or_else(|| {
        Refusal::new(
            404,
            "object_not_found",
            format!(
                "Could not find user with ID: {id}. Make sure your integration has capabilities to read user information."
            ),
        )
    })?;
    Ok(shown(context, &user.object).to_string())
}

pub(super) fn page(context: &mut Context<'_>) -> Result<String, Refusal> {
    let id = context.path_id("page_id")?;
    context.require(id, Kind::Page)?;
    let mut out = String::new();
    let node = context.workspace.node(id).expect("the page was found");
    context.workspace.write_page(id, node, &mut out);
    Ok(out)
}

pub(super) fn data_source(context: &mut Context<'_>) -> Result<String, Refusal> {
    let id = context.path_id("data_source_id")?;
    context.require(id, Kind::DataSource)?;
    let mut out = String::new();
    let node = context.workspace.node(id).expect("the data source was found");
    context.workspace.write_data_source(id, node, &mut out);
    Ok(out)
}

pub(super) fn database(context: &mut Context<'_>) -> Result<String, Refusal> {
    let id = context.path_id("database_id")?;
    context.require(id, Kind::Database)?;
    let node = context.workspace.node(id).expect("the database was found");
    match node.linked() {
        Some(LinkedDatabase::NotFound) => return Err(not_found(context.workspace, "database", id)),
        Some(LinkedDatabase::NoAccess) => {
            return Err(Refusal::invalid(format!(
                "Database with ID {id} does not contain any data sources accessible by this API bot."
            )));
        }
        Some(LinkedDatabase::Empty) | None => {}
    }
    let mut out = String::new();
    context.workspace.write_database(id, node, &mut out);
    Ok(out)
}

/// The user as the connection may see it.
fn shown(context: &Context<'_>, user: &Value) -> Value {
    let mut user = user.clone();
    if !context.workspace.settings.capabilities.user_email
        && let Some(person) = user.get_mut("person").and_then(Value::as_object_mut)
    {
        person.shift_remove("email");
        person.shift_remove("email_verified");
    }
    user
}
