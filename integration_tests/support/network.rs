//! Places in the network that are not Notion.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
    sync::Arc,
    thread,
};

use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer},
};
use tokio::net::TcpSocket;

/// The authority that signed the certificate of [`serve_bytes_over_tls`]; no system trusts it.
pub(crate) const AUTHORITY: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/integration_tests/tls/authority.pem");

/// An address of this machine that refuses connections, for as long as it lives.
#[derive(Debug)]
pub(crate) struct ClosedPort(TcpSocket);

impl ClosedPort {
    /// Takes a free port and does not listen on it.
    pub(crate) fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        Self(socket)
    }

    /// The address, as `127.0.0.1:PORT`.
    pub(crate) fn address(&self) -> String {
        self.0.local_addr().unwrap().to_string()
    }
}

/// Starts a server that gives every request the same answer, byte for byte; returns its address.
pub(crate) fn serve_bytes(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        while let Ok((mut connection, _from)) = listener.accept() {
            reply(&mut connection, answer);
        }
    });
    address
}

/// The same over TLS.
pub(crate) fn serve_bytes_over_tls(answer: &'static str) -> String {
    let certificate = CertificateDer::from(include_bytes!("../tls/server.der").as_slice());
    let key = PrivateKeyDer::try_from(include_bytes!("../tls/server_key.der").as_slice()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        while let Ok((connection, _from)) = listener.accept() {
            let session = ServerConnection::new(Arc::clone(&config)).unwrap();
            reply(&mut StreamOwned::new(session, connection), answer);
        }
    });
    address
}

/// Waits for a request and answers it. A client that goes away early gets no answer.
fn reply(connection: &mut (impl Read + Write), answer: &str) {
    let mut head = [0; 4096];
    if connection.read(&mut head).is_ok_and(|count| count > 0) {
        drop(connection.write_all(answer.as_bytes()).and_then(|()| connection.flush()));
    }
}
