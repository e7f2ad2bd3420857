//! The way to Notion: proxies and certificates, with the program and real TLS.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
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
    _runtime: Runtime,
}

impl Proxy {
    fn start() -> Self {
        let notion = FakeNotion::start_blocking(sample_workspace());
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let address = listener.local_addr().unwrap();
        let tunnels = Arc::new(AtomicUsize::new(0));
        let fake: SocketAddr = notion.url().trim_start_matches("http://").parse().unwrap();
        let (acceptor, counter) = (acceptor(), Arc::clone(&tunnels));
        runtime.spawn(async move {
            while let Ok((client, _address)) = listener.accept().await {
                counter.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(tunnel(client, acceptor.clone(), fake));
            }
        });
        Self { notion, address, tunnels, _runtime: runtime }
    }

    /// Checks the connection to `https://notion.test` through this proxy.
    fn check(&self, authority: &str) -> SyncOutput {
        let connector = Connector::new(&self.notion).with_config("api_url", json!("https://notion.test"));
        let proxy = format!("http://{}", self.address);
        let environment = [("HTTPS_PROXY", proxy.as_str()), ("NO_PROXY", ""), ("SSL_CERT_FILE", authority)];
        Process::spawn(&connector.arguments("check"), &environment).wait()
    }
}

/// Answers one CONNECT, then speaks TLS and passes everything on to the fake. A client that goes away in between
/// is its own business.
async fn tunnel(client: TcpStream, acceptor: TlsAcceptor, fake: SocketAddr) -> Option<()> {
    let mut client = BufReader::new(client);
    let mut line = String::new();
    client.read_line(&mut line).await.ok()?;
    assert_eq!(line, "CONNECT notion.test:443 HTTP/1.1\r\n");
    while line != "\r\n" {
        line.clear();
        client.read_line(&mut line).await.ok()?;
    }
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
