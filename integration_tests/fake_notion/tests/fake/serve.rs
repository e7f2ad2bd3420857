//! The example `serve`, as scripts and people start it.

use std::{
    env,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
};

/// A started server; it is ended with its test.
struct Served {
    child: Child,
    address: String,
    token: String,
}

impl Served {
    fn start(options: &[&str]) -> Self {
        let mut child = serve(options).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let (url, token) = line.trim_end().split_once(' ').unwrap();
        let address = url.strip_prefix("http://").unwrap().to_owned();
        Self { child, address, token: token.to_owned() }
    }

    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let Self { address, token, .. } = self;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nNotion-Version: \
             2025-09-03\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        reply
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// The example that is built with this test.
fn serve(options: &[&str]) -> Command {
    let test = env::current_exe().unwrap();
    let target = test.parent().and_then(Path::parent).unwrap();
    let mut command = Command::new(target.join("examples").join("serve"));
    command.args(options);
    command
}

#[test]
fn a_budget_and_a_size_are_as_asked_for() {
    let served = Served::start(&["--pages", "30", "--window", "1/3600", "--latency", "1"]);
    let first = served.get("/v1/users");
    assert!(first.starts_with("HTTP/1.1 200") && !first.contains("Ada Example"), "{first}");
    assert!(served.get("/v1/users").starts_with("HTTP/1.1 429"));
    let served = Served::start(&["--average", "0.001,2"]);
    let heads = [(); 3].map(|()| served.get("/v1/users").lines().next().unwrap().to_owned());
    assert!(heads[0].contains(" 200") && heads[1].contains(" 200") && heads[2].contains(" 429"), "{heads:?}");
}

#[test]
fn a_port_that_is_taken_is_said() {
    let served = Served::start(&[]);
    let output = serve(&[&served.address]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let (host, port) = served.address.split_once(':').unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.starts_with(&format!("Port {port} of {host} is taken: ")), "{told}");
}

#[test]
fn what_cannot_be_understood_is_answered_with_the_usage() {
    for options in
        [&["--pages", "many"][..], &["--latency"], &["--window", "180"], &["--average", "0"], &["8090"]]
    {
        let output = serve(options).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{options:?}");
        assert!(String::from_utf8(output.stderr).unwrap().contains("\nUsage: serve "), "{options:?}");
    }
}
