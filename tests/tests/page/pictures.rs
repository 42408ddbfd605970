//! What the desk looks like: pictures to look at, in both languages and on both screens. They are written to the folder
//! that `PICTURES` names, else under target/tmp; some of them stand in the README.

use std::path::PathBuf;

use anyhow::{Result, ensure};

use crate::browser::{LAPTOP, PHONE};
use crate::desk::Desk;
use crate::house::House;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_desk_fits_both_screens_in_both_languages() -> Result<()> {
    let folder = folder()?;
    let house = House::on_sqlite().await?;
    let desk = house.at_desk("lan").await?;
    // The usual card: a name, what is proposed for it, and what bears on it.
    for (size, screen) in [(LAPTOP, "laptop"), (PHONE, "phone")] {
        desk.browser.resize(size).await?;
        for language in ["en", "vi"] {
            desk.turn_to(language, "article.card").await?;
            let picture = async |name: &str| {
                ensure!(desk.fits().await?, "{name} is wider than the {screen}'s screen in {language}");
                desk.browser.picture(&folder.join(format!("{name}-{language}-{screen}.png"))).await
            };
            desk.browser.key('1').await?;
            desk.browser.wait_for("article.card .option :checked").await?;
            picture("card").await?;
            desk.browser.key('?').await?;
            desk.browser.wait_for("dialog[open]").await?;
            picture("help").await?;
            desk.browser.key(crate::browser::ESCAPE).await?;
            desk.browser.key('c').await?;
            desk.browser.wait_for(".cluster tbody tr").await?;
            picture("group").await?;
            desk.browser.key(crate::browser::ESCAPE).await?;
            desk.browser.wait_for("article.card").await?;
        }
    }
    desk.browser.is_clean(&[]).await?;
    desk.browser.quit().await?;
    house.close().await
}

/// Where pictures go.
pub(crate) fn folder() -> Result<PathBuf> {
    let folder = std::env::var_os("PICTURES")
        .map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("pictures"), PathBuf::from);
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

impl Desk<'_> {
    /// In this language from now on; `shown` is what the page shows.
    pub(crate) async fn turn_to(&self, language: &str, shown: &str) -> Result<()> {
        let spoken = async || self.browser.shows(&format!("html[lang={language}] {shown}")).await.ok();
        if spoken().await != Some(true) {
            self.browser.click("#language").await?;
        }
        let turned = async || spoken().await?.then_some(());
        self.browser.until(language, turned).await
    }

    /// Nothing is to be scrolled sideways.
    pub(crate) async fn fits(&self) -> Result<bool> {
        let script = "return document.scrollingElement.scrollWidth <= innerWidth";
        Ok(self.browser.script(script, &[]).await? == true)
    }
}
