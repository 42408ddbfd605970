//! A TCP proxy that loses answers: it holds back what the server says, and cuts the connection once the server has
//! said it. The request was then processed, and the caller does not know. It also hangs up in the middle of a request,
//! and holds back what goes one way, or both: as on a network that is cut, it arrives once that is whole again.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What every client of HTTP/2 says first, in bytes.
const PREFACE: usize = 24;
/// An HTTP/2 frame's header: three bytes of length, type, flags, four of stream.
const FRAME_HEADER: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
/// The flag of a request's last frame.
const END_STREAM: u8 = 1;

/// A proxy to one server. Connections end when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    /// Where it listens.
    pub address: SocketAddr,
    line: Arc<Line>,
    _accepting: JoinSet<()>,
}

#[derive(Debug)]
struct Line {
    /// Whether the next answer is lost.
    lose: AtomicBool,
    /// How many were.
    lost: watch::Sender<u32>,
    /// How many connections there were.
    connections: AtomicU64,
    /// When connections that begin now are hung up on.
    hang_up: Mutex<Option<HangUp>>,
    /// Bytes of requests on the connection that was followed last.
    sent: AtomicU64,
    /// What the network does to both directions.
    network: watch::Sender<Network>,
}

/// What a network does to bytes on their way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Network {
    /// What the client says does not arrive for now.
    pub up_cut: bool,
    /// What the server says does not arrive for now.
    pub down_cut: bool,
    /// How long everything takes.
    pub delay: Duration,
}

impl Proxy {
    /// Starts a proxy to `server`.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let line = Arc::new(Line {
            lose: AtomicBool::new(false),
            lost: watch::Sender::new(0),
            connections: AtomicU64::new(0),
            hang_up: Mutex::default(),
            sent: AtomicU64::new(0),
            network: watch::Sender::new(Network::default()),
        });
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, server, line.clone()));
        Self { address, line, _accepting: accepting }
    }

    /// Loses the next answer: nothing the server says from now on arrives, and when it has begun to answer a call
    /// the connection is reset. Connections made after that are sound.
    pub fn lose_next_answer(&self) {
        self.line.lose.store(true, Ordering::SeqCst);
    }

    /// Resets connections when so many bytes of requests have reached the server, or so many whole requests if that is
    /// earlier. It is always in the middle of a request or at its end, so that one is not answered.
    ///
    /// # Panics
    /// Never: nobody panics with it in hand.
    pub fn hang_up_after(&self, bytes: u64, requests: u32) {
        *self.line.hang_up.lock().expect("nobody panics with it") = Some(HangUp::after(bytes, requests));
    }

    /// Cuts the network, delays it, or makes it whole again, for all connections and those to come.
    pub fn network(&self, network: Network) {
        self.line.network.send_replace(network);
    }

    /// How many bytes of requests came over the connection that somebody was to hang up on last.
    pub fn sent(&self) -> u64 {
        self.line.sent.load(Ordering::SeqCst)
    }

    /// How many connections were made.
    pub fn connections(&self) -> u64 {
        self.line.connections.load(Ordering::SeqCst)
    }

    /// How many answers were lost.
    pub fn lost(&self) -> u32 {
        *self.line.lost.borrow()
    }
}

impl Line {
    /// Takes as long as the network takes.
    async fn travel(&self, cut: impl Fn(&Network) -> bool) {
        let delay = self.network.borrow().delay;
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        // An error would mean that the proxy is gone, and its connections with it.
        let mut network = self.network.subscribe();
        let _whole = network.wait_for(|network| !cut(network)).await.is_ok();
    }
}

async fn accept(listener: TcpListener, server: SocketAddr, line: Arc<Line>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        line.connections.fetch_add(1, Ordering::SeqCst);
        let line = line.clone();
        connections.spawn(async move {
            if let Ok(server) = TcpStream::connect(server).await {
                carry(client, server, &line).await;
            }
        });
    }
}

async fn carry(client: TcpStream, server: TcpStream, line: &Line) {
    let _small_messages = (client.set_nodelay(true), server.set_nodelay(true));
    // A connection that ends here is reset, as when a process dies.
    let _reset = (client.set_zero_linger(), server.set_zero_linger());
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let up = async {
        let mut hang_up = line.hang_up.lock().expect("nobody panics with it").clone();
        let mut bytes = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = from_client.read(&mut bytes).await {
            let due = hang_up.as_mut().and_then(|hang_up| hang_up.due(&bytes[..count]));
            line.travel(|network| network.up_cut).await;
            if to_server.write_all(&bytes[..due.unwrap_or(count)]).await.is_err() {
                return;
            }
            if let Some(hang_up) = &hang_up {
                line.sent.store(hang_up.passed, Ordering::SeqCst);
            }
            if due.is_some() {
                return;
            }
        }
    };
    let down = async {
        let mut frames = Frames::default();
        let mut bytes = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = from_server.read(&mut bytes).await {
            let answers = frames.answers(&bytes[..count]);
            if line.lose.load(Ordering::SeqCst) {
                if answers {
                    line.lose.store(false, Ordering::SeqCst);
                    line.lost.send_modify(|lost| *lost += 1);
                    return;
                }
                continue;
            }
            line.travel(|network| network.down_cut).await;
            if to_client.write_all(&bytes[..count]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = up => {}
        () = down => {}
    }
}

/// When to hang up on a client: after so many bytes of its requests, or so many whole ones. What else it says, settings and
/// windows, depends on how fast the two sides are, and does not count.
#[derive(Debug, Clone)]
struct HangUp {
    bytes: u64,
    requests: u32,
    /// Bytes of requests so far.
    passed: u64,
    /// Bytes of the preface still to come.
    preface: usize,
    /// The frame under way: its header, and bytes of its payload still to come.
    header: Vec<u8>,
    payload: usize,
}

impl HangUp {
    fn after(bytes: u64, requests: u32) -> Self {
        Self { bytes, requests, passed: 0, preface: PREFACE, header: Vec::new(), payload: 0 }
    }

    /// After how many of these bytes it is time, if it is.
    fn due(&mut self, bytes: &[u8]) -> Option<usize> {
        let at = bytes.iter().position(|byte| self.is_over_with(*byte))?;
        Some(at + 1)
    }

    fn is_over_with(&mut self, byte: u8) -> bool {
        if self.preface > 0 {
            self.preface -= 1;
            return false;
        }
        let in_payload = self.header.len() == FRAME_HEADER;
        if in_payload {
            self.payload -= 1;
        } else {
            self.header.push(byte);
        }
        let [a, b, c, kind, flags, ..] = self.header[..] else { return false };
        let of_request = matches!(kind, DATA | HEADERS);
        if !in_payload && self.header.len() == FRAME_HEADER {
            self.payload = length(a, b, c);
        }
        self.passed += u64::from(in_payload && of_request);
        if self.header.len() == FRAME_HEADER && self.payload == 0 {
            self.requests -= u32::from(of_request && flags & END_STREAM != 0);
            self.header.clear();
        }
        self.requests == 0 || in_payload && of_request && self.passed == self.bytes
    }
}

/// The length of a frame's payload, as its header has it.
fn length(a: u8, b: u8, c: u8) -> usize {
    usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c)
}

/// Follows HTTP/2 frames through a stream of bytes, to tell an answer from settings, pings and windows.
#[derive(Debug, Default)]
struct Frames {
    header: Vec<u8>,
    /// Bytes of the frame's payload still to come.
    payload: usize,
}

impl Frames {
    /// Whether an answer begins in these bytes.
    fn answers(&mut self, mut bytes: &[u8]) -> bool {
        let mut answers = false;
        while !bytes.is_empty() {
            let skipped = self.payload.min(bytes.len());
            self.payload -= skipped;
            bytes = &bytes[skipped..];
            let taken = (FRAME_HEADER - self.header.len()).min(bytes.len());
            self.header.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
            if let [a, b, c, kind, ..] = self.header[..]
                && self.header.len() == FRAME_HEADER
            {
                answers |= kind == HEADERS;
                self.payload = length(a, b, c);
                self.header.clear();
            }
        }
        answers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_told_from_other_frames_however_they_are_cut() {
        let settings = [0, 0, 2, 4, 0, 0, 0, 0, 0, 1, 1];
        let answer = [0, 0, 3, HEADERS, 4, 0, 0, 0, 1, 7, 7, 7];
        let stream = [&settings[..], &settings, &answer, &settings].concat();
        for cut in 1..stream.len() {
            let mut frames = Frames::default();
            let before = frames.answers(&stream[..cut]);
            let after = frames.answers(&stream[cut..]);
            assert!(before ^ after, "cut at {cut}");
            assert_eq!(before, cut >= 2 * settings.len() + FRAME_HEADER);
        }
    }

    #[test]
    fn a_client_is_hung_up_on_when_its_request_is_whole_however_it_comes() {
        let head = [0, 0, 1, HEADERS, 4, 0, 0, 0, 1, 7];
        let last = [0, 0, 2, DATA, END_STREAM, 0, 0, 0, 1, 1, 1];
        let settings = [0, 0, 0, 4, END_STREAM, 0, 0, 0, 0];
        let stream = [&[b'x'; PREFACE][..], &settings, &head, &last, &head, &last, &settings].concat();
        let whole = PREFACE + settings.len() + head.len() + last.len();
        for cut in 1..stream.len() {
            for (requests, due) in [(1, whole), (2, stream.len() - settings.len())] {
                let mut hang_up = HangUp::after(u64::MAX, requests);
                let first = hang_up.due(&stream[..cut]);
                let at = first.or_else(|| hang_up.due(&stream[cut..]).map(|more| cut + more));
                assert_eq!(at, Some(due), "{requests} requests, cut at {cut}");
            }
        }
        assert_eq!(HangUp::after(1, 1).due(&stream), Some(PREFACE + settings.len() + head.len()));
        let mut never = HangUp::after(u64::MAX, 3);
        assert_eq!((never.due(&stream), never.passed), (None, 6));
    }
}
