//! Guessing passwords: it is slow, and tells nothing.

use std::time::{Duration, Instant};

use emend_tests::database::Backend;
use emend_tests::process::eventually;

use crate::house::{House, on_both};

on_both!(guesses_get_slower_and_tell_nothing);

async fn guesses_get_slower_and_tell_nothing(house: &House) {
    let password = house.add("lan", &["reviewer"]).await;
    house.add("gone", &["reviewer"]).await;
    house.disable("gone").await;
    let mut browser = house.browser();
    let token = browser.form_token().await;
    let mut told = Vec::new();
    for account in ["lan", "nobody", "gone"] {
        let mut answers = Vec::new();
        for _ in 0..5 {
            let answer =
                browser.form("/desk/login", &format!("csrf={token}&account={account}&password=wrong")).await;
            answers.push((answer.status, answer.body));
        }
        let last =
            browser.form("/desk/login", &format!("csrf={token}&account={account}&password=wrong")).await;
        let after: u64 = last.header("retry-after").parse().unwrap();
        assert!((1..=2).contains(&after), "{last:?}");
        answers.push((last.status, last.body));
        told.push(answers);
    }
    assert_eq!(told[0].iter().map(|(status, _)| *status).collect::<Vec<_>>(), [401, 401, 401, 401, 401, 429]);
    assert!(told[0][0].1.contains("error=credentials") && told[0][5].1.contains("error=throttled"));
    assert!(told.iter().all(|answers| *answers == told[0]), "whether there is such an account does not show");
    // The right password waits too, and then is right.
    let right = format!("csrf={token}&account=lan&password={password}");
    assert_eq!(browser.form("/desk/login", &right).await.status, 429);
    let signs_in = async || (browser.form("/desk/login", &right).await.status == 303).then_some(());
    eventually("a sign-in with the right password", Duration::from_secs(10), signs_in).await.unwrap();
    // Who guessed in vain stands in the audit log; what was typed instead of a name does not.
    let log = "SELECT who FROM audit_pending WHERE what = 'sign_in_failed'
               UNION ALL SELECT who FROM audit WHERE what = 'sign_in_failed'";
    let who = house.scheduler.database.texts(log).await.concat();
    assert_eq!(who.iter().filter(|who| *who == "lan").count(), 5);
    assert!(who.iter().all(|who| ["lan", "gone", "(unknown)"].contains(&who.as_str())), "{who:?}");
}

/// Not on both: it measures this process alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_account_takes_as_long_as_a_known_one() {
    crate::house::on(Backend::Sqlite, async |house: &House| {
        for name in ["lan", "an", "minh"] {
            house.add(name, &["reviewer"]).await;
        }
        let mut browser = house.browser();
        let token = browser.form_token().await;
        let mut times = [Vec::new(), Vec::new()];
        // By turns, so that both see the same machine.
        for _ in 0..4 {
            for (kind, account) in [(0, "x"), (1, "lan"), (0, "y"), (1, "an"), (0, "z"), (1, "minh")] {
                let since = Instant::now();
                let body = format!("csrf={token}&account={account}&password=wrong");
                assert_eq!(browser.form("/desk/login", &body).await.status, 401);
                times[kind].push(since.elapsed());
            }
        }
        let [unknown, known] = times.map(|times| times.into_iter().min().unwrap());
        // Without hashing it would be a few milliseconds against some twenty.
        assert!(unknown * 3 > known && known * 3 > unknown, "unknown {unknown:?}, known {known:?}");
    })
    .await;
}
