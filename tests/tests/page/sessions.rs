//! Signing in, and being out: by a wrong password, in the middle of a card, or because the account is disabled.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::browser::ENTER;
use crate::desk::Desk;
use crate::house::House;

/// How soon a disabled account is out.
const OUT: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_is_refused_in_words() -> Result<()> {
    let house = House::on_sqlite().await?;
    let password = house.add("lan", "reviewer").await?;
    let desk = Desk::new(&house, house.browser().await?);
    desk.try_password("lan", "not-the-right-one").await?;
    let told = async || {
        let text = desk.browser.text("#error").await.ok()??;
        (text == "The account or the password is wrong.").then_some(())
    };
    desk.browser.until("what was wrong", told).await?;
    ensure!(desk.browser.script("return document.getElementById('login-password').value", &[]).await? == "");
    desk.sign_in("lan", &password).await?;
    desk.card().await?;
    desk.browser
        .is_clean(&["/desk/login - Failed to load resource: the server responded with a status of 401"])
        .await?;
    desk.browser.quit().await?;
    house.close().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signed_out_in_the_middle_nothing_typed_is_lost() -> Result<()> {
    let house = House::on_sqlite().await?;
    let password = house.add("lan", "reviewer").await?;
    let desk = Desk::new(&house, house.browser().await?);
    desk.sign_in("lan", &password).await?;
    let seq = desk.card().await?;
    desk.browser.key('e').await?;
    desk.browser.wait_for("input.typed:focus").await?;
    // The session goes: its cookie is gone, as when it was ended elsewhere.
    desk.browser.cdp("Network.clearBrowserCookies", serde_json::json!({})).await?;
    desk.browser.keys("Tran Thi B").await?;
    desk.browser.wait_for("dialog[open] a.button").await?;
    desk.browser.key(ENTER).await?;
    desk.browser.wait_for("#login-account:focus").await?;
    desk.browser.keys("lan").await?;
    desk.browser.key(crate::browser::TAB).await?;
    desk.browser.keys(&password).await?;
    desk.browser.key(ENTER).await?;
    desk.browser.wait_for("body.desk #leave").await?;
    ensure!(desk.card().await? == seq, "another card lies on top");
    let typed = async || {
        let script = "return document.querySelector('input.typed')?.value";
        let value = desk.browser.script(script, &[]).await.ok()?;
        (value == "Tran Thi B").then_some(())
    };
    desk.browser.until("what was typed", typed).await?;
    desk.browser.is_clean(&["401 (Unauthorized)"]).await?;
    desk.browser.quit().await?;
    house.close().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disabled_account_is_out_at_once() -> Result<()> {
    let house = House::on_sqlite().await?;
    let desk = house.at_desk("lan").await?;
    let seq = desk.card().await?;
    house.deployment.run(["user", "disable", "lan"]).await?.ok()?;
    let since = Instant::now();
    desk.browser.keys("d").await?;
    desk.browser.wait_for("dialog[open] a.button[href='/desk/login']").await?;
    ensure!(since.elapsed() < OUT, "{:?}", since.elapsed());
    // What it held is another's at once.
    let minh = house.at_desk("minh").await?;
    ensure!(minh.card().await? == seq, "the review is not free");
    desk.browser.is_clean(&["401 (Unauthorized)"]).await.context("the disabled one's page")?;
    minh.browser.is_clean(&[]).await?;
    minh.browser.quit().await?;
    desk.browser.quit().await?;
    house.close().await
}
