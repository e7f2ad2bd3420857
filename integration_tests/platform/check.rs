//! `check`: what a person reads when the connection works, and when it does not.

use std::time::Duration;

use fake_notion::{FakeNotion, Fault, Route, Workspace, sample::sample_workspace};
use serde_json::json;

use crate::support::{ClosedPort, Connector, Process, SyncOutput, serve_bytes};

const TOKEN: &str = "ntn_fake_0123456789abcdef";

/// Status and message of a check, which ends with 0 whatever it says. The system's own words are left out.
#[track_caller]
fn verdict(output: &SyncOutput) -> String {
    assert_eq!(output.exit_code, Some(0), "{output:?}");
    assert_eq!(output.stderr, "");
    output.assert_hides(&[TOKEN]);
    let (status, message) = output.connection_status();
    format!("{status}: {}", without_detail(&message))
}

/// Leaves out what depends on the system: the causes in brackets of a failed connection.
fn without_detail(message: &str) -> String {
    let is_about_connecting = message.starts_with("No connection to Notion");
    match (message.split_once(" ("), message.rsplit_once("). ")) {
        (Some((before, _)), Some((_, after))) if is_about_connecting => format!("{before} (…). {after}"),
        _ => message.to_owned(),
    }
}

fn check(connector: &Connector) -> String {
    verdict(&connector.run("check"))
}

/// Checks Notion's own address with the program, through a proxy.
fn check_through(proxy: &str) -> String {
    let notion = FakeNotion::start_blocking(Workspace::new());
    let connector = Connector::new(&notion).with_config("api_url", json!("https://api.notion.com"));
    let environment = [("HTTPS_PROXY", proxy), ("https_proxy", proxy), ("NO_PROXY", ""), ("no_proxy", "")];
    verdict(&Process::spawn(&connector.arguments("check"), &environment).wait())
}

#[test]
fn a_working_token_is_told_with_its_workspace_and_how_much_it_sees() {
    let notion = FakeNotion::start_blocking(Workspace::new());
    let page = notion.edit(|workspace| workspace.add_top_page("Plan"));
    insta::assert_snapshot!(check(&Connector::new(&notion)), @r#"SUCCEEDED: Connected as the integration "Fake integration" in the workspace "Fake workspace". It can see 1 page and 0 data sources."#);
    notion.edit(|workspace| {
        for _more in 0..120 {
            workspace.add_page(page, "More");
        }
    });
    insta::assert_snapshot!(check(&Connector::new(&notion)), @r#"SUCCEEDED: Connected as the integration "Fake integration" in the workspace "Fake workspace". It can see at least 100 pages and 0 data sources."#);
}

#[test]
fn nothing_shared_succeeds_and_says_how_to_share() {
    let notion = FakeNotion::start_blocking(Workspace::new());
    insta::assert_snapshot!(check(&Connector::new(&notion)), @r#"SUCCEEDED: Connected as the integration "Fake integration" in the workspace "Fake workspace". Nothing is shared with it yet: open a page in Notion, ••• menu, Add connections, and choose "Fake integration"; what is below the page is shared with it. Search may take a few minutes to show it."#);
}

#[test]
fn a_personal_access_token_is_told_with_its_person() {
    let notion = FakeNotion::start_blocking(Workspace::new());
    let me = json!({"object": "user", "id": "11111111-1111-4111-8111-111111111111", "type": "person",
        "name": "Ada Lovelace", "avatar_url": null, "person": {"email": "ada@example.com"}});
    notion.fail_always(Route::UsersMe, Fault::json(me.to_string()));
    insta::assert_snapshot!(check(&Connector::new(&notion)), @r#"SUCCEEDED: Connected with the personal access token of "Ada Lovelace". It sees nothing yet: the person has no page. Search may take a few minutes to show one."#);
    notion.edit(|workspace| workspace.add_top_page("Plan"));
    insta::assert_snapshot!(check(&Connector::new(&notion)), @r#"SUCCEEDED: Connected with the personal access token of "Ada Lovelace". It can see 1 page and 0 data sources."#);
}

#[test]
fn an_integration_without_a_name_is_told_so() {
    let notion = FakeNotion::start_blocking(Workspace::new());
    let me = json!({"object": "user", "id": "11111111-1111-4111-8111-111111111111", "type": "bot", "name": null,
        "bot": {}});
    notion.fail_always(Route::UsersMe, Fault::json(me.to_string()));
    insta::assert_snapshot!(check(&Connector::new(&notion)), @"SUCCEEDED: Connected as an integration without a name. Nothing is shared with it yet: open a page in Notion, ••• menu, Add connections, and choose the integration; what is below the page is shared with it. Search may take a few minutes to show it.");
}

#[test]
fn a_refused_token_is_told_without_a_second_try() {
    let notion = FakeNotion::start_blocking(sample_workspace());
    notion.expire_token();
    insta::assert_snapshot!(check(&Connector::new(&notion)), @"FAILED: Notion refused the access token (401). It is wrong, expired or revoked: copy it again from the integration's Secrets tab, or authorise again.");
    assert_eq!(notion.requests().len(), 1);
}

#[test]
fn a_malformed_token_is_told_without_any_request() {
    let notion = FakeNotion::start_blocking(sample_workspace());
    let credentials = json!({"auth_type": "token", "token": format!("{TOKEN} {TOKEN}")});
    let connector = Connector::new(&notion).with_config("credentials", credentials);
    insta::assert_snapshot!(check(&connector), @r#"FAILED: "credentials.token" has spaces, line breaks or other characters that no Notion token has; copy it again."#);
    assert_eq!(notion.requests().len(), 0);
}

#[test]
fn a_missing_capability_is_told_with_where_to_grant_it() {
    let notion = FakeNotion::start_blocking(sample_workspace());
    notion.edit(|workspace| workspace.settings.capabilities.read_content = false);
    insta::assert_snapshot!(check(&Connector::new(&notion)), @r#"FAILED: Notion denied access (403): the integration lacks the capability "Read content". Grant it in the integration's settings under Capabilities (for OAuth authorise again)."#);
}

#[test]
fn a_network_that_does_not_reach_notion_is_told() {
    let notion = FakeNotion::start_blocking(Workspace::new());
    let closed = ClosedPort::new();
    let connector =
        Connector::new(&notion).with_config("api_url", json!(format!("http://{}", closed.address())));
    insta::assert_snapshot!(check(&connector), @"FAILED: No connection to Notion: the network does not reach Notion's API (…). Check that the network and its firewall allow https to api.notion.com; if a proxy is needed, name it in HTTPS_PROXY.");
}

#[test]
fn a_host_name_without_an_address_is_told() {
    let notion = FakeNotion::start_blocking(Workspace::new());
    let connector = Connector::new(&notion).with_config("api_url", json!("https://notion.invalid"));
    insta::assert_snapshot!(check(&connector), @"FAILED: No connection to Notion: the host name of Notion's API cannot be resolved (…). Check the network's DNS; if this network needs a proxy, name it in HTTPS_PROXY.");
}

#[test]
fn a_server_without_tls_is_told() {
    let notion = FakeNotion::start_blocking(Workspace::new());
    let url = notion.url().replace("http://", "https://");
    let connector = Connector::new(&notion).with_config("api_url", json!(url));
    insta::assert_snapshot!(check(&connector), @"FAILED: No connection to Notion: TLS failed (…). If a proxy or firewall inspects the traffic, add its certificate authority to the system's store, or name a file with it in SSL_CERT_FILE.");
}

#[test]
fn a_proxy_that_is_not_there_is_told() {
    let closed = ClosedPort::new();
    insta::assert_snapshot!(check_through(&format!("http://{}", closed.address())), @"FAILED: No connection to Notion: the proxy does not let it through (…). Check the address and the credentials in HTTPS_PROXY, and whether the proxy allows api.notion.com.");
}

#[test]
fn a_proxy_that_refuses_is_told_without_its_password() {
    let address = serve_bytes("HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n");
    let verdict = check_through(&format!("http://somebody:{TOKEN}@{address}"));
    insta::assert_snapshot!(verdict, @"FAILED: No connection to Notion: the proxy does not let it through (…). Check the address and the credentials in HTTPS_PROXY, and whether the proxy allows api.notion.com.");
}

#[test]
fn a_proxy_that_the_environment_names_is_used() {
    let notion = FakeNotion::start_blocking(sample_workspace());
    let closed = ClosedPort::new();
    let url = format!("http://{}", closed.address());
    let connector = Connector::new(&notion).with_config("api_url", json!(url));
    let proxy = notion.url();
    let environment =
        [("HTTP_PROXY", proxy.as_str()), ("http_proxy", &proxy), ("NO_PROXY", ""), ("no_proxy", "")];
    let output = Process::spawn(&connector.arguments("check"), &environment).wait();
    assert_eq!(output.connection_status().0, "SUCCEEDED");
    assert_eq!(notion.request_count(Route::UsersMe), 1);
}

#[test]
fn the_page_of_a_captive_portal_is_told() {
    let notion = FakeNotion::start_blocking(sample_workspace());
    notion.fail_always(Route::UsersMe, Fault::html(200));
    insta::assert_snapshot!(check(&Connector::new(&notion)), @"FAILED: Something that is not Notion's API answered, such as a proxy's page. Check the network; a later sync may succeed.");
}

#[test]
fn an_edge_that_blocks_is_told_with_its_id() {
    let notion = FakeNotion::start_blocking(sample_workspace());
    notion.fail_always(Route::UsersMe, Fault::html(403));
    insta::assert_snapshot!(check(&Connector::new(&notion)), @"FAILED: The network edge in front of Notion blocks these requests (403, cf-ray 8f0e1d2c3b4a5968-FRA). Check the network's outgoing address, or ask Notion's support with that id.");
}

#[test]
fn a_notion_that_is_down_is_told_after_three_attempts() {
    let notion = FakeNotion::start_blocking(sample_workspace());
    notion.fail_always(Route::Any, Fault::status(503));
    insta::assert_snapshot!(check(&Connector::new(&notion)), @"FAILED: Notion is not available now (status 503). Try again in a few minutes.");
    assert_eq!(notion.request_count(Route::UsersMe), 3);
    assert_eq!(notion.request_count(Route::Search), 0);
}

#[test]
fn a_short_outage_does_not_fail_a_check() {
    let notion = FakeNotion::start_blocking(sample_workspace());
    notion.fail_times(Route::UsersMe, Fault::status(500), 2);
    notion.fail_times(Route::Search, Fault::status(504), 2);
    notion.fail(Route::Search, Fault::rate_limited(0));
    assert!(check(&Connector::new(&notion)).starts_with("SUCCEEDED"));
}

#[test]
fn a_check_does_not_wait_for_the_rate_limit_for_ever() {
    let notion = FakeNotion::start_blocking(sample_workspace());
    notion.fail_always(Route::Search, Fault::rate_limited(3600));
    let connector =
        Connector::new(&notion).with_settings(|settings| settings.check.limit = Duration::from_secs(1));
    insta::assert_snapshot!(check(&connector), @"FAILED: Notion did not answer the check within 1 s, because its rate limit is reached. Try again in a few minutes.");
}

#[test]
fn a_check_does_not_wait_for_a_silent_server_for_ever() {
    let notion = FakeNotion::start_blocking(sample_workspace());
    notion.fail_always(Route::UsersMe, Fault::Silence);
    let connector = Connector::new(&notion).with_settings(|settings| {
        settings.check.limit = Duration::from_secs(1);
        settings.timeouts.read = Duration::from_mins(1);
        settings.timeouts.attempt = Duration::from_mins(1);
    });
    insta::assert_snapshot!(check(&connector), @"FAILED: Notion did not answer the check within 1 s. Try again in a few minutes.");
}
