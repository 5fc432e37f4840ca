//! Pushing to a server whose certificate only its owner knows.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::Arc,
    thread,
};

use promptcron::{
    config::{Network, Ntfy, Service, Target},
    push::{Client, Disposition, Kind, Message},
};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{ServerConfig, ServerConnection, StreamOwned, pki_types::PrivateKeyDer};

const TAKEN: &str = r#"{"id":"abc","time":1795392000,"event":"message","topic":"hotine"}"#;

/// Serves one connection over TLS and answers one request; gives its address and certificate.
fn server() -> (String, Arc<[u8]>) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || serve(listener.accept().unwrap().0, config));
    (
        format!("https://localhost:{port}/"),
        cert.pem().into_bytes().into(),
    )
}

/// A client that refuses the certificate ends it early, which is no failure here.
fn serve(connection: TcpStream, config: ServerConfig) -> std::io::Result<()> {
    let tls = ServerConnection::new(Arc::new(config)).unwrap();
    let mut stream = StreamOwned::new(tls, connection);
    let mut request = Vec::new();
    while !request.ends_with(b"}") {
        let mut part = [0; 4096];
        let n = stream.read(&mut part)?;
        request.extend_from_slice(&part[..n]);
    }
    let length = TAKEN.len();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{TAKEN}"
    )?;
    stream.flush()
}

fn target(url: &str, ca: Option<Arc<[u8]>>) -> Target {
    let ntfy = Ntfy {
        server: url.parse().unwrap(),
        topic: "hotine".to_owned(),
        auth: None,
    };
    Target {
        network: Network { proxy: None, ca },
        ..Target::new(Arc::from("home"), Service::Ntfy(ntfy))
    }
}

fn message() -> Message {
    Message {
        topic: "hotine".to_owned(),
        message: "金价".to_owned(),
        ..Message::default()
    }
}

#[tokio::test]
async fn a_certificate_of_ones_own_is_trusted_where_it_is_named() {
    let (url, certificate) = server();
    let target = target(&url, Some(certificate));
    let client = Client::new(&target.way()).unwrap();
    assert_eq!(client.push(&target, &message()).await.unwrap().id, "abc");
}

#[tokio::test]
async fn an_unknown_certificate_stops_the_push_before_it_is_sent() {
    let (url, _) = server();
    let target = target(&url, None);
    let client = Client::new(&target.way()).unwrap();
    let error = client.push(&target, &message()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unreachable, "{error}");
    let now = "2026-11-23T08:00:00Z".parse().unwrap();
    assert_eq!(
        error.disposition(now),
        Disposition::Retry { not_before: now }
    );
    let text = error
        .to_string()
        .replace(url.trim_end_matches('/'), "https://localhost");
    insta::assert_snapshot!(text, @"ntfy.home (https://localhost, topic hotine): cannot connect: invalid peer certificate: UnknownIssuer — is the server running, and are its address, proxy and certificate right?");
}
