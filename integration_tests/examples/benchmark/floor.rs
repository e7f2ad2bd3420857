//! The least that reading can cost: the same requests with the same HTTP library, and every answer thrown away.
//!
//! It unpacks the answers, as nobody can read them otherwise. It parses nothing, not even the position of the next
//! result page: it knows all requests beforehand. So no program that uses this library can reach it.

use std::{
    cell::RefCell,
    fs::File,
    io::{BufRead, BufReader, Lines},
    path::Path,
};

use futures_util::{TryStreamExt, stream::FuturesUnordered};
use reqwest::{Client, redirect::Policy};
use serde_json::Value;
use source_notion::client::Timeouts;

use crate::{
    Outcome,
    notion::Notion,
    process::{self, Run, Usage},
};

/// As many as the connector has in flight when nothing else is configured.
const IN_FLIGHT: usize = 8;

/// Measures the floor for the requests in a file, one JSON array a line: method, path with query, body.
pub(crate) fn measure(notion: &Notion, requests: &Path) -> Outcome<Run> {
    let mut command = process::command("as-floor")?;
    command.arg(&notion.url).arg(&notion.token).arg(requests);
    process::run_silent(command)
}

/// Plays the role.
pub(crate) fn fetch(arguments: &[String]) -> Outcome<()> {
    let [_program, _role, url, token, requests] = arguments else { return Err("wrong arguments".into()) };
    let requests = RefCell::new(BufReader::new(File::open(requests)?).lines());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // As the connector's client.
        drop(rustls::crypto::ring::default_provider().install_default());
        let Timeouts { connect, read, attempt } = Timeouts::default();
        let client = Client::builder()
            .connect_timeout(connect)
            .read_timeout(read)
            .timeout(attempt)
            .redirect(Policy::none())
            .gzip(true)
            .build()?;
        let workers = (0..IN_FLIGHT).map(|_worker| work(&client, url, token, &requests));
        workers.collect::<FuturesUnordered<_>>().try_collect::<()>().await
    })?;
    Usage::print_own();
    Ok(())
}

async fn work(
    client: &Client,
    url: &str,
    token: &str,
    requests: &RefCell<Lines<BufReader<File>>>,
) -> Outcome<()> {
    loop {
        let Some(line) = requests.borrow_mut().next() else { return Ok(()) };
        let request: Value = serde_json::from_str(&line?)?;
        let text = |index: usize| request.get(index).and_then(Value::as_str);
        let target = format!("{url}{}", text(1).ok_or("no target")?);
        let builder = match text(2) {
            None => client.get(target),
            Some(body) => {
                client.post(target).header("content-type", "application/json").body(body.to_owned())
            }
        };
        let mut response = builder
            .bearer_auth(token)
            .header("notion-version", "2025-09-03")
            .send()
            .await?
            .error_for_status()?;
        while response.chunk().await?.is_some() {}
    }
}
