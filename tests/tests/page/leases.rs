//! Who holds a review: one browser at most, and not for long once it is gone.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::desk::Desk;
use crate::house::House;

/// What a page that goes away asks for, with room for a slow machine; far less than the twenty minutes of a lease.
const SOON: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_browsers_never_hold_the_same_review() -> Result<()> {
    let house = House::on_sqlite().await?;
    let desks = [house.at_desk("lan").await?, house.at_desk("minh").await?];
    for _ in 0..4 {
        let (one, other) = (held(&desks[0]).await?, held(&desks[1]).await?);
        ensure!(!one.is_empty() && !other.is_empty() && one.is_disjoint(&other), "{one:?} {other:?}");
        let answers = futures::future::join_all(desks.iter().map(Desk::decide)).await;
        for answer in answers {
            answer?;
        }
    }
    let (decided, _) = house.decided().await?;
    ensure!(decided <= 8, "{decided} decided");
    for desk in desks {
        desk.browser.is_clean(&[]).await?;
        desk.browser.quit().await?;
    }
    house.close().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_tab_frees_its_reviews_and_a_reload_keeps_them() -> Result<()> {
    let house = House::on_sqlite().await?;
    let lan = house.at_desk("lan").await?;
    let (card, before) = (lan.card().await?, held(&lan).await?);
    lan.browser.reload().await?;
    ensure!(lan.card().await? == card && held(&lan).await? == before, "a reload keeps what is held");
    lan.browser.is_clean(&[]).await?;

    let minh = house.at_desk("minh").await?;
    ensure!(held(&minh).await?.is_disjoint(&before));
    let since = Instant::now();
    lan.browser.close_tab().await?;
    // The others ask for cards until these are free; nobody else frees them.
    let mut seen = BTreeSet::new();
    while !before.is_subset(&seen) {
        seen.extend(held(&minh).await?);
        ensure!(since.elapsed() < SOON, "{before:?} are not free, only {seen:?}");
        let card = minh.card().await?;
        minh.browser.key('s').await?;
        minh.card_after(card).await?;
    }
    minh.browser.is_clean(&[]).await?;
    minh.browser.quit().await?;
    lan.browser.quit().await?;
    house.close().await
}

/// What the server last told the page of this browser that it holds.
async fn held(desk: &Desk<'_>) -> Result<BTreeSet<u64>> {
    desk.card().await?;
    let held = desk.browser.script("return window.held", &[]).await?;
    let seqs = held.as_array().context("a list")?.iter();
    seqs.map(|seq| seq.as_u64().context("a number")).collect()
}
