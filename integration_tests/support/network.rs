//! Places in the network that are not Notion.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
    thread,
};

use tokio::net::TcpSocket;

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
            let mut head = [0; 4096];
            // A client that goes away early gets no answer.
            if connection.read(&mut head).is_ok_and(|count| count > 0) {
                drop(connection.write_all(answer.as_bytes()));
            }
        }
    });
    address
}
