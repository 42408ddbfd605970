//! The operator's pages: what they show of a shift while it works, and pictures of it in both languages and on both
//! screens.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use emend_tests::process::{Deployment, Process, Signal, eventually};

use crate::browser::{LAPTOP, PHONE};
use crate::desk::Desk;
use crate::house::House;
use crate::pictures::folder;

const PATIENCE: Duration = Duration::from_secs(60);
/// Reviews decided after which there is something to see of everybody.
const ENOUGH: u64 = 30;

/// Twelve people who take half a second for each record, a few of them leads.
fn begin_shift(deployment: &Deployment) -> Result<Process> {
    let truth = deployment.path("generated").join("truth.jsonl").display().to_string();
    let shift =
        ["simulate-shift", "job", "--truth", &truth, "--reviewers", "12", "--seconds-per-record", "0.5"];
    deployment.start("shift", shift)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_sees_the_shift_at_work() -> Result<()> {
    let house = House::on_sqlite().await?;
    house.deployment.run(["set", "job", "--deadline", "8h"]).await?.ok()?;
    let mut shift = begin_shift(&house.deployment)?;
    let desk = house.at_ops("an").await?;
    let enough = async || (house.decided().await.ok()?.0 >= ENOUGH).then_some(());
    eventually("a shift at work", PATIENCE, enough).await.with_context(|| shift.log())?;
    let folder = folder()?;
    for (size, screen) in [(LAPTOP, "laptop"), (PHONE, "phone")] {
        desk.browser.resize(size).await?;
        for language in ["en", "vi"] {
            desk.browser.go(&house.url("/ops")).await?;
            let picture = async |name: &str, shown: &str| {
                desk.browser.wait_for(shown).await?;
                desk.turn_to(language, shown).await?;
                ensure!(desk.fits().await?, "{name} is wider than the {screen}'s screen in {language}");
                desk.browser.picture(&folder.join(format!("{name}-{language}-{screen}.png"))).await
            };
            picture("jobs", "table.figures td").await?;
            desk.browser.click("table.figures a").await?;
            picture("job", ".lane .facts").await?;
        }
    }
    shift.signal(Signal::Terminate)?;
    shift.end(PATIENCE).await?;
    is_right(&house, &desk).await?;
    desk.browser.is_clean(&[]).await?;
    desk.browser.quit().await?;
    house.close().await
}

/// When nobody decides any more, the page comes to say what the store has, by itself.
async fn is_right(house: &House, desk: &Desk<'_>) -> Result<()> {
    desk.browser.resize(LAPTOP).await?;
    desk.turn_to("en", ".lane .facts").await?;
    let (decided, open) = house.decided().await?;
    let people = async || {
        let text = desk.browser.text(".lane:nth-of-type(2)").await.ok()??;
        text.contains(&format!("{decided} of {}", decided + open)).then_some(text)
    };
    let text = desk.browser.until("the figures of the people", people).await?;
    ensure!(text.contains("Time left"), "{text}");
    let rows = "return [...document.querySelectorAll('tbody th')].filter((row) => row.textContent.startsWith('sim-')).length";
    let people = desk.browser.script(rows, &[]).await?.as_u64().context("a number")?;
    ensure!(people == 12, "{people} people are listed");
    Ok(())
}
