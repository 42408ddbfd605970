//! One reviewer's shift by keyboard alone, from signing in to signing out, and what the store has of it then.

use anyhow::{Context as _, Result, ensure};
use emend_tests::database::Backend;
use emend_tests::postgres::Postgres;
use emend_tests::process::Deployment;
use serde_json::Value;

use crate::browser::{ENTER, TAB};
use crate::desk::{Desk, Said};
use crate::house::{CLUSTER, House};

/// What is typed in the place of a name, as input methods compose it: letter by letter, then marks. The last syllable
/// comes in parts, as some of them send it.
const COMPOSED: [&[&str]; 3] = [
    &["n", "ng", "ngu", "nguy", "nguye", "nguyê", "nguyên", "nguyễn"],
    &[" t", " th", " thi", " thị"],
    &[" a", " an", " anh", " a\u{301}nh"],
];
const TYPED: &str = "nguyễn thị ánh";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shift_by_keyboard_on_sqlite() -> Result<()> {
    Box::pin(a_shift(Backend::Sqlite)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shift_by_keyboard_on_postgres() -> Result<()> {
    Box::pin(a_shift(Backend::Postgres)).await
}

async fn a_shift(backend: Backend) -> Result<()> {
    let house = match backend {
        Backend::Sqlite => House::on_sqlite().await?,
        Backend::Postgres => {
            let postgres = Postgres::shared();
            House::new(Deployment::on(&postgres.url(&postgres.create_database().await))?).await?
        }
    };
    let desk = house.at_desk("lan").await?;
    let mut shift =
        Shift { house: &house, desk: &desk, decided: Vec::new(), skipped: None, edited: None, group: None };
    shift.work().await?;
    desk.sign_out().await?;
    shift.check().await?;
    // Signed out, nothing is held any more: the next one gets what was skipped, and that first.
    let password = house.add("minh", "reviewer").await?;
    desk.sign_in("minh", &password).await?;
    ensure!(shift.skipped == Some(desk.card().await?));
    desk.browser.is_clean(&[]).await?;
    desk.browser.quit().await?;
    house.close().await
}

/// What was done.
struct Shift<'a> {
    house: &'a House,
    desk: &'a Desk<'a>,
    decided: Vec<(u64, Said)>,
    skipped: Option<u64>,
    edited: Option<u64>,
    group: Option<u64>,
}

impl Shift<'_> {
    /// Ten decisions one by one, the third of them twice; and whatever else there is to do, as the cards come.
    async fn work(&mut self) -> Result<()> {
        while self.decided.len() < 10 || self.edited.is_none() || self.group.is_none() {
            let seq = self.desk.card().await?;
            let one_question = self.desk.questions().await? == 1;
            let field = self.desk.field().await?;
            if self.group.is_none() && self.desk.browser.shows(".alike").await? {
                self.decide_the_group(seq).await?;
            } else if self.decided.len() == 3 && self.skipped.is_none() {
                self.desk.browser.key('s').await?;
                self.skipped = Some(seq);
                self.desk.card_after(seq).await?;
            } else if self.edited.is_none() && one_question && field.as_deref() == Some("Full name") {
                self.edit(seq).await?;
            } else {
                if self.decided.len() == 2 {
                    self.desk.decide().await?;
                    self.take_back(seq).await?;
                }
                let said = self.desk.decide().await?;
                self.decided.push((seq, said));
            }
        }
        Ok(())
    }

    /// The last decision, which the server has.
    async fn take_back(&self, seq: u64) -> Result<()> {
        let browser = &self.desk.browser;
        // It can be undone once it is known for how long.
        let counts = async || browser.text("#undo-left").await.ok()??.contains(':').then_some(());
        browser.until("a time to undo", counts).await?;
        browser.key('u').await?;
        let back = async || (self.desk.look().await.ok()?? == seq).then_some(());
        browser.until("the card is back", back).await?;
        let record = self.house.record(seq).await?;
        let last = record["decisions"].as_array().and_then(|all| all.last()).context("a decision")?;
        ensure!(last["undone"] == true && last["stands"] == false, "{record}");
        Ok(())
    }

    async fn edit(&mut self, seq: u64) -> Result<()> {
        let browser = &self.desk.browser;
        browser.key('e').await?;
        browser.wait_for("input.typed:focus").await?;
        for stages in COMPOSED {
            browser.compose(stages).await?;
        }
        // Neither the letters nor Enter were the desk's while they were the input method's.
        ensure!(self.desk.card().await? == seq && !browser.shows("dialog[open]").await?);
        let typed = browser.script("return document.querySelector('input.typed').value", &[]).await?;
        let typed = typed.as_str().context("a text")?;
        ensure!(typed.ends_with("a\u{301}nh") && typed.starts_with("nguyễn thị"), "{typed:?}");
        browser.key(ENTER).await?;
        self.desk.card_after(seq).await?;
        self.edited = Some(seq);
        Ok(())
    }

    async fn decide_the_group(&mut self, seq: u64) -> Result<()> {
        let browser = &self.desk.browser;
        browser.key('c').await?;
        browser.wait_for(".cluster [data-next]").await?;
        for opened in 1..=5 {
            let rows = async || (self.desk.count(".cluster tbody tr").await.ok()? == opened).then_some(());
            browser.until("another sample", rows).await?;
            // Before there are five it opens the next one, and decides nothing.
            if opened < 5 {
                browser.key(ENTER).await?;
            }
        }
        ensure!(!browser.shows("dialog[open]").await?);
        browser.keys(&format!("1{ENTER}")).await?;
        browser.wait_for("dialog[open][role=alertdialog]").await?;
        let asked = browser.text("dialog[open] h2").await?.unwrap_or_default();
        ensure!(asked.contains(&CLUSTER.to_string()), "{asked}");
        // "Cancel" has the focus.
        browser.keys(&format!("{TAB}{ENTER}")).await?;
        let gone = async || (!browser.shows(".cluster").await.ok()?).then_some(());
        browser.until("the group is decided", gone).await?;
        self.group = Some(seq);
        Ok(())
    }

    /// What the store has of it.
    async fn check(&self) -> Result<()> {
        for (seq, said) in &self.decided {
            let record = self.house.record(*seq).await?;
            let decision = lans(&record)?;
            let kind = if *said == Said::Passed { "cannot_decide" } else { "values" };
            ensure!(decision["kind"] == kind && decision["members"] == 1, "{record}");
            let changes = decision["changes"].as_array().context("a list")?;
            ensure!(changes.is_empty() != (*said == Said::First), "{record}");
            for change in changes {
                let findings = record["findings"].as_array().into_iter().flatten();
                let mut first = findings.filter(|finding| finding["field"] == change["field"]);
                ensure!(first.any(|finding| finding["proposals"][0] == change["after"]), "{record}");
            }
        }
        let undone = self.house.record(self.decided[2].0).await?;
        ensure!(undone["decisions"].as_array().map(Vec::len) == Some(2), "{undone}");
        let skipped = self.house.record(self.skipped.context("one was skipped")?).await?;
        ensure!(skipped["decisions"] == serde_json::json!([]), "{skipped}");
        let edited = self.house.record(self.edited.context("one was edited")?).await?;
        ensure!(lans(&edited)?["changes"][0]["after"] == TYPED, "{edited}");
        self.check_the_group().await
    }

    /// The members are the first rows of the file. One decision, noted with each.
    async fn check_the_group(&self) -> Result<()> {
        let mut ids = Vec::new();
        for seq in 1..=CLUSTER {
            let record = self.house.record(seq).await?;
            let decision = lans(&record)?;
            ensure!(decision["members"] == CLUSTER, "{record}");
            ensure!(decision["changes"][0]["after"] == record["findings"][0]["proposals"][0], "{record}");
            ids.push(decision["decision_id"].clone());
        }
        ids.dedup();
        ensure!(ids.len() == 1, "{ids:?}");
        Ok(())
    }
}

/// What Lan said that was not taken back.
fn lans(record: &Value) -> Result<&Value> {
    let all = record["decisions"].as_array().context("a list")?;
    let mut standing = all.iter().filter(|decision| decision["undone"] == false);
    let decision = standing.next().with_context(|| format!("not decided: {record}"))?;
    ensure!(decision["reviewer"] == "lan" && standing.next().is_none(), "{record}");
    Ok(decision)
}
