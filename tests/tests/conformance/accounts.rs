//! Accounts, sessions and throttled logins: the same on both stores, and from any scheduler.

use std::time::Duration;

use emend_scheduler::domain::account::{ABSOLUTE, FORGOTTEN, Grant, IDLE};
use emend_scheduler::domain::caller::{Role, Roles};
use emend_scheduler::domain::time::Timestamp;
use emend_scheduler::store::{Attempt, Known, StoreError};
use emend_tests::bench::{Bench, T0, at};
use emend_tests::on_both_stores;
use emend_tests::records::routed;
use emend_tests::worker::accepted;

on_both_stores!(
    an_account_is_made_once_and_changed_by_its_name,
    a_session_lives_until_it_is_idle_or_old_or_ended,
    a_disabled_account_has_no_session_and_holds_nothing,
    guesses_are_slowed_down_by_account_and_by_address,
    a_thousand_guesses_at_once_are_a_thousand_guesses,
);

fn grant(roles: &[Role], skills: &[&str]) -> Grant {
    Grant { roles: Roles::of(roles), skills: skills.iter().map(|&skill| skill.to_owned()).collect() }
}

async fn add(bench: &Bench, name: &str) {
    let grant = grant(&[Role::Reviewer], &[]);
    bench.store.add_account("op".into(), name.into(), "hash".into(), grant, T0).await.unwrap();
}

/// A session of `name` by an id; whether there is one.
async fn begin(bench: &Bench, name: &str, id: u8, before: Option<u8>, now: Timestamp) -> bool {
    let before = before.map(|id| vec![id; 32]);
    let begun =
        bench.store.begin_session(name.into(), "10.0.0.1".into(), vec![id; 32], "csrf".into(), before, now);
    begun.await.unwrap()
}

async fn known(bench: &Bench, id: u8, now: Timestamp) -> &'static str {
    match bench.store.session(vec![id; 32], now).await.unwrap() {
        Known::Live(_) => "live",
        Known::SignedOut => "signed out",
        Known::Nothing => "nothing",
    }
}

async fn an_account_is_made_once_and_changed_by_its_name(bench: &Bench) {
    let store = &bench.store;
    add(bench, "lan").await;
    add(bench, "an").await;
    let other = grant(&[Role::Operator], &[]);
    let again = store.add_account("op".into(), "lan".into(), "other".into(), other, at(1)).await;
    assert!(matches!(again, Err(StoreError::AccountExists)), "{again:?}");
    let names = async |after: &str, limit| {
        let page = store.accounts(after.into(), limit).await.unwrap();
        page.into_iter().map(|account| account.name).collect::<Vec<_>>()
    };
    assert_eq!(names("", 10).await, ["an", "lan"]);
    assert_eq!((names("", 1).await, names("an", 1).await), (vec!["an".to_owned()], vec!["lan".to_owned()]));
    let granted = grant(&[Role::Lead, Role::Operator], &["national_id"]);
    let account = store.grant("op".into(), "lan".into(), granted.clone(), at(2)).await.unwrap();
    assert_eq!((account.grant, account.created_at, account.disabled_at), (granted, T0, None));
    for missing in [
        store.account("nobody".into()).await.map(|_| ()),
        store.grant("op".into(), "nobody".into(), grant(&[Role::Lead], &[]), at(3)).await.map(|_| ()),
        store.set_password("op".into(), "nobody".into(), "x".into(), at(3)).await,
        store.disable_account("op".into(), "nobody".into(), at(3)).await.map(|_| ()),
        store.enable_account("op".into(), "nobody".into(), at(3)).await.map(|_| ()),
    ] {
        assert!(matches!(missing, Err(StoreError::AccountNotFound)), "{missing:?}");
    }
}

async fn a_session_lives_until_it_is_idle_or_old_or_ended(bench: &Bench) {
    add(bench, "lan").await;
    assert!(begin(bench, "lan", 1, None, T0).await);
    assert!(!begin(bench, "nobody", 9, None, T0).await);
    let almost = Duration::from_millis(1);
    assert_eq!(known(bench, 1, T0 + (IDLE - almost)).await, "live");
    assert_eq!(known(bench, 1, T0 + IDLE).await, "nothing");
    assert_eq!(known(bench, 9, T0).await, "nothing");
    // Used all the time, it is over all the same.
    bench.store.session_seen(vec![1; 32], T0 + (ABSOLUTE - almost)).await.unwrap();
    assert_eq!(known(bench, 1, T0 + (ABSOLUTE - almost)).await, "live");
    assert_eq!(known(bench, 1, T0 + ABSOLUTE).await, "nothing");
    // Another sign-in of the browser ends the session that it had.
    assert!(begin(bench, "lan", 2, Some(1), at(10)).await);
    assert_eq!((known(bench, 1, at(11)).await, known(bench, 2, at(11)).await), ("signed out", "live"));
    bench.store.end_session("lan".into(), vec![2; 32], at(12)).await.unwrap();
    bench.store.end_session("lan".into(), vec![2; 32], at(13)).await.unwrap();
    assert_eq!(known(bench, 2, at(14)).await, "signed out");
    let outs = "SELECT COUNT(*) FROM audit_pending WHERE what = 'signed_out'";
    assert_eq!(bench.database.int(outs).await, 1, "the second time, nothing happened");
    assert!(begin(bench, "lan", 3, None, at(20)).await);
    bench.store.prune_sessions(at(20) + IDLE).await.unwrap();
    assert_eq!(bench.database.int("SELECT COUNT(*) FROM sessions").await, 2, "who is idle is gone");
    bench.store.prune_sessions(at(20) + ABSOLUTE).await.unwrap();
    assert_eq!(bench.database.int("SELECT COUNT(*) FROM sessions").await, 0);
    // A new password ends what the old one began.
    assert!(begin(bench, "lan", 4, None, at(30)).await);
    bench.store.set_password("op".into(), "lan".into(), "new".into(), at(31)).await.unwrap();
    assert_eq!(known(bench, 4, at(32)).await, "nothing");
}

async fn a_disabled_account_has_no_session_and_holds_nothing(bench: &Bench) {
    let store = &bench.store;
    add(bench, "lan").await;
    add(bench, "an").await;
    assert!(begin(bench, "lan", 1, None, T0).await && begin(bench, "an", 2, None, T0).await);
    bench.job("j", 2, 2).await;
    let lease = bench.worker("w").lease(1, T0).await.pop().unwrap();
    let outcome = bench.worker("w").commit_with(&lease.lease, &[routed(1), routed(2)], at(1)).await;
    assert!(accepted(&outcome).is_some());
    for (seq, holder) in [(1, "lan"), (2, "an")] {
        let held =
            format!("UPDATE reviews SET holder = '{holder}', expires_at = 9000000000000 WHERE seq = {seq}");
        assert_eq!(bench.database.execute(&held).await, 1);
    }
    for second in [5, 6] {
        let account = store.disable_account("op".into(), "lan".into(), at(second)).await.unwrap();
        assert_eq!(account.disabled_at, Some(at(5)));
    }
    assert_eq!((known(bench, 1, at(7)).await, known(bench, 2, at(7)).await), ("nothing", "live"));
    assert_eq!(bench.database.int("SELECT seq FROM reviews WHERE holder IS NOT NULL").await, 2);
    assert!(!begin(bench, "lan", 3, None, at(8)).await);
    let attempt = store.attempt_login("lan".into(), "10.0.0.1".into(), at(8)).await.unwrap();
    assert_eq!(attempt, Attempt::Go(None), "as if there were no such account");
    store.enable_account("op".into(), "lan".into(), at(9)).await.unwrap();
    assert_eq!(known(bench, 1, at(10)).await, "nothing");
    assert!(begin(bench, "lan", 4, None, at(10)).await);
}

async fn guesses_are_slowed_down_by_account_and_by_address(bench: &Bench) {
    add(bench, "lan").await;
    let attempt = async |account: &str, address: &str, now| {
        bench.store.attempt_login(account.into(), address.into(), now).await.unwrap()
    };
    for account in ["lan", "nobody"] {
        let hash = (account == "lan").then(|| "hash".to_owned());
        for _ in 0..5 {
            assert_eq!(attempt(account, "10.0.0.1", at(1)).await, Attempt::Go(hash.clone()));
        }
        // Whether there is such an account or not, and wherever the next one comes from.
        let wait = Duration::from_secs(2);
        assert_eq!(attempt(account, "10.0.0.2", at(1)).await, Attempt::Wait(wait));
        assert_eq!(attempt(account, "10.0.0.2", at(3)).await, Attempt::Go(hash));
        assert_eq!(attempt(account, "10.0.0.2", at(3)).await, Attempt::Wait(2 * wait));
    }
    // The right password forgets the account's, and counts nothing against the address.
    let failures = "SELECT failures FROM login_failures WHERE who = 'address 10.0.0.1'";
    let before = bench.database.int(failures).await;
    assert!(matches!(attempt("lan", "10.0.0.1", at(60)).await, Attempt::Go(_)));
    assert!(begin(bench, "lan", 1, None, at(60)).await);
    assert_eq!(bench.database.int(failures).await, before);
    assert!(matches!(attempt("lan", "10.0.0.3", at(60)).await, Attempt::Go(_)));
    // One address that tries many accounts.
    for number in 0..50 {
        let tried = attempt(&format!("a{number}"), "10.0.0.9", at(100)).await;
        assert!(matches!(tried, Attempt::Go(None)), "{number}: {tried:?}");
    }
    assert!(matches!(attempt("fresh", "10.0.0.9", at(100)).await, Attempt::Wait(_)));
    assert!(matches!(attempt("fresh", "10.0.0.8", at(100)).await, Attempt::Go(None)));
    bench.store.prune_sessions(at(100) + FORGOTTEN).await.unwrap();
    assert_eq!(bench.database.int("SELECT COUNT(*) FROM login_failures").await, 0);
}

async fn a_thousand_guesses_at_once_are_a_thousand_guesses(bench: &Bench) {
    add(bench, "lan").await;
    let guesses = (0..200).map(|_| bench.store.attempt_login("lan".into(), "10.0.0.1".into(), at(1)));
    let answers = futures::future::join_all(guesses).await;
    let went = answers.into_iter().filter(|answer| matches!(answer, Ok(Attempt::Go(_)))).count();
    assert_eq!(went, 5);
}
