//! The endpoints: from a call to the JSON text of an object or list.

mod access;
mod blocks;
mod listing;
mod markdown;
mod objects;
mod property;
mod query;
mod search;
mod tokens;

pub(crate) use access::{check_access, not_found};
pub(crate) use listing::CursorBook;
pub(crate) use tokens::{FIRST_TOKEN, Tokens};

use crate::{answer::Refusal, call::Call, route::Route, workspace::Workspace};

/// What endpoints work on.
pub(crate) struct Context<'a> {
    pub(crate) call: &'a Call,
    pub(crate) workspace: &'a mut Workspace,
    pub(crate) cursors: &'a mut CursorBook,
    pub(crate) tokens: &'a mut Tokens,
}

/// Answers an accepted call.
pub(crate) fn answer(context: &mut Context<'_>) -> Result<String, Refusal> {
    match context.call.route {
        Route::Search => search::search(context),
        Route::Users => objects::users(context),
        Route::UsersMe => Ok(objects::own_bot(context)),
        Route::User(_) => objects::user(context),
        Route::Block(_) => blocks::block(context),
        Route::BlockChildren(_) => blocks::children(context),
        Route::Comments(_) => blocks::comments(context),
        Route::QueryDataSource(_) => query::query(context),
        Route::DataSource(_) => objects::data_source(context),
        Route::Database(_) => objects::database(context),
        Route::Page(_) => objects::page(context),
        Route::PageProperty(_) => property::property(context),
        Route::PageMarkdown(_) => markdown::markdown(context),
        Route::OAuthToken => context.tokens.exchange(context.call, &context.workspace.settings),
        Route::Any => Err(Refusal::new(400, "invalid_request_url", "Invalid request URL.")),
    }
}
