//! One request from its start to its end, with servers that answer in every way.

use std::sync::{
    OnceLock,
    atomic::{AtomicUsize, Ordering},
};

use fake_notion::{FakeNotion, RateLimit, Workspace};
use futures_util::future::join_all;

use super::{
    super::test_server::{Reply, TestServer, impatient},
    *,
};

const ME: &str = "/v1/users/me";

fn good() -> Reply {
    Reply::json("{}")
}

fn dated(time: &str) -> Reply {
    Reply::Answer(200, format!("Date: Sun, 06 Nov 1994 {time} GMT\r\n"), "{}".to_owned())
}

fn unauthorized() -> Reply {
    Reply::error(401, "unauthorized", "API token is invalid.")
}

/// A page of the network edge.
fn edge(status: u16) -> Reply {
    Reply::Answer(status, "cf-ray: 8f-FRA\r\n".to_owned(), "<html>".to_owned())
}

fn on(time: &str) -> DateTime<Utc> {
    format!("1994-11-06T{time}Z").parse().unwrap()
}

#[tokio::test]
async fn an_answer_tells_the_time_that_notion_had_told_before_it_was_asked_for() {
    let times = ["08:00:10", "08:00:20", "08:00:05", "08:00:30"];
    let server = TestServer::script(times.map(dated)).await;
    let client = server.client();
    assert_eq!(client.notion_time(), None);
    let mut asked = Vec::new();
    for _request in times {
        asked.push(client.get(ME).await.unwrap().asked_at);
    }
    // Of the first one nothing but its own answer is known.
    assert!(asked[0] <= on("08:00:10") && asked[0] > on("08:00:05"), "{}", asked[0]);
    assert_eq!(asked[1..], [on("08:00:10"), on("08:00:20"), on("08:00:20")]);
    assert_eq!(client.notion_time(), Some(on("08:00:30")));
}

#[tokio::test]
async fn without_a_date_this_machines_clock_serves() {
    let server = TestServer::script([good()]).await;
    let before = Utc::now();
    let asked_at = server.client().get(ME).await.unwrap().asked_at;
    assert!(asked_at >= before && asked_at <= Utc::now());
}

#[tokio::test]
async fn one_refusal_among_successes_is_asked_for_again() {
    let unexpected = Reply::Answer(302, "Location: http://login.example/\r\n".to_owned(), String::new());
    for refusal in [unauthorized(), edge(403), edge(401), unexpected] {
        for count in [1, 2] {
            let replies = [good()].into_iter().chain(vec![refusal.clone(); count]).chain([good()]);
            let server = TestServer::script(replies).await;
            let client = server.client();
            client.get(ME).await.unwrap();
            assert!(client.get(ME).await.is_ok(), "{count} × {refusal:?}");
        }
        // One that lasts is the failure.
        let server = TestServer::script([good(), refusal.clone()]).await;
        let client = server.client();
        client.get(ME).await.unwrap();
        assert!(client.get(ME).await.is_err());
        assert_eq!(server.asked().len(), 4);
        // Without any success before it is one at once.
        let server = TestServer::script([refusal, good()]).await;
        assert!(server.client().get(ME).await.is_err());
        assert_eq!(server.asked().len(), 1);
    }
}

#[tokio::test]
async fn nobody_waits_out_a_hold_to_ask_for_a_refusal_again() {
    // GIVEN a hold that begins while the refused request is under way
    let (client, asked) = (Arc::new(OnceLock::<NotionClient>::new()), AtomicUsize::new(0));
    let holding = Arc::clone(&client);
    let server = TestServer::start(move |_asked| {
        if asked.fetch_add(1, Ordering::Relaxed) == 0 {
            return good();
        }
        holding.get().unwrap().rate_limiter().hold_for(Duration::from_hours(1));
        edge(403)
    })
    .await;
    let client = client.get_or_init(|| server.client());
    // WHEN
    client.get(ME).await.unwrap();
    let error = client.get(ME).await.unwrap_err();
    // THEN
    assert!(matches!(error.source, ApiError::EdgeBlocked { .. }), "{error}");
}

#[tokio::test]
async fn a_refresh_that_does_not_get_through_is_tried_again() {
    let new = r#"{"access_token": "new", "refresh_token": "next"}"#;
    let hiccups = [Reply::Drop, edge(200), edge(403), Reply::json("{}"), Reply::error(500, "c", "m")];
    for hiccup in hiccups {
        let (first, asked) = (hiccup.clone(), AtomicUsize::new(0));
        let server = TestServer::start(move |request| {
            if request.target == "/v1/oauth/token" {
                let is_first = asked.fetch_add(1, Ordering::Relaxed) == 0;
                return if is_first { first.clone() } else { Reply::json(new) };
            }
            if request.authorization == "Bearer new" { good() } else { unauthorized() }
        })
        .await;
        assert!(server.oauth_client().get(ME).await.is_ok(), "{hiccup:?}");
        assert_eq!(server.asked().len(), 4, "{hiccup:?}");
    }
}

#[tokio::test]
async fn a_refresh_that_never_gets_through_is_not_a_refused_token() {
    let server =
        TestServer::start(
            |request| {
                if request.target == "/v1/oauth/token" { Reply::Drop } else { unauthorized() }
            },
        )
        .await;
    let client = server.oauth_client();
    let (first, second) = tokio::join!(client.get(ME), client.get(ME));
    for error in [first.unwrap_err(), second.unwrap_err()] {
        assert!(matches!(error.source, ApiError::RefreshFailed { .. }), "{error}");
        assert!(error.to_string().contains("could not be refreshed"), "{error}");
    }
    let exchanges = server.asked().into_iter().filter(|asked| asked.target == "/v1/oauth/token").count();
    assert_eq!(exchanges, 5);
}

#[tokio::test]
async fn a_refresh_that_notion_refuses_is_a_refused_token() {
    let server = TestServer::start(|request| {
        let invalid = || Reply::error(400, "invalid_grant", "m");
        if request.target == "/v1/oauth/token" { invalid() } else { unauthorized() }
    })
    .await;
    let error = server.oauth_client().get(ME).await.unwrap_err();
    assert!(matches!(error.source, ApiError::Unauthorized { .. }), "{error}");
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn a_wait_that_an_unavailable_notion_asks_for_is_honoured() {
    let wait = "Retry-After: 1\r\n".to_owned();
    let server = TestServer::script([Reply::Answer(503, wait, String::new()), good()]).await;
    let started = Instant::now();
    server.client().get(ME).await.unwrap();
    assert!(started.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn a_listing_whose_pages_are_too_large_reads_smaller_ones() {
    let server = TestServer::start(|asked| Reply::page(asked, 250)).await;
    let mut client = server.client();
    Arc::get_mut(&mut client.shared).unwrap().transport.limit_bodies(2 * 1024);
    let mut listing = client.list(ListRequest::get("/v1/users"));
    let mut count = 0;
    while let Some(page) = listing.next().await.unwrap() {
        count += page.len();
    }
    assert_eq!(count, 250);
    // One that is too large by itself is a failure in the end.
    let mut client = server.client();
    Arc::get_mut(&mut client.shared).unwrap().transport.limit_bodies(50);
    let error = client.list(ListRequest::get("/v1/users")).next().await.unwrap_err();
    assert!(matches!(error.api_error(), Some(ApiError::TooLarge { limit: 50 })), "{error}");
}

#[tokio::test]
async fn an_error_names_the_host_that_was_asked() {
    let server = TestServer::script([Reply::error(404, "object_not_found", "m")]).await;
    let error = server.client().get("/v1/pages/x?filter_properties=y").await.unwrap_err();
    let expected = format!("GET {}/v1/pages/x: Notion does not find it (404): m", error.host);
    assert!(error.host.starts_with("127.0.0.1:") && error.to_string().starts_with(&expected), "{error}");
}

#[tokio::test]
async fn whoever_waits_ends_when_everything_is_given_up() {
    // GIVEN one request in flight without an answer, and others that wait for a hold or a retry
    let notion = FakeNotion::start(Workspace::new()).await;
    let limited = fake_notion::Fault::rate_limited(3_600);
    notion.fail(fake_notion::Route::Users, fake_notion::Fault::Silence);
    notion.fail(fake_notion::Route::UsersMe, limited);
    let settings = ClientSettings { access_token: notion.token().into(), ..impatient(&notion.url()) };
    let client = NotionClient::new(settings, |_tokens| {}).unwrap();
    let stopping = client.clone();
    let stop = async {
        while stopping.rate_limiter().remaining_hold().is_zero() || notion.requests().len() < 2 {
            tokio::task::yield_now().await;
        }
        stopping.stop();
    };
    // WHEN
    let silent = client.get("/v1/users");
    let (silent, held, late, ()) = tokio::join!(silent, client.get(ME), client.get(ME), stop);
    // THEN
    for answer in [silent, held, late, client.get(ME).await] {
        assert!(matches!(answer.unwrap_err().source, ApiError::Stopped));
    }
    assert_eq!(notion.requests().len(), 2);
}

#[tokio::test]
#[ignore = "takes two minutes and prints figures: cargo test --lib figures_of -- --ignored --nocapture"]
#[expect(clippy::print_stdout, reason = "figures for people")]
async fn figures_of_the_rate_limiter() {
    let window = Duration::from_secs(10);
    let average = RateLimit::Average { per_second: 3.0, burst: 10.0 };
    let cases = [
        ("3 a second, burst 10", average, 0, 112_u32, 34.0),
        ("3 a second, burst 10, 200 ms", average, 200, 112, 34.0),
        ("226 in 10 s", RateLimit::Window { requests: 226, window }, 0, 5 * 226 + 20, 50.0),
        ("no limit, 200 ms", RateLimit::Unlimited, 200, 1_000, 25.0),
    ];
    for (name, rate_limit, latency_ms, requests, ideal) in cases {
        let mut workspace = Workspace::new();
        workspace.settings.rate_limit = rate_limit;
        workspace.settings.latency = Duration::from_millis(latency_ms);
        let notion = FakeNotion::start(workspace).await;
        let settings = ClientSettings { access_token: notion.token().into(), ..impatient(&notion.url()) };
        let client = NotionClient::new(settings, |_tokens| {}).unwrap();
        let (left, started) = (AtomicUsize::new(requests as usize), Instant::now());
        let work = async || {
            while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
            {
                client.get(ME).await.unwrap();
            }
        };
        join_all((0..8).map(|_worker| work())).await;
        let (took, sent) = (started.elapsed().as_secs_f64(), notion.requests().len());
        let refused = notion.requests().iter().filter(|logged| logged.held).count();
        println!(
            "{name}: {refused} of {sent} refused ({:.1} %), {took:.1} s / {ideal} s = {:.3}, {:.1} answers a second",
            100.0 * f64::from(u32::try_from(refused).unwrap()) / f64::from(u32::try_from(sent).unwrap()),
            took / ideal,
            f64::from(requests) / took,
        );
    }
}
