//! The example consumer, as a process: duplicated and redelivered events, a scheduler and a broker that go away.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use emend_tests::database::Backend;
use emend_tests::process::{Process, Signal, binary, eventually};
use emend_tests::rabbitmq::connect;
use emend_tests::scheduler::Scheduler;
use lapin::BasicProperties;
use lapin::options::BasicPublishOptions;
use serde_json::Value;

use super::rig::{LIMIT, make_job, node, reviewing, scheduler, work_on};

/// The example stands beside `emend`.
fn program() -> PathBuf {
    let path = binary().unwrap().with_file_name("case-router");
    assert!(path.is_file(), "{} is missing; build it first: cargo build -p case-router", path.display());
    path
}

fn start(folder: &Path, broker: &str, address: &str) -> Process {
    start_with(folder, broker, &["--scheduler", address, "--queue", "router"])
}

fn start_with(folder: &Path, broker: &str, line: &[&str]) -> Process {
    let mut command = Command::new(program());
    command.args(line).current_dir(folder);
    command.env("CASE_ROUTER_BROKER", broker).env_remove("RUST_LOG").env("RUST_LOG", "info");
    Process::start("case-router", &mut command, &folder.join("log")).unwrap()
}

/// The cases by their name, and the keys of their records.
fn cases(folder: &Path) -> BTreeSet<(String, String)> {
    let Ok(files) = std::fs::read_dir(folder.join("cases")) else { return BTreeSet::new() };
    let files = files
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "json"));
    files
        .map(|path| {
            let case: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            assert_eq!(case["findings"], serde_json::json!(["n.odd"]));
            (path.file_stem().unwrap().to_str().unwrap().into(), case["key"].as_str().unwrap().into())
        })
        .collect()
}

async fn all_have_cases(folder: &Path, router: &Process, count: i64) {
    let wanted: BTreeSet<_> = (1..=count)
        .filter(|seq| seq % 5 == 0)
        .map(|seq| (format!("1-{seq}"), format!("K-{seq:06}")))
        .collect();
    let done = eventually("cases", LIMIT, async || (cases(folder).len() >= wanted.len()).then_some(()));
    done.await.unwrap_or_else(|error| panic!("{error}\n{}", router.log()));
    assert_eq!(cases(folder), wanted);
}

/// Sends each routed record's event twice more, under its own id and under another.
async fn send_again(broker: &str, count: i64) {
    let connection = connect(broker).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    channel.confirm_select(lapin::options::ConfirmSelectOptions::default()).await.unwrap();
    for seq in (5..=count).step_by(5).flat_map(|seq| [seq, seq]) {
        let body = format!(
            r#"{{"event":"record.routed","id":"again-{seq}","job":1,"unit":1,"seq":{seq},"finding":"n.odd","new":1}}"#
        );
        let sent = channel.basic_publish(
            "emend.events".into(),
            "record.routed.n.odd".into(),
            BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() },
            body.as_bytes(),
            BasicProperties::default(),
        );
        assert_eq!(sent.await.unwrap().await.unwrap(), lapin::Confirmation::Ack(None));
    }
}

/// A scheduler on the same store, at another address.
async fn on_store(url: &str) -> Scheduler {
    let url = url.to_owned();
    Scheduler::start_with(Backend::Sqlite, |config| config.store = url).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_routed_record_has_one_case_whatever_happens() {
    let mut node = node().await;
    let folder = tempfile::tempdir().unwrap();
    let first = scheduler(Backend::Postgres, &node.url()).await;
    let channel = first.channel();
    make_job(&channel, "j", 200).await;
    // Some are routed before the router is there: it looks them up.
    work_on(&channel, 10).await;
    let spare = on_store(&first.database.url).await;
    let both = format!("http://{},http://{}", first.address, spare.address);
    let mut router = start(folder.path(), &node.url(), &both);
    eventually("the router consumes", LIMIT, async || router.log().contains("consuming").then_some(()))
        .await
        .unwrap();
    // The broker goes, and what comes in the meantime is told later.
    node.stop().await.unwrap();
    work_on(&channel, usize::MAX).await;
    reviewing(&channel, "j").await;
    // So does the router, in the middle of its work; what it held comes again.
    router.kill().unwrap();
    node.run().await.unwrap();
    router = start(folder.path(), &node.url(), &both);
    all_have_cases(folder.path(), &router, 200).await;
    send_again(&node.url(), 200).await;
    // No scheduler is there: events wait in the router's inbox, and none waits at the broker.
    router.kill().unwrap();
    std::fs::remove_dir_all(folder.path().join("cases")).unwrap();
    send_again(&node.url(), 200).await;
    let nobody = format!("http://127.0.0.1:{}", emend_tests::process::free_port());
    router = start(folder.path(), &node.url(), &nobody);
    let waits = async || router.log().contains("a case waits").then_some(());
    eventually("no scheduler answers", LIMIT, waits).await.unwrap();
    router.kill().unwrap();
    assert!(std::fs::metadata(folder.path().join("inbox.jsonl")).unwrap().len() > 0);
    router = start(folder.path(), &node.url(), &both);
    all_have_cases(folder.path(), &router, 200).await;
    let drained = async || {
        let connection = connect(&node.url()).await.ok()?;
        let channel = connection.create_channel().await.ok()?;
        let look = lapin::options::QueueDeclareOptions { passive: true, ..Default::default() };
        let queue = channel.queue_declare("router".into(), look, Default::default()).await.ok()?;
        (queue.message_count() == 0).then_some(())
    };
    eventually("an empty queue", Duration::from_secs(60), drained).await.unwrap();
    router.kill().unwrap();
    spare.stop().await;
    first.stop().await;
}

/// Places of the reviews of which this holds.
async fn reviews(scheduler: &Scheduler, holds: &str) -> Vec<i64> {
    scheduler.database.ints(&format!("SELECT seq FROM reviews WHERE {holds} ORDER BY seq")).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_case_system_answers_is_decided() {
    let node = node().await;
    let folder = tempfile::tempdir().unwrap();
    let scheduler = scheduler(Backend::Sqlite, &node.url()).await;
    let channel = scheduler.channel();
    // Routed are 5, 10, 15 and 20; 11 failed, which is no case.
    make_job(&channel, "j", 20).await;
    work_on(&channel, usize::MAX).await;
    let address = format!("http://{}", scheduler.address);
    let line = ["--scheduler", &address, "--queue", "deciding-router", "--decide", "--look", "0.2"];
    let mut router = start_with(folder.path(), &node.url(), &line);
    let case = |name: &str| folder.path().join("cases").join(name);
    let becomes = async |what: &str, holds: &str, seqs: &[i64]| {
        let look = async || (reviews(&scheduler, holds).await == seqs).then_some(());
        eventually(what, LIMIT, look).await.unwrap_or_else(|error| panic!("{error}\n{}", router.log()));
    };
    let held = "state = 'open' AND holder LIKE '%cases'";
    becomes("three are held", held, &[5, 10, 15]).await;
    // The case of one that is not is open too, and its answer waits.
    let all = async || (5..=20).step_by(5).all(|seq| case(&format!("1-{seq}.json")).exists()).then_some(());
    eventually("cases", LIMIT, all).await.unwrap();
    std::fs::write(case("1-20.answer.json"), r#"{"values":{"n":"0"}}"#).unwrap();
    // An answer that says nothing of the field at issue goes back.
    std::fs::write(case("1-5.answer.json"), r#"{"values":{}}"#).unwrap();
    let refused = async || case("1-5.refused.json").exists().then_some(());
    eventually("a refusal", LIMIT, refused).await.unwrap();
    assert!(!case("1-5.answer.json").exists());
    becomes("it is held on", held, &[5, 10, 15]).await;
    std::fs::write(case("1-5.answer.json"), r#"{"values":{"n":"0"}}"#).unwrap();
    becomes("two are decided", "state = 'decided' AND NOT rejected", &[5, 20]).await;
    // To reject a record takes two people, and the router is one of them.
    std::fs::write(case("1-10.answer.json"), r#"{"rejected":"no such record"}"#).unwrap();
    becomes("a second is asked", "state = 'open' AND round = 2", &[10]).await;
    becomes("the others are done or held", held, &[15]).await;
    let logged = scheduler.database.ints("SELECT COUNT(*) FROM decisions").await;
    assert_eq!(logged, [3]);
    // At its end it hands back what it holds.
    router.signal(Signal::Terminate).unwrap();
    router.done(LIMIT).await.unwrap();
    assert_eq!(reviews(&scheduler, "holder IS NOT NULL").await, Vec::<i64>::new());
    assert!(!router.log().contains("no such record"), "an answer is in the log");
    scheduler.stop().await;
}
