//! The desk as a reviewer uses it, in English.

use anyhow::{Context as _, Result, bail};

use crate::browser::{Browser, ENTER, TAB};
use crate::house::House;

/// The card on the desk.
const CARD: &str = "article.card";
/// What stands there instead when there is none.
const NOTHING: &str = ".nothing:not([aria-busy])";

/// A browser at the desk.
pub(crate) struct Desk<'a> {
    house: &'a House,
    pub(crate) browser: Browser<'a>,
}

impl<'a> Desk<'a> {
    pub(crate) fn new(house: &'a House, browser: Browser<'a>) -> Self {
        Self { house, browser }
    }

    /// Fills in the form with the keyboard, and sends it.
    pub(crate) async fn try_password(&self, name: &str, password: &str) -> Result<()> {
        let browser = &self.browser;
        browser.go(&self.house.url("/desk/login")).await?;
        browser.script("localStorage.setItem('emend.language', 'en')", &[]).await?;
        browser.reload().await?;
        browser.wait_for("#login-account:focus").await?;
        browser.keys(name).await?;
        browser.key(TAB).await?;
        browser.keys(password).await?;
        browser.key(ENTER).await
    }

    pub(crate) async fn sign_in(&self, name: &str, password: &str) -> Result<()> {
        self.try_password(name, password).await?;
        self.browser.wait_for("body.desk #leave").await
    }

    /// The number of the card on the desk, once there is one.
    pub(crate) async fn card(&self) -> Result<u64> {
        match self.look().await? {
            Some(seq) => Ok(seq),
            None => bail!("there is no card: {:?}", self.browser.text("main").await?),
        }
    }

    /// The number of the card on the desk; none when the page says that there is nothing to do.
    pub(crate) async fn look(&self) -> Result<Option<u64>> {
        let look = async || {
            if let Some(seq) = self.number().await {
                return Some(Some(seq));
            }
            self.browser.shows(NOTHING).await.ok()?.then_some(None)
        };
        self.browser.until("a card", look).await
    }

    async fn number(&self) -> Option<u64> {
        let text = self.browser.text(&format!("{CARD} .eyebrow span")).await.ok()??;
        text.strip_prefix("Card ")?.parse().ok()
    }

    /// Waits until another card than this lies on top, or none.
    pub(crate) async fn card_after(&self, seq: u64) -> Result<Option<u64>> {
        let next = async || {
            let nothing = self.browser.shows(NOTHING).await.ok()?;
            let card = self.number().await;
            (nothing || card.is_some_and(|card| card != seq)).then_some(card)
        };
        self.browser.until("the next card", next).await
    }

    /// How many values the question on top offers.
    pub(crate) async fn proposals(&self) -> Result<u64> {
        self.count(&format!("{CARD} .option .said")).await
    }

    /// How many questions the card has.
    pub(crate) async fn questions(&self) -> Result<u64> {
        Ok(self.count(&format!("{CARD} .step")).await?.max(1))
    }

    /// The field that the question on top is about; none where the card is about the whole record.
    pub(crate) async fn field(&self) -> Result<Option<String>> {
        self.browser.text(&format!("{CARD} .now .field-label")).await
    }

    pub(crate) async fn count(&self, selector: &str) -> Result<u64> {
        let script = "return document.querySelectorAll(arguments[0]).length";
        self.browser.script(script, &[selector.into()]).await?.as_u64().context("a number")
    }

    /// Whether the value in question is hidden but for its end.
    pub(crate) async fn hidden(&self) -> Result<bool> {
        self.browser.shows(&format!("{CARD} .now button")).await
    }

    /// Passes the card to a lead, with the first of the usual reasons.
    async fn pass_on(&self) -> Result<()> {
        self.browser.key('m').await?;
        self.browser.wait_for("dialog[open] [type=radio]:focus").await?;
        self.browser.keys(&format!(" {TAB}{ENTER}")).await?;
        self.browser.wait_for("dialog[open] textarea:focus").await?;
        // Past "Cancel" to the button that sends.
        self.browser.keys(&format!("{TAB}{TAB}{ENTER}")).await?;
        let gone = async || (!self.browser.shows("dialog[open]").await.ok()?).then_some(());
        self.browser.until("the dialog closes", gone).await
    }

    /// Answers the card by keyboard alone, whatever it asks: the first proposal where there is one, else what is there,
    /// else it goes to a lead.
    pub(crate) async fn decide(&self) -> Result<Said> {
        let seq = self.card().await?;
        let mut said = Said::Kept;
        for _ in 0..self.questions().await? {
            // One that came back is answered already, and goes with the first Enter.
            if self.card().await? != seq {
                break;
            }
            if self.field().await?.is_none() {
                self.browser.key('0').await?;
            } else if self.proposals().await? > 0 {
                self.browser.key('1').await?;
                said = Said::First;
            } else if self.hidden().await? {
                self.pass_on().await?;
                said = Said::Passed;
                break;
            } else {
                self.browser.key('0').await?;
            }
            self.browser.wait_for(&format!("{CARD} .option :checked")).await?;
            self.browser.key(ENTER).await?;
        }
        self.card_after(seq).await?;
        Ok(said)
    }

    /// Signs out, and waits until that is so.
    pub(crate) async fn sign_out(&self) -> Result<()> {
        self.browser.click("#leave").await?;
        self.browser.wait_for("body.login #form").await
    }
}

/// What an answer was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    /// The first proposal.
    First,
    /// All as it stands.
    Kept,
    /// A lead shall decide.
    Passed,
}
