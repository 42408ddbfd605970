//! The attacks of the siege, each with the answer that it must get.

use std::time::Duration;

use emend_proto::MAX_BLOCK_BYTES;
use emend_proto::encode;
use emend_proto::v1::commit_outcome::Outcome;
use emend_proto::v1::{
    Block, CommitUnitsRequest, LeaseRef, ListJobsRequest, RecordResult, UnitCommit, Verdict,
};
use emend_tests::scheduler::{jobs, work};
use futures::future::join_all;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic::{Code, Request};

use super::raw;
use super::siege::Siege;
use super::support::{LIMIT, broken, told};

/// More than there is room for handshakes: the first ones must make room, and nobody else waits for it.
pub(crate) async fn silent_connections(siege: &Siege) {
    const MORE: usize = 700;
    let mut lines = Vec::new();
    for _ in 0..MORE {
        lines.push(TcpStream::connect(siege.address).await.unwrap());
    }
    // A caller that comes now is served at once, while hundreds are silent.
    let newcomer = siege.authority.caller(&["emend:operator/late"]);
    let channel = super::support::secure(siege.address, siege.authority.client(Some(&newcomer)));
    let mut client = jobs(&channel);
    let listed = client.list_jobs(ListJobsRequest::default());
    tokio::time::timeout(Duration::from_secs(4), listed).await.expect("in time").unwrap();
    let gone = join_all(lines.iter_mut().map(|line| async {
        let _reset = line.read_to_end(&mut Vec::new()).await;
    }));
    tokio::time::timeout(LIMIT, gone).await.expect("all are cut off");
}

/// 100,000 calls begun and reset, by somebody without a name; the scheduler hangs up again and again.
pub(crate) async fn resets(siege: &Siege) {
    const RESETS: u32 = 100_000;
    const AT_ONCE: u32 = 500;
    let (mut sent, mut connections) = (0, 0);
    while sent < RESETS {
        let mut line = raw::open(siege.address, &siege.authority).await;
        connections += 1;
        let mut stream = 1;
        while sent < RESETS {
            let frames = raw::begun_and_reset((0..AT_ONCE).map(|at| stream + 2 * at));
            if line.write_all(&frames).await.is_err() || line.flush().await.is_err() {
                break;
            }
            (sent, stream) = (sent + AT_ONCE, stream + 2 * AT_ONCE);
        }
    }
    assert!(connections > 1, "the scheduler took {sent} resets on one connection");
}

/// Calls with more headers than are taken: refused, and with far more the scheduler hangs up.
pub(crate) async fn huge_headers(siege: &Siege) {
    for (bytes, answered) in [(20 * 1024, true), (512 * 1024, false)] {
        let channel = super::support::secure(siege.address, siege.authority.client(None));
        let mut request = Request::new(ListJobsRequest::default());
        request.metadata_mut().insert("x", "y".repeat(bytes).parse().unwrap());
        let status = jobs(&channel).list_jobs(request).await.unwrap_err();
        let refused = broken(&status).is_empty() && status.message().contains("431");
        assert!(refused || (!answered && !broken(&status).is_empty()), "{bytes}: {status:?}");
    }
}

/// Headers that go on and on, by somebody without a name.
pub(crate) async fn headers_without_end(siege: &Siege) {
    const MOST: usize = 64 * 1024 * 1024;
    let mut line = raw::open(siege.address, &siege.authority).await;
    line.write_all(&raw::headers_begin(1)).await.unwrap();
    let more = raw::headers_go_on(1);
    let mut sent = 0;
    while sent < MOST && line.write_all(&more).await.is_ok() && line.flush().await.is_ok() {
        sent += more.len();
    }
    assert!(sent < MOST, "the scheduler took {sent} bytes of headers");
}

/// Messages above the limit, by a worker.
pub(crate) async fn oversize_messages(siege: &Siege) {
    let block = Block { data: vec![7; 20 * 1024 * 1024].into(), ..Block::default() };
    let commits = vec![UnitCommit { lease: None, results: Some(block) }];
    let request = CommitUnitsRequest { worker_id: "t".into(), commits };
    for _ in 0..5 {
        let status = work(&siege.traitor).commit_units(request.clone()).await.unwrap_err();
        assert_eq!(status.code(), Code::OutOfRange, "{status:?}");
    }
}

/// A message that says it has 4 GiB, and one whose bytes never come.
pub(crate) async fn lying_lengths(siege: &Siege) {
    for length in [u32::MAX, 15 * 1024 * 1024] {
        let mut line = raw::open(siege.address, &siege.authority).await;
        line.write_all(&raw::message_begins(1, 0, length)).await.unwrap();
        line.flush().await.unwrap();
        // It is refused by its head: nobody waits for the rest.
        let mut answer = [0; 9];
        tokio::time::timeout(LIMIT, line.read_exact(&mut answer)).await.expect("an answer").unwrap();
    }
}

/// A message that says it is compressed: there is nothing to unpack with.
pub(crate) async fn compressed_messages(siege: &Siege) {
    let mut request = Request::new(CommitUnitsRequest { worker_id: "t".into(), commits: vec![] });
    request.metadata_mut().insert("grpc-encoding", "gzip".parse().unwrap());
    let status = work(&siege.traitor).commit_units(request).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented, "{status:?}");
}

/// A block of a few KiB that holds 256 MiB, honest about it and not, alone and a hundred at once.
pub(crate) async fn bombs(siege: &Siege) {
    const PLAIN: usize = 256 * 1024 * 1024;
    let bomb = tokio::task::spawn_blocking(|| {
        let failure = "x".repeat(PLAIN);
        encode(&[RecordResult {
            seq: 1,
            verdict: Verdict::Failed.into(),
            failure,
            ..RecordResult::default()
        }])
    });
    let bomb = bomb.await.unwrap();
    assert!(bomb.data.len() < 1024 * 1024, "{} bytes", bomb.data.len());
    let lying = Block { plain_bytes: u32::try_from(MAX_BLOCK_BYTES).unwrap(), ..bomb.clone() };
    let lease = &siege.lease;
    let reference = LeaseRef { unit_id: lease.unit_id, epoch: lease.epoch, token: lease.token.clone() };
    let commit = |block: &Block| UnitCommit { lease: Some(reference.clone()), results: Some(block.clone()) };
    for commits in [vec![commit(&bomb)], vec![commit(&lying)], vec![commit(&lying); 100]] {
        let request = CommitUnitsRequest { worker_id: "t".into(), commits };
        let answer = work(&siege.traitor).commit_units(request).await.unwrap().into_inner();
        for outcome in answer.outcomes {
            let Some(Outcome::Refusal(refusal)) = outcome.outcome else { panic!("taken") };
            // Refused for what it is; after that the lease is gone, and the honest worker may have the unit.
            let reasons = ["RESULTS_DO_NOT_FIT", "LEASE_LOST", "SUPERSEDED"];
            assert!(reasons.contains(&refusal.reason.as_str()), "{refusal:?}");
        }
    }
}

/// Ten thousand calls of somebody without a name. Most are told so; now and then the scheduler hangs up.
pub(crate) async fn calls_without_a_name(siege: &Siege) {
    let channel = super::support::secure(siege.address, siege.authority.client(None));
    let (mut refused, mut cut) = (0, 0);
    for _ in 0..100 {
        let calls = (0..100).map(|_| async { jobs(&channel).list_jobs(ListJobsRequest::default()).await });
        for answer in join_all(calls).await {
            let status = answer.unwrap_err();
            if broken(&status).is_empty() {
                told(&status, Code::Unauthenticated, "NO_CREDENTIALS");
                refused += 1;
            } else {
                cut += 1;
            }
        }
    }
    assert!(refused > 10 * cut, "{refused} refused, {cut} cut off");
}
