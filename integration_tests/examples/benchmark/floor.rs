//! The least that reading can cost: the same requests with the same HTTP library, and every answer thrown away.
//!
//! It knows all requests beforehand, as no reader can. What it does with an answer is its [`Depth`]: unpack it and
//! throw it away, or look at where the listing goes on too, without which there is no next request.

use std::{
    cell::RefCell,
    fs::File,
    io::{BufRead, BufReader, Lines},
    path::Path,
};

use futures_util::{TryStreamExt, stream::FuturesUnordered};
use reqwest::{Client, redirect::Policy};
use serde::Deserialize;
use serde_json::Value;
use source_notion::client::Timeouts;

use crate::{
    Outcome,
    notion::Notion,
    process::{self, Run, Usage},
};

/// As many as the connector has in flight when nothing else is configured.
const IN_FLIGHT: usize = 8;

/// What is done with an answer.
#[derive(Clone, Copy)]
pub(crate) enum Depth {
    /// It is unpacked, and thrown away piece by piece.
    Transport,
    /// It is put together and its `has_more` and `next_cursor` are read; all else in it is passed over.
    Listing,
}

/// Where a listing goes on.
#[derive(Deserialize)]
struct Position {
    has_more: Option<bool>,
    next_cursor: Option<String>,
}

/// Measures the floor for the requests in a file, one JSON array a line: method, path with query, body.
pub(crate) fn measure(notion: &Notion, requests: &Path, depth: Depth) -> Outcome<Run> {
    let mut command = process::command("as-floor")?;
    command.arg(&notion.url).arg(&notion.token).arg(requests);
    if matches!(depth, Depth::Listing) {
        command.arg("and-list");
    }
    process::run_silent(command)
}

/// Plays the role.
pub(crate) fn fetch(arguments: &[String]) -> Outcome<()> {
    let [_program, _role, url, token, requests, depth @ ..] = arguments else {
        return Err("wrong arguments".into());
    };
    let depth = if depth.is_empty() { Depth::Transport } else { Depth::Listing };
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
        let workers = (0..IN_FLIGHT).map(|_worker| work(&client, url, token, &requests, depth));
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
    depth: Depth,
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
        match depth {
            Depth::Transport => while response.chunk().await?.is_some() {},
            Depth::Listing => {
                let position: Position = serde_json::from_slice(&response.bytes().await?)?;
                if position.has_more == Some(true) && position.next_cursor.is_none() {
                    return Err("a listing does not go on".into());
                }
            }
        }
    }
}
