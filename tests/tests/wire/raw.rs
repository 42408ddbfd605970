//! HTTP/2 by hand, for what no honest client sends.

use std::net::SocketAddr;
use std::sync::Arc;

use emend_tests::authority::Authority;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// What every client of HTTP/2 sends first, and empty settings.
const OPENING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;

/// A TLS connection without a client certificate.
pub(crate) async fn connect(address: SocketAddr, authority: &Authority) -> TlsStream<TcpStream> {
    try_connect(address, authority).await.unwrap()
}

async fn try_connect(address: SocketAddr, authority: &Authority) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let line = TcpStream::connect(address).await?;
    let name = ServerName::from(address.ip());
    TlsConnector::from(Arc::new(config)).connect(name, line).await
}

/// The same, as far as HTTP/2.
pub(crate) async fn open(address: SocketAddr, authority: &Authority) -> TlsStream<TcpStream> {
    let mut line = connect(address, authority).await;
    line.write_all(OPENING).await.unwrap();
    line.flush().await.unwrap();
    line
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// The head of a call: POST, https, a path, an authority; none of it indexed.
fn head() -> Vec<u8> {
    let path = b"/emend.v1.JobService/ListJobs";
    let mut block = vec![0x83, 0x87, 0x04, u8::try_from(path.len()).unwrap()];
    block.extend(path);
    block.extend([0x01, 1, b'x']);
    block
}

/// Calls that are begun and reset at once, by the numbers of their streams.
pub(crate) fn begun_and_reset(streams: impl Iterator<Item = u32>) -> Vec<u8> {
    let head = head();
    let cancel = 8u32.to_be_bytes();
    streams
        .flat_map(|stream| {
            let begin = frame(HEADERS, END_HEADERS, stream, &head);
            [begin, frame(RST_STREAM, 0, stream, &cancel)].concat()
        })
        .collect()
}

/// A call whose headers begin.
pub(crate) fn headers_begin(stream: u32) -> Vec<u8> {
    frame(HEADERS, 0, stream, &head())
}

/// Headers that go on, with 16 KiB of names and values.
pub(crate) fn headers_go_on(stream: u32) -> Vec<u8> {
    let mut block = Vec::new();
    for _ in 0..160 {
        block.extend([0x00, 1, b'a', 96]);
        block.extend([b'b'; 96]);
    }
    frame(CONTINUATION, 0, stream, &block)
}

/// A call whose message begins: it says whether it is compressed and how long it is, and four bytes come.
pub(crate) fn message_begins(stream: u32, compressed: u8, length: u32) -> Vec<u8> {
    let mut data = vec![compressed];
    data.extend(length.to_be_bytes());
    data.extend([1, 2, 3, 4]);
    [frame(HEADERS, END_HEADERS, stream, &head()), frame(DATA, 0, stream, &data)].concat()
}

/// A certificate's bytes.
pub(crate) fn der(pem: &str) -> Vec<u8> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap().to_vec()
}

/// The certificate that a scheduler shows, when it is one of `authority`'s.
pub(crate) async fn shown(address: SocketAddr, authority: &Authority) -> Option<Vec<u8>> {
    let line = try_connect(address, authority).await.ok()?;
    line.get_ref().1.peer_certificates()?.first().map(|certificate| certificate.to_vec())
}
