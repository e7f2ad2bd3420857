//! A server for the client's tests that answers as a closure says.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

use super::{ClientSettings, NotionClient, OAuthClient, RetryPolicy, Timeouts};

/// A request as the server got it.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// Path and query.
    pub(super) target: String,
    pub(super) body: Value,
    pub(super) authorization: String,
}

impl Asked {
    /// A parameter of the query, or a field of the body.
    pub(super) fn parameter(&self, name: &str) -> Option<String> {
        let query = self.target.split_once('?').map_or("", |(_path, query)| query);
        let in_query = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        let in_body = || match &self.body[name] {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            value => Some(value.to_string()),
        };
        in_query.map(str::to_owned).or_else(in_body)
    }

    /// Which results are asked for, where each cursor is a number.
    pub(super) fn range(&self) -> (usize, usize) {
        let number = |name, default| self.parameter(name).map_or(default, |text| text.parse().unwrap());
        (number("start_cursor", 0), number("page_size", 100))
    }
}

/// What it answers.
#[derive(Clone, Debug)]
pub(super) enum Reply {
    /// Status, further header lines, body.
    Answer(u16, String, String),
    /// The connection is closed.
    Drop,
}

impl Reply {
    pub(super) fn json(body: &(impl ToString + ?Sized)) -> Self {
        Self::Answer(200, String::new(), body.to_string())
    }

    /// One of Notion's errors.
    pub(super) fn error(status: u16, code: &str, message: &str) -> Self {
        let body = json!({"object": "error", "status": status, "code": code, "message": message});
        Self::Answer(status, String::new(), body.to_string())
    }

    /// The part of a listing that is asked for, of so many results whose cursors are numbers.
    pub(super) fn page(asked: &Asked, total: usize) -> Self {
        let (start, size) = asked.range();
        let end = (start + size).min(total);
        let results: Vec<Value> = (start..end).map(|number| json!({"id": id(number)})).collect();
        let next = (end < total).then(|| end.to_string());
        Self::json(
            &json!({"object": "list", "results": results, "has_more": next.is_some(), "next_cursor": next}),
        )
    }
}

/// The id of a result by its number.
pub(super) fn id(number: usize) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

/// A running server.
#[derive(Clone, Debug)]
pub(super) struct TestServer {
    address: SocketAddr,
    log: Arc<Mutex<Vec<Asked>>>,
}

impl TestServer {
    /// Answers each request as told, until the runtime ends.
    pub(super) async fn start(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self { address: listener.local_addr().unwrap(), log: Arc::default() };
        let (log, answer) = (Arc::clone(&server.log), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((connection, _from)) = listener.accept().await {
                tokio::spawn(serve(connection, Arc::clone(&log), Arc::clone(&answer)));
            }
        });
        server
    }

    /// Gives these answers, one after the other, and then the last one always.
    pub(super) async fn script(replies: impl IntoIterator<Item = Reply>) -> Self {
        let replies = Mutex::new(replies.into_iter().collect::<VecDeque<_>>());
        Self::start(move |_asked| {
            let mut replies = replies.lock().unwrap();
            if replies.len() > 1 { replies.pop_front().unwrap() } else { replies[0].clone() }
        })
        .await
    }

    /// What it was asked so far.
    pub(super) fn asked(&self) -> Vec<Asked> {
        self.log.lock().unwrap().clone()
    }

    /// An impatient client of it.
    pub(super) fn client(&self) -> NotionClient {
        NotionClient::new(self.settings(), |_tokens| {}).unwrap()
    }

    /// The same with a refresh token.
    pub(super) fn oauth_client(&self) -> NotionClient {
        let oauth = OAuthClient {
            client_id: "client".to_owned(),
            client_secret: "secret".into(),
            refresh_token: Some("refresh".into()),
        };
        NotionClient::new(ClientSettings { oauth: Some(oauth), ..self.settings() }, |_tokens| {}).unwrap()
    }

    fn settings(&self) -> ClientSettings {
        impatient(&format!("http://{}", self.address))
    }
}

/// Settings that retry at once.
pub(super) fn impatient(base: &str) -> ClientSettings {
    ClientSettings {
        base: base.parse().unwrap(),
        access_token: "old".into(),
        oauth: None,
        max_in_flight: 8,
        retry: RetryPolicy {
            first_delay: std::time::Duration::from_millis(1),
            max_delay: std::time::Duration::from_millis(5),
            max_retries: 4,
        },
        timeouts: Timeouts::default(),
    }
}

async fn serve(
    connection: TcpStream,
    log: Arc<Mutex<Vec<Asked>>>,
    answer: Arc<impl Fn(&Asked) -> Reply>,
) -> Option<()> {
    let mut connection = BufReader::new(connection);
    loop {
        let asked = read_request(&mut connection).await?;
        log.lock().unwrap().push(asked.clone());
        let Reply::Answer(status, headers, body) = answer(&asked) else { return None };
        let length = body.len();
        let text = format!("HTTP/1.1 {status} Any\r\n{headers}Content-Length: {length}\r\n\r\n{body}");
        connection.write_all(text.as_bytes()).await.ok()?;
    }
}

async fn read_request(connection: &mut BufReader<TcpStream>) -> Option<Asked> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if connection.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        if line == "\r\n" {
            break;
        }
        lines.push(line);
    }
    let header = |name: &str| {
        lines.iter().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    };
    let mut body = vec![0; header("content-length").map_or(0, |length| length.parse().unwrap())];
    connection.read_exact(&mut body).await.ok()?;
    Some(Asked {
        target: lines.first()?.split(' ').nth(1)?.to_owned(),
        body: serde_json::from_slice(&body).unwrap_or_default(),
        authorization: header("authorization").unwrap_or_default(),
    })
}
