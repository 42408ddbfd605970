//! A connection whose first bytes have been seen, and who is at its other end.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio_rustls::server::TlsStream;
use x509_parser::extensions::GeneralName;

use crate::domain::caller::Caller;

/// What every client of HTTP/2 sends first.
pub(super) const PREFACE: [u8; 24] = *b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Plain or TLS.
#[derive(Debug)]
pub(super) enum Line {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Who is at the other end, as its certificate says: read once for each connection.
#[derive(Debug, Clone, Default)]
pub(super) struct Peer {
    /// None when it showed no certificate; else who it speaks for, or why it speaks for nobody.
    pub(super) certificate: Option<Arc<Result<Caller, &'static str>>>,
}

impl Peer {
    pub(super) fn of(chain: Option<&[CertificateDer<'_>]>) -> Self {
        Self { certificate: chain.and_then(<[_]>::first).map(|leaf| Arc::new(caller(leaf))) }
    }
}

/// Who a certificate that was verified speaks for.
fn caller(certificate: &CertificateDer<'_>) -> Result<Caller, &'static str> {
    let unreadable = "it cannot be read";
    let (_, read) = x509_parser::parse_x509_certificate(certificate).map_err(|_| unreadable)?;
    let names = read.subject_alternative_name().map_err(|_| unreadable)?;
    let names = names.map_or(&[][..], |extension| extension.value.general_names.as_slice());
    Caller::from_uris(names.iter().filter_map(|name| match name {
        GeneralName::URI(uri) => Some(*uri),
        _ => None,
    }))
}

/// A connection as the server reads it: from its first byte, though that was read before.
#[derive(Debug)]
pub(super) struct Connection {
    line: Line,
    peer: Peer,
    /// Bytes of the preface that the server has read.
    told: usize,
    _place: OwnedSemaphorePermit,
}

impl Connection {
    /// `line` must have given the preface, and nothing more.
    pub(super) fn new(line: Line, peer: Peer, place: OwnedSemaphorePermit) -> Self {
        Self { line, peer, told: 0, _place: place }
    }

    /// Who is at its other end.
    pub(super) fn peer(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let rest = &PREFACE[self.told..];
        if !rest.is_empty() {
            let count = rest.len().min(buffer.remaining());
            buffer.put_slice(&rest[..count]);
            self.told += count;
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.line).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.line).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.line).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.line.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.line).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.line).poll_shutdown(context)
    }
}

/// Passes a call on to whichever line it is.
macro_rules! on_line {
    ($line:expr, $stream:ident => $call:expr) => {
        match $line {
            Line::Plain($stream) => $call,
            Line::Tls($stream) => $call,
        }
    };
}

impl AsyncRead for Line {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        on_line!(self.get_mut(), stream => Pin::new(stream).poll_read(context, buffer))
    }
}

impl AsyncWrite for Line {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        on_line!(self.get_mut(), stream => Pin::new(stream).poll_write(context, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        on_line!(self.get_mut(), stream => Pin::new(stream).poll_write_vectored(context, slices))
    }

    fn is_write_vectored(&self) -> bool {
        on_line!(self, stream => stream.is_write_vectored())
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_line!(self.get_mut(), stream => Pin::new(stream).poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_line!(self.get_mut(), stream => Pin::new(stream).poll_shutdown(context))
    }
}
