//! The smallest HTTP client that the tests need: one connection a request.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    time::Duration,
};

use fake_notion::{FakeNotion, Workspace};
use serde_json::{Value, json};
use uuid::Uuid;

pub(crate) struct Client {
    pub(crate) fake: FakeNotion,
    pub(crate) token: String,
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .find_map(|line| line.split_once(": ").filter(|(key, _)| *key == name))
            .map(|(_, value)| value)
    }
}

impl Client {
    pub(crate) fn new(workspace: Workspace) -> Self {
        let fake = FakeNotion::start_blocking(workspace);
        let token = fake.token().to_owned();
        Self { fake, token }
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        self.send("GET", path, "", "").unwrap()
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Reply {
        self.send("POST", path, "", &body.to_string()).unwrap()
    }

    pub(crate) fn send(&self, method: &str, path: &str, headers: &str, body: &str) -> io::Result<Reply> {
        let version = "Notion-Version: 2025-09-03\r\n";
        let authorization = format!("Authorization: Bearer {}\r\n{version}{headers}", self.token);
        self.send_bare(method, path, &authorization, body)
    }

    /// Sends only the given headers; answers what came before the connection was closed.
    pub(crate) fn send_bare(&self, method: &str, path: &str, headers: &str, body: &str) -> io::Result<Reply> {
        let url = self.fake.url();
        let mut stream = TcpStream::connect(url.trim_start_matches("http://"))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
        )?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes)?;
        let end =
            bytes.windows(4).position(|window| window == b"\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
        let body = bytes.split_off(end + 4);
        let head = String::from_utf8_lossy(&bytes).into_owned();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Ok(Reply { status, head, body })
    }

    /// One page of a list.
    pub(crate) fn list(&self, path: &str, body: Option<&Value>, cursor: Option<&str>, size: usize) -> Reply {
        if let Some(body) = body {
            let mut body = body.clone();
            body["page_size"] = size.into();
            if let Some(cursor) = cursor {
                body["start_cursor"] = cursor.into();
            }
            self.post(path, &body)
        } else {
            let sign = if path.contains('?') { '&' } else { '?' };
            let cursor = cursor.map_or(String::new(), |cursor| format!("&start_cursor={cursor}"));
            self.get(&format!("{path}{sign}page_size={size}{cursor}"))
        }
    }

    /// A whole list of a GET endpoint; none if it is refused at once.
    pub(crate) fn drain_if_found(&self, path: &str, size: usize) -> Option<Vec<Value>> {
        let first = self.list(path, None, None, size);
        if first.status != 200 {
            return None;
        }
        let mut page = first.json();
        let mut results = std::mem::take(page["results"].as_array_mut().unwrap());
        if let Some(next) = page["next_cursor"].as_str() {
            results.extend(self.drain_from(path, None, size, Some(next.to_owned())));
        }
        Some(results)
    }

    /// A whole list.
    pub(crate) fn drain(&self, path: &str, body: Option<&Value>, size: usize) -> Vec<Value> {
        self.drain_from(path, body, size, None)
    }

    fn drain_from(
        &self,
        path: &str,
        body: Option<&Value>,
        size: usize,
        mut cursor: Option<String>,
    ) -> Vec<Value> {
        let mut results = Vec::new();
        loop {
            let reply = self.list(path, body, cursor.as_deref(), size);
            assert_eq!(reply.status, 200, "{path}: {}", String::from_utf8_lossy(&reply.body));
            let mut page = reply.json();
            results.append(page["results"].as_array_mut().unwrap());
            assert_eq!(page["has_more"].as_bool().unwrap(), page["next_cursor"].is_string());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = Some(next.to_owned()),
                None => return results,
            }
        }
    }

    pub(crate) fn search(&self, kind: &str, size: usize) -> Vec<Value> {
        self.drain("/v1/search", Some(&json!({"filter": {"property": "object", "value": kind}})), size)
    }
}

pub(crate) fn id(object: &Value) -> Uuid {
    object["id"].as_str().unwrap().parse().unwrap()
}

pub(crate) fn ids(objects: &[Value]) -> Vec<Uuid> {
    objects.iter().map(id).collect()
}
