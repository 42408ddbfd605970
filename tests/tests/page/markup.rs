//! Records whose every value would be script if it were taken for markup: it shows as text, wherever it shows.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use emend_proto::v1::{
    CreateJobRequest, Field, FindingText, ImportChunk, ImportHeader, ImportRecordsRequest, Manifest, PackRef,
    Record, RecordList, SealJobRequest, import_chunk, import_records_request,
};
use emend_tests::process::Deployment;
use emend_worker::{Finding, JobContext, Outcome, Validator, WorkerConfig};
use serde_json::json;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::browser::{ENTER, ESCAPE};
use crate::desk::Desk;
use crate::house::House;
use crate::payloads::PAYLOADS;

/// What follows a value that is to be looked at.
const WRONG: &str = " wrong";
/// So many records come from the same site, and can be decided as one.
const ALIKE: usize = 29;

/// Finds fault with all that ends in [`WRONG`].
struct Doubter(emend_worker::Manifest);

impl Validator for Doubter {
    fn manifest(&self) -> &emend_worker::Manifest {
        &self.0
    }

    fn validate(&self, _: &JobContext, records: &[emend_worker::Record<'_>]) -> Vec<Outcome> {
        let doubt = |record: &emend_worker::Record<'_>| {
            let right = record.get("value").unwrap_or_default().strip_suffix(WRONG)?;
            let proposals = vec![right.to_owned()];
            let finding = Finding {
                code: "value.doubtful".into(),
                field: "value".into(),
                proposals,
                ..Finding::default()
            };
            Some(Outcome { changes: vec![], findings: vec![finding] })
        };
        records.iter().map(|record| doubt(record).unwrap_or_default()).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_would_be_script_shows_as_text() -> Result<()> {
    let house = House::empty(Deployment::on_sqlite()?).await?;
    import(&house.deployment).await?;
    let stop = CancellationToken::new();
    let mut workers = JoinSet::new();
    workers.spawn(work(house.deployment.url(0), stop.clone()));
    house.deployment.run(["wait", "job", "--until", "reviewing"]).await?.ok()?;
    stop.cancel();
    let desk = house.at_desk("lan").await?;
    look_into_a_group(&desk).await?;
    let mut seen = BTreeSet::new();
    for _ in PAYLOADS {
        let seq = desk.card().await?;
        seen.insert(proposal(&desk).await?);
        is_text(&desk).await?;
        desk.browser.keys(&format!("1{ENTER}")).await?;
        if desk.card_after(seq).await?.is_none() && seen.len() < PAYLOADS.len() {
            desk.browser.wait_for("article.card").await?;
        }
    }
    ensure!(seen.iter().map(String::as_str).eq(PAYLOADS.iter().copied().collect::<BTreeSet<_>>()));
    look_at_decisions(&desk).await?;
    look_as_operator(&house).await?;
    ensure!(desk.browser.script("return window.xss ?? null", &[]).await?.is_null(), "script ran");
    desk.browser.is_clean(&[]).await?;
    desk.browser.quit().await?;
    house.close().await
}

/// The value that is offered, as whoever listens to the page hears it.
async fn proposal(desk: &Desk<'_>) -> Result<String> {
    let script = "return document.querySelector('.option .said .unseen-text span').textContent";
    Ok(desk.browser.script(script, &[]).await?.as_str().context("a text")?.to_owned())
}

/// Nothing of a value has become an element.
async fn is_text(desk: &Desk<'_>) -> Result<()> {
    let script =
        "return [...document.querySelectorAll('body :is(script, img, image, iframe, svg:not([aria-hidden], [role=img]), math, style, \
        object, embed, base, meta, link, form, video, audio, template, [onerror], [onload], [onfocus])')]
        .map((node) => node.outerHTML)";
    let found = desk.browser.script(script, &[]).await?;
    ensure!(found == json!([]), "{found}");
    Ok(())
}

/// The operator's pages show findings by the texts that the job brought.
async fn look_as_operator(house: &House) -> Result<()> {
    let desk = house.at_ops("an").await?;
    is_text(&desk).await?;
    desk.browser.click("table.figures a").await?;
    // As it stands, white space and all.
    let script = "return document.getElementById('main').textContent.includes(arguments[0])";
    let told =
        async || (desk.browser.script(script, &[PAYLOADS[3].into()]).await.ok()? == true).then_some(());
    desk.browser.until("the finding's text", told).await?;
    is_text(&desk).await?;
    ensure!(desk.browser.script("return window.xss ?? null", &[]).await?.is_null(), "script ran");
    desk.browser.is_clean(&[]).await?;
    desk.browser.quit().await
}

/// Five samples of those that are alike, and back.
async fn look_into_a_group(desk: &Desk<'_>) -> Result<()> {
    desk.browser.wait_for(".alike").await?;
    desk.browser.key('c').await?;
    for opened in 1..=5 {
        let rows = async || (desk.count(".cluster tbody tr").await.ok()? == opened).then_some(());
        desk.browser.until("another sample", rows).await?;
        if opened < 5 {
            desk.browser.key(ENTER).await?;
        }
    }
    is_text(desk).await?;
    desk.browser.key(ESCAPE).await?;
    desk.browser.wait_for("article.card").await
}

/// All of the list of decisions.
async fn look_at_decisions(desk: &Desk<'_>) -> Result<()> {
    desk.browser.key('d').await?;
    let all = async || {
        if desk.count("dialog .decisions li").await.ok()? == PAYLOADS.len() as u64 {
            return Some(());
        }
        let more = "document.querySelector('dialog .scroll > button:not([hidden])')?.click()";
        desk.browser.script(more, &[]).await.ok()?;
        None
    };
    desk.browser.until("all decisions", all).await?;
    is_text(desk).await
}

async fn work(scheduler: String, stop: CancellationToken) -> Result<()> {
    let manifest = emend_worker::Manifest {
        name: "markup".into(),
        version: "1".into(),
        key_field: "id".into(),
        fields: vec![emend_worker::Field { name: "value".into(), sensitive: true, ..Default::default() }],
        source_field: "site".into(),
        ..Default::default()
    };
    let config = WorkerConfig { schedulers: vec![scheduler], ..WorkerConfig::default() };
    emend_worker::run(config, vec![Arc::new(Doubter(manifest))], stop).await?;
    Ok(())
}

/// A job in which each payload is once each field of a record, its key among them; fields and findings are called so too.
async fn import(deployment: &Deployment) -> Result<()> {
    let field = |name: &str, sensitive, related: &[&str]| Field {
        name: name.into(),
        label_vi: PAYLOADS[0].into(),
        label_en: PAYLOADS[1].into(),
        sensitive,
        related: related.iter().map(|&name| name.into()).collect(),
        ..Field::default()
    };
    let text = FindingText {
        code: "value.doubtful".into(),
        text_vi: PAYLOADS[2].into(),
        text_en: PAYLOADS[3].into(),
        agree: false,
    };
    let manifest = Manifest {
        key_field: "id".into(),
        fields: vec![
            field("id", false, &[]),
            field("value", true, &["id", "other", "site"]),
            field("other", false, &[]),
            field("site", false, &[]),
        ],
        findings: vec![text],
        source_field: "site".into(),
    };
    let pack = Some(PackRef { name: "markup".into(), version: "1".into() });
    let mut jobs = deployment.jobs(0).await?;
    let job = CreateJobRequest {
        name: "job".into(),
        pack,
        manifest: Some(manifest),
        ..CreateJobRequest::default()
    };
    jobs.create_job(job).await?;
    let header = ImportHeader { job: "job".into(), import_id: "payloads".into() };
    let records = PAYLOADS.iter().enumerate().map(|(place, payload)| record(place, payload)).collect();
    let chunk = ImportChunk {
        body: Some(import_chunk::Body::Records(RecordList { records })),
        last: true,
        ..ImportChunk::default()
    };
    let parts = [import_records_request::Part::Header(header), import_records_request::Part::Chunk(chunk)];
    let parts = parts.map(|part| ImportRecordsRequest { part: Some(part) });
    jobs.import_records(tokio_stream::iter(parts)).await?;
    jobs.seal_job(SealJobRequest { job: "job".into() }).await?;
    let taken = deployment.job("job").await?.progress.context("a job has progress")?.records;
    ensure!(taken == PAYLOADS.len() as u64, "{taken} records were taken");
    Ok(())
}

fn record(place: usize, payload: &str) -> Record {
    let site = PAYLOADS[place / ALIKE * ALIKE];
    let key = format!("{place} {payload}");
    let fields = json!({ "id": key, "value": format!("{payload}{WRONG}"), "other": payload, "site": site });
    Record {
        key,
        payload: fields.to_string().into_bytes().into(),
        row: place as u64 + 1,
        ..Record::default()
    }
}
