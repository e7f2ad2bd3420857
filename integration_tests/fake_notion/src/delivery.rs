//! Answers as HTTP responses: encoding, and bodies that break off.

use std::{convert::Infallible, io, io::Write, time::Duration};

use axum::{
    body::{Body, Bytes},
    http::StatusCode,
    response::Response,
};
use flate2::{Compression, write::GzEncoder};
use futures_util::stream;

use crate::answer::Answer;

/// How long the part before a break has to reach the client.
const BEFORE_BREAK: Duration = Duration::from_millis(20);
const SLOW_PIECES: usize = 10;

/// How the body travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    Whole,
    /// Half of it, then the connection is closed.
    Cut,
    /// None of it, then the connection is closed.
    Reset,
    /// In pieces, each after a delay.
    Slow(Duration),
}

/// Makes the response, gzip-encoded if wanted.
pub(crate) fn respond(answer: Answer, gzip: bool, delivery: Delivery) -> Response {
    let mut response = Response::builder()
        .status(StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
        .header("content-type", answer.content_type);
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    let mut body = answer.body;
    if gzip {
        response = response.header("content-encoding", "gzip");
        body = compressed(&body);
    }
    if delivery != Delivery::Whole {
        response = response.header("content-length", body.len());
    }
    response.body(travelling(body, delivery)).expect("headers of scripted answers are valid")
}

fn travelling(mut body: Vec<u8>, delivery: Delivery) -> Body {
    match delivery {
        Delivery::Whole => Body::from(body),
        Delivery::Cut => {
            body.truncate(body.len() / 2);
            broken_after(body)
        }
        Delivery::Reset => broken_after(Vec::new()),
        Delivery::Slow(delay) => {
            let length = body.len().div_ceil(SLOW_PIECES).max(1);
            let pieces: Vec<Bytes> = body.chunks(length).map(Bytes::copy_from_slice).collect();
            Body::from_stream(stream::unfold(pieces.into_iter(), move |mut pieces| async move {
                let piece = pieces.next()?;
                tokio::time::sleep(delay).await;
                Some((Ok::<_, Infallible>(piece), pieces))
            }))
        }
    }
}

/// A body that ends in an error after `part`, which makes the server close the connection.
fn broken_after(part: Vec<u8>) -> Body {
    Body::from_stream(stream::unfold(Some(part), |part| async move {
        match part {
            Some(part) if !part.is_empty() => Some((Ok(Bytes::from(part)), Some(Vec::new()))),
            Some(_) => {
                tokio::time::sleep(BEFORE_BREAK).await;
                Some((Err(io::Error::from(io::ErrorKind::ConnectionReset)), None))
            }
            None => None,
        }
    }))
}

fn compressed(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    encoder.write_all(body).expect("writing to memory cannot fail");
    encoder.finish().expect("writing to memory cannot fail")
}
