//! The `check` command: whether the token works, whose it is, and how much it can see.

use serde::Deserialize;
use serde_json::{Map, json};

use crate::{
    client::{ListRequest, NotionClient, ResultPage},
    error::describe_check_error,
    protocol::ConnectionStatus,
};

/// Whom a token belongs to: an integration's bot, or a person.
#[derive(Default, Deserialize)]
struct Owner {
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    bot: Option<Bot>,
}

#[derive(Deserialize)]
struct Bot {
    #[serde(default)]
    workspace_name: Option<String>,
}

impl Owner {
    /// A personal access token acts as its person, who sees what the person sees in Notion.
    fn is_person(&self) -> bool {
        self.kind.as_deref() == Some("person")
    }

    fn connected(&self) -> String {
        let workspace = self.bot.as_ref().and_then(|bot| bot.workspace_name.as_ref());
        let place = workspace.map_or_else(String::new, |name| format!(" in the workspace \"{name}\""));
        match &self.name {
            Some(name) if self.is_person() => {
                format!("Connected with the personal access token of \"{name}\"{place}.")
            }
            None if self.is_person() => {
                format!("Connected with the personal access token of a person without a name{place}.")
            }
            Some(name) => format!("Connected as the integration \"{name}\"{place}."),
            None => format!("Connected as an integration without a name{place}."),
        }
    }

    fn how_to_share(&self) -> String {
        match &self.name {
            _ if self.is_person() => {
                "It sees nothing yet: the person has no page. Search may take a few minutes to show one.".to_owned()
            }
            Some(name) => format!(
                "Nothing is shared with it yet: open a page in Notion, ••• menu, Add connections, and choose \
                 \"{name}\"; what is below the page is shared with it. Search may take a few minutes to show it."
            ),
            None => "Nothing is shared with it yet: open a page in Notion, ••• menu, Add connections, and choose the \
                     integration; what is below the page is shared with it. Search may take a few minutes to show it."
                .to_owned(),
        }
    }
}

/// Asks who the token is and for one page of search; says in words what a person can do.
pub async fn check(client: &NotionClient) -> ConnectionStatus {
    let owner: Owner = match client.get("/v1/users/me").await {
        Ok(answer) => serde_json::from_str(&answer.body).unwrap_or_default(),
        Err(error) => return ConnectionStatus::Failed(describe_check_error(&error.into()).message),
    };
    let body = json!({"sort": {"timestamp": "last_edited_time", "direction": "descending"}});
    let body = body.as_object().cloned().unwrap_or_else(Map::new);
    let page = match client.list(ListRequest::post("/v1/search", body)).next().await {
        Ok(page) => page,
        Err(error) => return ConnectionStatus::Failed(describe_check_error(&error).message),
    };
    let (mut pages, mut data_sources) = (0_u32, 0_u32);
    for result in page.iter().flat_map(ResultPage::results).flatten() {
        match result.text("object").as_deref() {
            Some("data_source") => data_sources += 1,
            _page => pages += 1,
        }
    }
    let connected = owner.connected();
    ConnectionStatus::Succeeded(if pages + data_sources == 0 {
        format!("{connected} {}", owner.how_to_share())
    } else {
        let bound = if page.is_some_and(|page| page.has_more()) { "at least " } else { "" };
        let (pages, data_sources) = (counted(pages, "page"), counted(data_sources, "data source"));
        format!("{connected} It can see {bound}{pages} and {data_sources}.")
    })
}

fn counted(count: u32, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
