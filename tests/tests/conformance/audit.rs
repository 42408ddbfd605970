//! The audit log: every entry is chained once, and whatever is done to it behind the store's back is found and named.

use emend_scheduler::domain::account::Grant;
use emend_scheduler::domain::audit::{AuditKey, Checker, Fault, Head};
use emend_scheduler::domain::caller::{Role, Roles};
use emend_scheduler::store::Store;
use emend_tests::bench::{Bench, T0};
use emend_tests::on_both_stores;

on_both_stores!(
    what_happens_is_chained_in_batches,
    many_schedulers_make_one_chain,
    an_edited_entry_is_named,
    a_removed_entry_is_named,
    entries_that_change_places_are_named,
    a_cut_is_named_even_when_the_store_s_head_was_cut_along,
    what_did_not_happen_is_not_in_the_log,
    a_chain_whose_head_was_damaged_grows_no_further,
);

fn key() -> AuditKey {
    AuditKey::new([7; 32])
}

/// Does `count` things that are noted.
async fn happen(bench: &Bench, count: usize) {
    for _ in 0..count {
        let before = bench.database.int("SELECT COUNT(*) FROM accounts").await;
        let grant = Grant { roles: Roles::of(&[Role::Lead]), skills: vec![] };
        let name = format!("a{before}");
        bench.store.add_account("ở đây".into(), name, "hash".into(), grant, T0).await.unwrap();
    }
}

/// Chains all there is.
async fn seal(store: &Store) -> Head {
    while store.seal_audit(key()).await.unwrap().is_some() {}
    store.audit_state().await.unwrap().head.unwrap()
}

async fn check(bench: &Bench, kept: Option<Head>) -> Vec<Fault> {
    let (key, state) = (key(), bench.store.audit_state().await.unwrap());
    let mut checker = Checker::new(&key, kept);
    let mut after = i64::MIN;
    loop {
        let page = bench.store.audit_page(after, 3).await.unwrap();
        let Some((last, _)) = page.last() else { break };
        after = last.number;
        page.iter().for_each(|(entry, mac)| checker.entry(entry, *mac));
    }
    checker.end(state.head).0
}

/// Six entries; the head that was kept.
async fn six(bench: &Bench) -> Option<Head> {
    happen(bench, 6).await;
    let head = seal(&bench.store).await;
    assert_eq!((head.number, check(bench, Some(head)).await), (6, vec![]));
    Some(head)
}

async fn what_happens_is_chained_in_batches(bench: &Bench) {
    assert_eq!(bench.store.seal_audit(key()).await.unwrap(), None);
    assert_eq!(check(bench, None).await, []);
    happen(bench, 3).await;
    assert_eq!(bench.store.audit_state().await.unwrap().unsealed, 3);
    let first = seal(&bench.store).await;
    happen(bench, 2).await;
    let second = seal(&bench.store).await;
    assert_eq!((first.number, second.number), (3, 5));
    assert_eq!(bench.store.audit_state().await.unwrap().unsealed, 0);
    // A head that was kept earlier is as good.
    assert_eq!(check(bench, Some(first)).await, []);
    assert_eq!(check(bench, Some(second)).await, []);
    let (entry, _) = bench.store.audit_page(0, 1).await.unwrap().remove(0);
    assert_eq!((entry.who.as_str(), entry.what.as_str(), entry.at), ("ở đây", "account_added", T0));
    let detail: serde_json::Value = serde_json::from_str(&entry.detail).unwrap();
    assert_eq!(detail, serde_json::json!({ "account": "a0", "roles": ["lead"], "skills": [] }));
}

async fn many_schedulers_make_one_chain(bench: &Bench) {
    happen(bench, 40).await;
    let sealing = (0..8).map(|_| bench.store.seal_audit(key()));
    for sealed in futures::future::join_all(sealing).await {
        sealed.unwrap();
    }
    let head = seal(&bench.store).await;
    assert_eq!((head.number, check(bench, Some(head)).await), (40, vec![]));
    assert_eq!(bench.database.int("SELECT COUNT(*) FROM audit").await, 40);
}

async fn an_edited_entry_is_named(bench: &Bench) {
    let kept = six(bench).await;
    for edit in
        ["who = 'x'", "what = 'x'", "at = at + 1", "job_id = 1", "seq = 1", "detail = '{}'", "mac = 'x'"]
    {
        let row = "SELECT who, what, detail, mac FROM audit WHERE number = 3";
        let before = bench.database.texts(row).await.remove(0);
        bench.database.execute(&format!("UPDATE audit SET {edit} WHERE number = 3")).await;
        let faults = check(bench, kept).await;
        assert_eq!(faults.first(), Some(&Fault::Altered(3)), "{edit}: {faults:?}");
        assert!(faults[0].to_string().contains("entry 3"), "{}", faults[0]);
        let [who, what, detail, mac] = &before[..] else { panic!("four columns") };
        let back = format!(
            "UPDATE audit SET who = '{who}', what = '{what}', detail = '{detail}', mac = '{mac}', at = {}, job_id = NULL,
             seq = NULL WHERE number = 3",
            T0.0
        );
        bench.database.execute(&back).await;
        assert_eq!(check(bench, kept).await, [], "{edit} was taken back");
    }
}

async fn a_removed_entry_is_named(bench: &Bench) {
    let kept = six(bench).await;
    bench.database.execute("DELETE FROM audit WHERE number = 4").await;
    assert_eq!(check(bench, kept).await, [Fault::Removed(4, 4), Fault::Unproven(5)]);
    // Closing the gap does not help.
    bench.database.execute("UPDATE audit SET number = 4 WHERE number = 5").await;
    bench.database.execute("UPDATE audit SET number = 5 WHERE number = 6").await;
    bench.database.execute("UPDATE audit_head SET number = 5").await;
    assert_eq!(check(bench, kept).await, [Fault::Altered(4), Fault::Altered(5), Fault::Cut(6, 6)]);
}

async fn entries_that_change_places_are_named(bench: &Bench) {
    let kept = six(bench).await;
    for (from, to) in [(2, -1), (3, 2), (-1, 3)] {
        bench.database.execute(&format!("UPDATE audit SET number = {to} WHERE number = {from}")).await;
    }
    let faults = check(bench, kept).await;
    assert_eq!(faults, [Fault::Altered(2), Fault::Altered(3), Fault::Altered(4)]);
}

async fn a_cut_is_named_even_when_the_store_s_head_was_cut_along(bench: &Bench) {
    let kept = six(bench).await;
    bench.database.execute("DELETE FROM audit WHERE number > 4").await;
    assert_eq!(check(bench, None).await, [Fault::Cut(5, 6)]);
    let mac = bench.database.texts("SELECT mac FROM audit WHERE number = 4").await.remove(0).remove(0);
    bench.database.execute(&format!("UPDATE audit_head SET number = 4, mac = '{mac}'")).await;
    assert_eq!(check(bench, None).await, [], "without the kept head it is not to be seen");
    assert_eq!(check(bench, kept).await, [Fault::Cut(5, 6)]);
    // What is chained from there on does not heal it.
    happen(bench, 3).await;
    seal(&bench.store).await;
    assert_eq!(check(bench, kept).await, [Fault::NotTheKept(6)]);
}

async fn what_did_not_happen_is_not_in_the_log(bench: &Bench) {
    happen(bench, 1).await;
    let grant = Grant { roles: Roles::of(&[Role::Lead]), skills: vec![] };
    bench.store.add_account("x".into(), "a0".into(), "hash".into(), grant, T0).await.unwrap_err();
    bench.store.set_password("x".into(), "nobody".into(), "hash".into(), T0).await.unwrap_err();
    assert_eq!(seal(&bench.store).await.number, 1);
}

async fn a_chain_whose_head_was_damaged_grows_no_further(bench: &Bench) {
    let kept = six(bench).await;
    bench.database.execute("UPDATE audit_head SET mac = 'x'").await;
    happen(bench, 1).await;
    bench.store.seal_audit(key()).await.unwrap_err();
    assert_eq!(bench.store.audit_state().await.unwrap().unsealed, 1);
    assert_eq!(check(bench, kept).await, [Fault::HeadAltered(6)]);
}
