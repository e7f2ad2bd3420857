//! The way to Notion: proxies and certificates, with the program and real TLS.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use fake_notion::{FakeNotion, sample::sample_workspace};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, copy_bidirectional},
    net::{TcpListener, TcpStream},
    runtime::Runtime,
};
use tokio_rustls::TlsAcceptor;

use crate::support::{Connector, Process, SyncOutput};

/// A file of the folder with the certificates.
fn certificate(name: &str) -> String {
    format!("{}/integration_tests/tls/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// A proxy whose tunnels, whatever host they ask for, end at a TLS server for `notion.test` before a fake.
struct Proxy {
    notion: FakeNotion,
    address: SocketAddr,
    tunnels: Arc<AtomicUsize>,
    /// The headers of the last request for a tunnel.
    headers: Arc<Mutex<String>>,
    _runtime: Runtime,
}

impl Proxy {
    fn start() -> Self {
        let notion = FakeNotion::start_blocking(sample_workspace());
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let address = listener.local_addr().unwrap();
        let (tunnels, headers) = (Arc::new(AtomicUsize::new(0)), Arc::<Mutex<String>>::default());
        let fake: SocketAddr = notion.url().trim_start_matches("http://").parse().unwrap();
        let (acceptor, counter, heads) = (acceptor(), Arc::clone(&tunnels), Arc::clone(&headers));
        runtime.spawn(async move {
            while let Ok((client, _address)) = listener.accept().await {
                counter.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(tunnel(client, acceptor.clone(), fake, Arc::clone(&heads)));
            }
        });
        Self { notion, address, tunnels, headers, _runtime: runtime }
    }

    /// Checks the connection to `https://notion.test` through this proxy.
    fn check(&self, authority: &str) -> SyncOutput {
        self.check_with("http://PROXY", &[("SSL_CERT_FILE", authority)])
    }

    /// The same with a value of `HTTPS_PROXY` in which `PROXY` stands for this one's address, and with these variables.
    fn check_with(&self, proxy: &str, variables: &[(&str, &str)]) -> SyncOutput {
        let connector = Connector::new(&self.notion).with_config("api_url", json!("https://notion.test"));
        let proxy = proxy.replace("PROXY", &self.address.to_string());
        let mut environment = vec![("HTTPS_PROXY", proxy.as_str()), ("NO_PROXY", "")];
        environment.extend(variables);
        Process::spawn(&connector.arguments("check"), &environment).wait()
    }
}

/// Answers one CONNECT, then speaks TLS and passes everything on to the fake. A client that goes away in between
/// is its own business.
async fn tunnel(
    client: TcpStream,
    acceptor: TlsAcceptor,
    fake: SocketAddr,
    headers: Arc<Mutex<String>>,
) -> Option<()> {
    let mut client = BufReader::new(client);
    let mut line = String::new();
    client.read_line(&mut line).await.ok()?;
    assert_eq!(line, "CONNECT notion.test:443 HTTP/1.1\r\n");
    let mut head = String::new();
    while line != "\r\n" {
        line.clear();
        client.read_line(&mut line).await.ok()?;
        head.push_str(&line);
    }
    *headers.lock().unwrap() = head;
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.ok()?;
    let mut client = acceptor.accept(client).await.ok()?;
    let mut fake = TcpStream::connect(fake).await.ok()?;
    copy_bidirectional(&mut client, &mut fake).await.ok()?;
    Some(())
}

fn acceptor() -> TlsAcceptor {
    let chain = vec![CertificateDer::from_pem_file(certificate("server.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(certificate("server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    TlsAcceptor::from(Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap()))
}

#[test]
fn the_proxy_and_the_certificates_of_the_environment_are_used() {
    let proxy = Proxy::start();
    let output = proxy.check(&certificate("authority.pem"));
    let (status, message) = output.connection_status();
    assert_eq!(status, "SUCCEEDED", "{message}");
    assert!(message.starts_with("Connected as the integration \"Fake integration\""), "{message}");
    assert_eq!((output.exit_code, output.stderr.as_str()), (Some(0), ""));
    assert!(proxy.tunnels.load(Ordering::Relaxed) > 0);
    assert!(proxy.notion.requests().len() >= 2);
}

#[test]
fn an_unknown_certificate_is_refused_and_named() {
    let proxy = Proxy::start();
    // A certificate that did not sign the server's.
    let output = proxy.check(&certificate("server.pem"));
    let (status, message) = output.connection_status();
    assert_eq!((status.as_str(), output.exit_code), ("FAILED", Some(0)));
    assert_eq!(
        message,
        "No connection to Notion: TLS failed (client error (Connect): invalid peer certificate: UnknownIssuer). If a \
         proxy or firewall inspects the traffic, add its certificate authority to the system's store, or name a file \
         with it in SSL_CERT_FILE."
    );
    assert_eq!(proxy.notion.requests().len(), 0, "nothing is sent over such a connection");
}

#[test]
fn a_proxy_gets_the_user_and_password_whatever_characters_they_have() {
    // The user `DOMAIN\user` and the password `p^s s%`.
    const EXPECTED: &str = "Basic RE9NQUlOXHVzZXI6cF5zIHMl";
    for user in [r"DOMAIN\user:p^s s%", "DOMAIN%5Cuser:p%5Es%20s%25"] {
        let proxy = Proxy::start();
        let authority = certificate("authority.pem");
        let output = proxy.check_with(&format!("http://{user}@PROXY"), &[("SSL_CERT_FILE", &authority)]);
        assert_eq!(output.connection_status().0, "SUCCEEDED", "{user}: {}", output.connection_status().1);
        let headers = proxy.headers.lock().unwrap().to_lowercase();
        assert!(headers.contains(&format!("proxy-authorization: {EXPECTED}").to_lowercase()), "{headers}");
    }
}

#[test]
fn what_cannot_be_used_of_the_environment_is_named_and_nothing_is_sent_past_it() {
    let authority = certificate("authority.pem");
    let cases = [
        ("HTTPS_PROXY", "htp://user:hidden@PROXY", "", authority.as_str()),
        ("HTTPS_PROXY", "\"http://user:hidden@PROXY\"", "", &authority),
        ("HTTPS_PROXY", "socks5://user:hidden@PROXY", "", &authority),
        ("NO_PROXY", "http://user:hidden@PROXY", "https://notion.test", &authority),
        ("SSL_CERT_FILE", "http://user:hidden@PROXY", "", "missing.pem"),
    ];
    for (variable, value, no_proxy, authority) in cases {
        let proxy = Proxy::start();
        let output = proxy.check_with(value, &[("NO_PROXY", no_proxy), ("SSL_CERT_FILE", authority)]);
        let (status, message) = output.connection_status();
        assert_eq!((status.as_str(), output.exit_code), ("FAILED", Some(0)), "{variable}");
        assert!(message.contains(variable) && !message.contains("hidden"), "{message}");
        assert_eq!(
            (proxy.tunnels.load(Ordering::Relaxed), proxy.notion.requests().len()),
            (0, 0),
            "{variable}"
        );
    }
}
