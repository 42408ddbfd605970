//! Who does not get past the handshake, and how soon a peer that does nothing is gone.

use std::time::{Duration, Instant};

use emend_proto::v1::{GetJobRequest, ListJobsRequest};
use emend_tests::authority::Authority;
use emend_tests::database::Backend;
use emend_tests::scheduler::{Scheduler, channel, jobs};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic::transport::Channel;
use tonic::{Code, Status};

use super::raw;
use super::support::{LIMIT, Site, broken, secure, told};

/// The time that the docs promise for a handshake, and what a busy machine adds.
const HANDSHAKE: Duration = Duration::from_secs(5);
const MARGIN: Duration = Duration::from_secs(10);

async fn list(channel: &Channel) -> Result<(), Status> {
    jobs(channel).list_jobs(ListJobsRequest::default()).await.map(drop)
}

#[tokio::test]
async fn a_certificate_of_ours_gets_in_and_no_other() {
    let site = Site::start().await;
    list(&site.role("operator")).await.unwrap();
    let other = Authority::new("other");
    let operator = ["emend:operator/o"];
    // A right name by a wrong authority, and a right one that has ended.
    for (papers, alert) in [
        (None, "CertificateRequired"),
        (Some(other.caller(&operator)), "UnknownCA"),
        (Some(site.authority.late_caller(&operator)), "CertificateExpired"),
        // A scheduler's papers are no caller's.
        (Some(site.authority.scheduler()), "fatal alert"),
    ] {
        let status = list(&site.channel(papers.as_ref())).await.unwrap_err();
        assert!(broken(&status).contains(alert), "{alert}: {status:?} {}", broken(&status));
    }
    site.stop().await;
}

#[tokio::test]
async fn a_certificate_without_a_role_is_nobodys() {
    let site = Site::start().await;
    for uris in [&[][..], &["https://emend.example/operator"], &["emend:chief/o"], &["emend:operator/O P"]] {
        let status = list(&site.channel(Some(&site.authority.caller(uris)))).await.unwrap_err();
        told(&status, Code::Unauthenticated, "NO_ROLE");
    }
    site.stop().await;
}

#[tokio::test]
async fn a_client_trusts_no_scheduler_but_its_own() {
    let site = Site::start().await;
    let papers = site.authority.caller(&["emend:operator/o"]);
    let stranger = Authority::new("stranger").client(Some(&papers));
    let status = list(&secure(site.scheduler.address, stranger)).await.unwrap_err();
    assert!(broken(&status).contains("UnknownIssuer"), "{}", broken(&status));
    let named = site.authority.client(Some(&papers)).domain_name("emend.example");
    let status = list(&secure(site.scheduler.address, named)).await.unwrap_err();
    assert!(broken(&status).contains("NotValidForName"), "{}", broken(&status));
    site.stop().await;
}

#[tokio::test]
async fn plain_and_tls_do_not_mix() {
    let site = Site::start().await;
    let status = list(&channel(site.scheduler.address)).await.unwrap_err();
    assert!(!broken(&status).is_empty(), "{status:?}");
    let mut plain = TcpStream::connect(site.scheduler.address).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _reset = tokio::time::timeout(LIMIT, plain.read_to_end(&mut answer)).await.unwrap();
    // A TLS alert at most, and no word of HTTP.
    assert!(answer.len() < 16 && !answer.starts_with(b"HTTP"), "{answer:?}");
    let open = Scheduler::start(Backend::Sqlite).await;
    let status = list(&secure(open.address, site.authority.client(None))).await.unwrap_err();
    assert!(!broken(&status).is_empty(), "{status:?}");
    list(&open.channel()).await.unwrap();
    open.stop().await;
    site.stop().await;
}

#[tokio::test]
async fn a_peer_that_does_nothing_is_gone_in_seconds() {
    let site = Site::with_tokens(&[]).await;
    let address = site.scheduler.address;
    let begin = Instant::now();
    let silent = async {
        let mut line = TcpStream::connect(address).await.unwrap();
        let _reset = line.read_to_end(&mut Vec::new()).await;
    };
    let half_a_hello = async {
        let mut line = TcpStream::connect(address).await.unwrap();
        // A record of a handshake that says it has 512 bytes, and only five come.
        line.write_all(&[22, 3, 1, 2, 0, 1, 0, 1, 252, 3]).await.unwrap();
        let _reset = line.read_to_end(&mut Vec::new()).await;
    };
    let drop_by_drop = async {
        let mut line = raw::connect(address, &site.authority).await;
        for byte in b"PRI * HTTP/2.0" {
            if line.write_all(&[*byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(700)).await;
        }
        let _reset = line.read_to_end(&mut Vec::new()).await;
    };
    let gone = async { tokio::join!(silent, half_a_hello, drop_by_drop) };
    tokio::time::timeout(HANDSHAKE + MARGIN, gone).await.expect("they are cut off");
    assert!(begin.elapsed() >= HANDSHAKE - Duration::from_secs(1), "cut off too soon");
    let status = jobs(&site.channel(None)).get_job(GetJobRequest::default()).await.unwrap_err();
    told(&status, Code::Unauthenticated, "NO_CREDENTIALS");
    site.stop().await;
}
