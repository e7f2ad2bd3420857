//! The `check` command: whether the token works, whose it is, and how much it can see.

use serde::Deserialize;
use serde_json::{Map, json};

use crate::{
    client::{ListRequest, NotionClient, ResultPage},
    error::describe_check_error,
    protocol::ConnectionStatus,
};

#[derive(Deserialize)]
struct Bot {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    bot: Option<BotDetail>,
}

#[derive(Deserialize)]
struct BotDetail {
    #[serde(default)]
    workspace_name: Option<String>,
}

/// Asks who the token is and for one page of search; says in words what a person can do.
pub async fn check(client: &NotionClient) -> ConnectionStatus {
    let bot = match client.get("/v1/users/me").await {
        Ok(answer) => serde_json::from_str(&answer.body).unwrap_or(Bot { name: None, bot: None }),
        Err(error) => return ConnectionStatus::Failed(describe_check_error(&error.into()).message),
    };
    let body = json!({"sort": {"timestamp": "last_edited_time", "direction": "descending"}});
    let body = body.as_object().cloned().unwrap_or_else(Map::new);
    let page = match client.list(ListRequest::post("/v1/search", body)).next().await {
        Ok(page) => page,
        Err(error) => return ConnectionStatus::Failed(describe_check_error(&error).message),
    };
    let name = bot.name.unwrap_or_else(|| "without a name".to_owned());
    let workspace = bot.bot.and_then(|bot| bot.workspace_name);
    let place = workspace.map_or_else(String::new, |workspace| format!(" in the workspace \"{workspace}\""));
    let (mut pages, mut data_sources) = (0_u32, 0_u32);
    for result in page.iter().flat_map(ResultPage::results).flatten() {
        match result.text("object").as_deref() {
            Some("data_source") => data_sources += 1,
            _page => pages += 1,
        }
    }
    let bot = format!("Connected as the integration \"{name}\"{place}.");
    ConnectionStatus::Succeeded(if pages + data_sources == 0 {
        format!(
            "{bot} Nothing is shared with it yet: open a page in Notion, ••• menu, Add connections, and choose \
             \"{name}\"; what is below the page is shared with it. Search may take a few minutes to show it."
        )
    } else {
        let bound = if page.is_some_and(|page| page.has_more()) { "at least " } else { "" };
        let (pages, data_sources) = (counted(pages, "page"), counted(data_sources, "data source"));
        format!("{bot} It can see {bound}{pages} and {data_sources}.")
    })
}

fn counted(count: u32, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
