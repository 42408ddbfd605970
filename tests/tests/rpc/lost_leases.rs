//! The answer to LeaseUnits is lost: the same request again brings the same units, and none of them idles.

use std::collections::BTreeSet;

use emend_proto::v1::{CommitUnitsRequest, Lease, UnitState, commit_outcome};
use emend_tests::database::Backend;
use emend_tests::scheduler::{channel, work};

use super::lost_answers::Rig;
use super::support::{commit, lease, make_job, units};

super::on_both_backends!(
    the_same_request_again_leaves_no_unit_idle,
    another_request_instead_is_noticed,
    many_answers_in_a_row_may_be_lost,
);

/// Units that are leased, and that no lease which anybody heard of speaks for.
async fn idle(rig: &Rig, heard: &[Lease]) -> BTreeSet<u64> {
    let known: BTreeSet<_> = heard.iter().map(|lease| (lease.unit_id, lease.epoch)).collect();
    let units = units(&rig.sound, "j").await.into_iter();
    let leased = units.filter(|unit| unit.state() == UnitState::Leased);
    leased.filter(|unit| !known.contains(&(unit.unit_id, unit.epoch))).map(|unit| unit.unit_id).collect()
}

async fn the_same_request_again_leaves_no_unit_idle(backend: Backend) {
    let rig = Rig::start(backend).await;
    make_job(&rig.sound, "j", 20).await;
    rig.lose(async |line| lease(&line, "r", 3).await).await;
    let lost = units(&rig.sound, "j").await.into_iter().filter(|unit| unit.state() == UnitState::Leased);
    let lost: Vec<_> = lost.map(|unit| unit.unit_id).collect();
    assert_eq!((lost.len(), idle(&rig, &[]).await.len()), (3, 3));
    let heard = lease(&channel(rig.proxy.address), "r", 3).await.unwrap().leases;
    assert_eq!(heard.iter().map(|lease| lease.unit_id).collect::<Vec<_>>(), lost);
    assert!(heard.iter().all(|lease| lease.epoch == 2));
    assert_eq!(idle(&rig, &heard).await, BTreeSet::new());
    assert!(units(&rig.sound, "j").await.iter().all(|unit| unit.attempts_left == 3));
    commit_all(&rig, &heard).await;
    rig.stop().await;
}

/// The mutant: a caller that makes up a new request id when it tries again.
async fn another_request_instead_is_noticed(backend: Backend) {
    let rig = Rig::start(backend).await;
    make_job(&rig.sound, "j", 20).await;
    rig.lose(async |line| lease(&line, "r", 3).await).await;
    let heard = lease(&channel(rig.proxy.address), "another", 3).await.unwrap().leases;
    assert_eq!(idle(&rig, &heard).await.len(), 3, "idle units go unnoticed");
    rig.stop().await;
}

async fn many_answers_in_a_row_may_be_lost(backend: Backend) {
    let rig = Rig::start(backend).await;
    make_job(&rig.sound, "j", 20).await;
    for _lost in 0..4 {
        rig.lose(async |line| lease(&line, "r", 3).await).await;
    }
    let heard = lease(&channel(rig.proxy.address), "r", 3).await.unwrap().leases;
    assert!(heard.len() == 3 && heard.iter().all(|lease| lease.epoch == 5));
    assert_eq!(idle(&rig, &heard).await, BTreeSet::new());
    commit_all(&rig, &heard).await;
    rig.stop().await;
}

async fn commit_all(rig: &Rig, leases: &[Lease]) {
    let commits = leases.iter().map(commit).collect();
    let request = CommitUnitsRequest { worker_id: "w".into(), commits };
    let outcomes = work(&rig.sound).commit_units(request).await.unwrap().into_inner().outcomes;
    for outcome in outcomes {
        assert!(matches!(outcome.outcome, Some(commit_outcome::Outcome::Receipt(_))), "{outcome:?}");
    }
}
