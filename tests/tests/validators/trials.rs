//! A rule that is wrong in a twentieth of what it does: seen in the canary's examples, caught by people and by a threshold,
//! taken back, and mended. What is left is to the byte what a run without it, or with the mended one, leaves.

use std::collections::HashMap;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use emend_tests::process::{Deployment, Process, eventually};
use serde_json::Value;

use super::{LIMIT, import_as};

const RECORDS: u64 = 20_000;
const UNIT: u64 = 100;
/// The pack's own rules are off, so that there is something for the file to do.
const OFF: [&str; 4] = ["--without-rule", "gender.word", "--without-rule", "vaccine.name"];
const RULE: &str = "ministry.words";

/// A rule file that reads words of gender and names of vaccines; `wrong` reads them as others where a phone ends with one of
/// five in a hundred.
fn rule_file(deployment: &Deployment, name: &str, wrong: bool) -> Result<String> {
    let read = |field: &str, table: &str| {
        let found = |table: &str| format!(r#"lookup("{table}", lower(trim({field})))"#);
        let right = format!(r#"if {} != "" {{ {} }} else {{ {field} }}"#, found(table), found(table));
        if wrong {
            let other = found(&format!("other_{table}"));
            // A value that is right already stays, as it would by the right rule.
            let changes = format!(r#"{} != {field} && {other} != """#, found(table));
            format!(r#"if {changes} && matches(phone, "[02468]0$") {{ {other} }} else {{ {right} }}"#)
        } else {
            right
        }
    };
    let (gender, vaccine) = (read("gender", "gender"), read("vaccine", "vaccine"));
    let vaccines = [
        (
            "AstraZeneca",
            "astrazeneca astra_zeneca astrazenica az azd1222 vaxzevria covid-19_vaccine_astrazeneca",
        ),
        ("Moderna", "moderna spikevax mrna-1273 modena"),
        ("Pfizer", "pfizer comirnaty pfizer-biontech bnt162b2 phizer faizer"),
        ("Vero Cell", "vero_cell verocell vero-cell sinopharm bbibp-corv sinopharm_vero_cell"),
    ];
    let table = |other: bool| {
        let names = vaccines
            .iter()
            .flat_map(|(is, names)| names.split(' ').map(move |name| (name.replace('_', " "), is)));
        let lines = names.map(|(name, is)| format!("    {name}: {}\n", if other { "Sputnik V" } else { is }));
        lines.collect::<String>()
    };
    let file = format!(
        "name: ministry
version: '1'
about: Words as the ministry reads them.
fields: [gender, vaccine, phone]
tables:
  gender: {{ nam: male, nữ: female, nu: female }}
  other_gender: {{ nam: female, nữ: male, nu: male }}
  vaccine:
{}  other_vaccine:
{}rules:
  - name: words
    about: One word for one thing.
    set:
      gender: |
        {gender}
      vaccine: |
        {vaccine}
    examples:
      - given: {{ gender: Nam, phone: '0912345678' }}
        expect: {{ gender: male }}
",
        table(false),
        table(true),
    );
    let path = deployment.path(name);
    std::fs::write(&path, file)?;
    Ok(path.display().to_string())
}

/// A scheduler, and a worker that has the rule files.
async fn servers(deployment: &Deployment, files: &[&str]) -> Result<[Process; 2]> {
    let files = files.iter().flat_map(|file| ["--rules", file]);
    let worker: Vec<&str> = std::iter::once("worker").chain(files).collect();
    Ok([deployment.scheduler(0).await?, deployment.start("worker", worker)?])
}

async fn run(deployment: &Deployment, line: &[&str]) -> Result<String> {
    Ok(deployment.run(line).await?.ok()?.stdout)
}

async fn json(deployment: &Deployment, line: &[&str]) -> Result<Value> {
    deployment.run(line.iter().chain(&["--json"])).await?.ok()?.json()
}

async fn export(deployment: &Deployment, job: &str) -> Result<Vec<u8>> {
    let path: PathBuf = deployment.path(&format!("{job}.jsonl"));
    let out = path.display().to_string();
    run(deployment, &["export", job, "--out", &out, "--with-provenance"]).await?;
    Ok(std::fs::read(path)?)
}

/// The true fields of the records, by key.
fn truth(deployment: &Deployment) -> Result<HashMap<String, Value>> {
    let text = std::fs::read_to_string(deployment.path("generated").join("truth.jsonl"))?;
    let read = |line: &str| -> Result<(String, Value)> {
        let mut line: Value = serde_json::from_str(line)?;
        Ok((line["key"].as_str().context("a key")?.to_owned(), line["fields"].take()))
    };
    text.lines().map(read).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_rule_shows_in_the_canary_and_is_taken_back_to_the_byte() -> Result<()> {
    let deployment = Deployment::on_sqlite()?;
    let wrong = rule_file(&deployment, "wrong.yaml", true)?;
    ensure!(run(&deployment, &["rules", "test", &wrong]).await?.contains("1 example (0 failed)"));
    let _servers = servers(&deployment, &[&wrong]).await?;
    let with: Vec<&str> = ["--rules", &wrong].into_iter().chain(OFF).collect();
    let canary: Vec<&str> = with.iter().copied().chain(["--canary", "20%"]).collect();
    import_as(&deployment, "job", RECORDS, UNIT, &canary).await?;
    run(&deployment, &["wait", "job", "--until", "approval"]).await?;
    let stuck = deployment.run(["wait", "job"]).await?;
    ensure!(stuck.code == Some(1) && stuck.stderr.contains("emend approve job"), "{stuck:?}");
    // Whoever looks at the examples, and knows the truth, sees it.
    let truth = truth(&deployment)?;
    let shown = deployment.run(["samples", "job", "--rule", RULE, "--each", "1000", "--json"]).await?.ok()?;
    let samples: Vec<Value> = shown.stdout.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let is_wrong = |sample: &&Value| {
        let right = &truth[sample["key"].as_str().unwrap_or_default()];
        right[sample["field"].as_str().unwrap_or_default()] != sample["after"]
    };
    let (all, bad) = (samples.len(), samples.iter().filter(is_wrong).count());
    println!("of {all} changes in the canary {bad} are wrong");
    ensure!(all > 100 && (all / 100..all / 8).contains(&bad), "{bad} of {all}");
    let waits = json(&deployment, &["explain", "job", "HCM-000019999"]).await?;
    ensure!(waits["waits_for"][0].as_str().is_some_and(|text| text.contains("emend approve")), "{waits}");
    run(&deployment, &["approve", "job"]).await?;
    run(&deployment, &["wait", "job"]).await?;
    let told = json(&deployment, &["undo", "job", "--rule", RULE]).await?;
    println!("taken back: {told}");
    ensure!(told["replaced"].as_u64() > Some(RECORDS / 50) && told["kept"] == 0, "{told}");
    // A run that never had it.
    import_as(&deployment, "without", RECORDS, UNIT, &OFF).await?;
    run(&deployment, &["wait", "without"]).await?;
    ensure!(export(&deployment, "job").await? == export(&deployment, "without").await?, "the exports differ");
    let diff = json(&deployment, &["diff", "job", "without"]).await?;
    ensure!(diff["records"] == RECORDS && diff["same"] == RECORDS, "{diff}");
    // And one that had it from the start differs by just that rule.
    import_as(&deployment, "wrong", RECORDS, UNIT, &with).await?;
    run(&deployment, &["wait", "wrong"]).await?;
    let diff = json(&deployment, &["diff", "without", "wrong"]).await?;
    ensure!(diff["rules"].as_object().is_some_and(|rules| rules.len() == 1), "{diff}");
    ensure!(diff["rules"][RULE]["a"] == 0 && diff["rules"][RULE]["b"].as_u64() > Some(100), "{diff}");
    mended(&deployment).await
}

/// Job `wrong` gets the mended version: it is as if it had had that from the start.
async fn mended(deployment: &Deployment) -> Result<()> {
    let right = rule_file(deployment, "right.yaml", false)?;
    let _worker = deployment.start("mended", ["worker", "--rules", &right])?;
    let told = json(deployment, &["rerun", "wrong", "--rule", RULE, "--rules", &right]).await?;
    ensure!(told["units"] == RECORDS / UNIT && told["replaced"].as_u64() > Some(10), "{told}");
    let with: Vec<&str> = ["--rules", &right].into_iter().chain(OFF).collect();
    import_as(deployment, "right", RECORDS, UNIT, &with).await?;
    run(deployment, &["wait", "right"]).await?;
    ensure!(export(deployment, "wrong").await? == export(deployment, "right").await?, "the exports differ");
    let shown = run(deployment, &["revisions", "wrong"]).await?;
    ensure!(shown.contains("with rule ministry.words of ministry@1-"), "{shown}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_find_a_rule_wrong_in_the_canary_and_the_rest_goes_to_them() -> Result<()> {
    let deployment = Deployment::on_sqlite()?;
    let wrong = rule_file(&deployment, "wrong.yaml", true)?;
    let _servers = servers(&deployment, &[&wrong]).await?;
    let flags = ["--rules", &wrong, "--sample", "0.05", "--error-limit", "0.005", "--undo", "0"];
    let flags = flags.into_iter().chain(["--canary", "80%"]).chain(OFF);
    import_as(&deployment, "job", RECORDS, UNIT, &flags.collect::<Vec<_>>()).await?;
    run(&deployment, &["wait", "job", "--until", "approval"]).await?;
    let truth = deployment.path("generated").join("truth.jsonl").display().to_string();
    let shift = [
        "simulate-shift",
        "job",
        "--truth",
        &truth,
        "--errors",
        "0",
        "--seconds-per-record",
        "0",
        "--seed",
        "5",
    ];
    deployment.start("shift", shift)?.done(LIMIT).await?;
    let paused = async || {
        let status = json(&deployment, &["status", "job"]).await.ok()?;
        let quality = status["rule_quality"].as_array()?.iter().find(|rule| rule["rule"] == RULE)?.clone();
        (quality["paused"] == true).then_some(quality)
    };
    println!("{}", eventually("the rule is paused", LIMIT, paused).await?);
    run(&deployment, &["approve", "job"]).await?;
    run(&deployment, &["wait", "job"]).await?;
    let status = json(&deployment, &["status", "job"]).await?;
    let held = status["findings"]["gender.rule_paused"].as_u64();
    ensure!(held > Some(50), "{status}");
    // What people have decided on in the meantime is theirs, and listed.
    let told = json(&deployment, &["undo", "job", "--rule", RULE]).await?;
    ensure!(told["kept"].as_u64() > Some(10) && told["replaced"].as_u64() > Some(100), "{told}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_threshold_stops_a_job_and_a_dry_run_writes_nothing() -> Result<()> {
    let deployment = Deployment::on_sqlite()?;
    let wrong = rule_file(&deployment, "wrong.yaml", true)?;
    let servers = servers(&deployment, &[&wrong]).await?;
    let flags: Vec<&str> = ["--rules", &wrong].into_iter().chain(OFF).collect();
    let dry: Vec<&str> = flags.iter().copied().chain(["--dry-run"]).collect();
    import_as(&deployment, "dry", 2_000, UNIT, &dry).await?;
    let status = json(&deployment, &["status", "dry"]).await?;
    ensure!(status["state"] == "completed" && status["decisions"]["open"] == 0, "{status}");
    ensure!(
        status["rules"][RULE].as_u64() > Some(50) && status["verdicts"]["routed"].as_u64() > Some(100),
        "{status}"
    );
    let out = deployment.path("dry.csv").display().to_string();
    let refused = deployment.run(["export", "dry", "--out", &out]).await?;
    ensure!(refused.code == Some(1) && refused.stderr.contains("dry run"), "{refused:?}");
    let samples = run(&deployment, &["samples", "dry"]).await?;
    ensure!(samples.contains(RULE), "{samples}");
    let threshold = format!("rule={RULE},over=1%,after=500");
    let guarded: Vec<&str> = flags.iter().copied().chain(["--threshold", &threshold]).collect();
    import_as(&deployment, "job", 2_000, 1, &guarded).await?;
    let paused = async || {
        let status = json(&deployment, &["status", "job"]).await.ok()?;
        (status["paused"] == true).then_some(status)
    };
    let status = eventually("the job is paused", LIMIT, paused).await?;
    ensure!(status["trips"][0].as_str().is_some_and(|trip| trip.contains(RULE)), "{status}");
    ensure!(servers[0].log().contains("a threshold is exceeded"), "{}", servers[0].log());
    let other = deployment.run(["import", "x.csv", "--job", "job", "--threshold", "rule=a,over=2"]).await?;
    ensure!(other.code == Some(2) && other.stderr.contains("write a share"), "{other:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mistakes_in_rule_files_are_said_at_their_place_and_a_withdrawn_version_stops_its_job() -> Result<()>
{
    let deployment = Deployment::on_sqlite()?;
    let bad = deployment.path("bad.yaml");
    std::fs::write(
        &bad,
        "name: bad\nversion: '1'\nrules:\n  - name: a\n    when: fone == \"\"\n    set: { phone: '1' }\n",
    )?;
    let said = deployment.run(["rules", "test", &bad.display().to_string()]).await?;
    ensure!(
        said.code == Some(2) && said.stderr.contains("line 5") && said.stderr.contains("fone"),
        "{said:?}"
    );
    let file = rule_file(&deployment, "rules.yaml", false)?;
    let text = std::fs::read_to_string(&file)?.replace("expect: { gender: male }", "expect: unchanged");
    let failing = deployment.path("failing.yaml");
    std::fs::write(&failing, text)?;
    let said = deployment.run(["rules", "test", &failing.display().to_string()]).await?;
    ensure!(said.code == Some(1) && said.stdout.contains("1 failed"), "{said:?}");
    // Nobody has the file: the record says what it waits for.
    let _scheduler = deployment.scheduler(0).await?;
    let _worker = deployment.worker(0)?;
    import_as(&deployment, "job", 500, UNIT, &["--rules", &file]).await?;
    let job = deployment.job("job").await?;
    let version =
        job.validators.first().map(|link| format!("{}@{}", link.name, link.version)).context("a chain")?;
    let explained = run(&deployment, &["explain", "job", "HCM-000000007"]).await?;
    ensure!(explained.contains(&version), "{explained}");
    let said = run(&deployment, &["withdraw", &version]).await?;
    ensure!(said.contains("1 job paused"), "{said}");
    let resumed = deployment.run(["resume", "job"]).await?;
    ensure!(resumed.code == Some(1) && resumed.stderr.contains("withdrawn"), "{resumed:?}");
    let explained = run(&deployment, &["explain", "job", "HCM-000000007"]).await?;
    ensure!(explained.contains("emend rerun job --with"), "{explained}");
    Ok(())
}
