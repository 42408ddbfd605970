//! What a failed call means: refused, overloaded, or unknown.

use std::error::Error;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::chance;

/// A failed try, sorted by what to do about it.
#[derive(Debug)]
pub(super) enum Fault {
    /// An answer: trying again gives the same.
    Refused(Status),
    /// The scheduler has too much to do, and may have said when to come back.
    Busy { status: Status, wait: Option<Duration> },
    /// The store has no room, whichever scheduler is asked.
    Full { status: Status, wait: Option<Duration> },
    /// Nobody was there, or the answer was lost: the call may or may not have taken effect.
    Unknown(Status),
}

impl Fault {
    pub(super) fn of(status: Status) -> Self {
        // A status that came over the wire has no source; one that stands for a broken connection has.
        let broken = status.source().is_some();
        match status.code() {
            Code::Unavailable | Code::DeadlineExceeded => Self::Unknown(status),
            Code::Unknown | Code::Internal | Code::Cancelled | Code::ResourceExhausted if broken => {
                Self::Unknown(status)
            }
            // What tonic's own time-outs answer, on either side.
            Code::Cancelled if status.message() == "Timeout expired" => Self::Unknown(status),
            Code::ResourceExhausted => {
                let asked = status.get_details_retry_info().and_then(|info| info.retry_delay);
                let wait = asked.map(|wait| wait + chance::up_to(wait / 4));
                match status.get_details_error_info() {
                    Some(info) if info.reason == "STORE_FULL" => Self::Full { status, wait },
                    _ => Self::Busy { status, wait },
                }
            }
            _ => Self::Refused(status),
        }
    }

    /// No answer within `timeout`.
    pub(super) fn silence(timeout: Duration) -> Self {
        Self::Unknown(Status::deadline_exceeded(format!("no answer within {timeout:.1?}")))
    }

    pub(super) fn into_status(self) -> Status {
        match self {
            Self::Refused(status)
            | Self::Busy { status, .. }
            | Self::Full { status, .. }
            | Self::Unknown(status) => status,
        }
    }

    /// For people: the innermost error, since the outer ones only say "transport error".
    pub(super) fn reason(&self) -> String {
        let (Self::Refused(status)
        | Self::Busy { status, .. }
        | Self::Full { status, .. }
        | Self::Unknown(status)) = self;
        status.source().map_or_else(|| status.message().to_owned(), root_cause)
    }

    /// The status with which a call ends when time is up.
    pub(super) fn give_up(self, urls: &[String], turn: usize, tries: usize, elapsed: Duration) -> Status {
        // Nobody is left because the store is full: it is asked again itself.
        let others = if matches!(self, Self::Full { .. }) { 1 } else { tries.min(urls.len()) };
        let tried: Vec<&str> =
            (0..others).rev().map(|back| urls[(turn + urls.len() - back) % urls.len()].as_str()).collect();
        let last = urls[turn % urls.len()].as_str();
        let reason = self.reason();
        let what = match self {
            Self::Busy { .. } => "the scheduler is overloaded",
            Self::Full { .. } => "the scheduler's store is full",
            Self::Refused(_) | Self::Unknown(_) => "no scheduler can be reached",
        };
        let times = if tries == 1 { "once".to_owned() } else { format!("{tries} times in {elapsed:.1?}") };
        let hint = hint(last, &reason).map(|hint| format!(" ({hint})")).unwrap_or_default();
        let message = format!("{what}: tried {} {times}; {last} said last: {reason}{hint}", tried.join(", "));
        match self {
            Self::Busy { status, .. } | Self::Full { status, .. } => {
                let details = status.details().to_vec().into();
                Status::with_details(Code::ResourceExhausted, message, details)
            }
            Self::Refused(_) | Self::Unknown(_) => Status::unavailable(message),
        }
    }
}

/// What TLS says when it fails, and what to do about it. Both sides' words are those of rustls.
const HINTS: [(&str, &str); 7] = [
    ("UnknownIssuer", "its authority is not trusted here: give its CA by --ca, EMEND_CA or worker.tls.ca"),
    ("not valid for name", "call it by a name of its certificate, or have this name put there"),
    ("certificate expired", "the scheduler's certificate has ended: have a new one put there"),
    (
        "CertificateRequired",
        "it asks for a client certificate: give --certificate and --key, EMEND_CERTIFICATE and EMEND_KEY, or worker.tls.certificate \
         and worker.tls.key",
    ),
    ("CertificateExpired", "the client certificate has ended: get a new one"),
    (
        "UnknownCA",
        "the scheduler does not trust the authority of the client certificate: see scheduler.tls.client_ca",
    ),
    ("fatal alert", "the scheduler does not take the client certificate"),
];

/// What a person may do about a connection that failed for this reason.
fn hint(url: &str, reason: &str) -> Option<&'static str> {
    let known = HINTS.iter().find(|(words, _)| reason.contains(words)).map(|(_, hint)| *hint);
    let hung_up = || {
        let words = ["connection closed", "reset", "broken pipe", "invalid size"];
        let hung_up = words.iter().any(|words| reason.contains(words));
        hung_up.then_some(match url.starts_with("http:") {
            true => "it may have TLS: write https://",
            false => "the scheduler may not take the client certificate, or has no TLS",
        })
    };
    known.or_else(hung_up)
}

/// The text of the innermost error.
pub(super) fn root_cause(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_go_better_is_tried_again() {
        let unknown = [
            Status::unavailable("stopping"),
            Status::deadline_exceeded(""),
            Status::cancelled("Timeout expired"),
            Status::from_error("connection reset".into()),
        ];
        for status in unknown {
            assert!(matches!(Fault::of(status.clone()), Fault::Unknown(_)), "{status:?}");
        }
        let refused = [
            Status::cancelled("by the caller"),
            Status::unknown("a bug"),
            Status::internal("a bug"),
            Status::not_found("no such job"),
            Status::invalid_argument("name"),
            Status::aborted("LEASE_LOST"),
        ];
        for status in refused {
            assert!(matches!(Fault::of(status.clone()), Fault::Refused(_)), "{status:?}");
        }
    }

    #[test]
    fn what_tls_says_comes_with_a_way_out() {
        let hints = |reason| hint("https://emend.example", reason).unwrap_or_default();
        assert!(hints("invalid peer certificate: UnknownIssuer").contains("--ca"));
        assert!(hints("received fatal alert: CertificateRequired").contains("--certificate"));
        assert!(hints("received fatal alert: CertificateExpired").contains("ended"));
        assert!(hints("received fatal alert: UnknownCA").contains("client_ca"));
        assert!(hints("received fatal alert: BadCertificate").contains("client certificate"));
        assert!(hint("http://emend.example", "connection closed").unwrap_or_default().contains("https://"));
        assert_eq!(hint("http://emend.example", "Connection refused"), None);
    }

    #[test]
    fn the_last_word_names_who_was_tried() {
        let urls = ["http://a".to_owned(), "http://b".to_owned(), "http://c".to_owned()];
        let fault = || Fault::of(Status::unavailable("stopping"));
        let said = fault().give_up(&urls, 0, 1, Duration::from_secs(1));
        assert_eq!(
            said.message(),
            "no scheduler can be reached: tried http://a once; http://a said last: stopping"
        );
        let said = fault().give_up(&urls, 3, 4, Duration::from_secs(9));
        assert!(
            said.message().contains("http://b, http://c, http://a 4 times in 9.0s"),
            "{}",
            said.message()
        );
    }
}
