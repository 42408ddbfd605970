//! `emend user` and `emend audit`, as people type them.

use anyhow::{Result, ensure};
use emend_tests::database::Database;
use emend_tests::process::{Deployment, Signal};
use serde_json::json;

const LIMIT: std::time::Duration = std::time::Duration::from_secs(30);

/// On SQLite: the first account is made on the store, the others over the scheduler; then the log is checked, and found
/// out when somebody was at it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounts_are_made_and_the_log_tells_of_it() -> Result<()> {
    let deployment = Deployment::on_sqlite()?;
    let store = deployment.store().to_owned();
    let on_store = ["user", "add", "mai", "--role", "operator", "--store", &store, "--json"];
    let made = deployment.run(on_store).await?.json()?;
    ensure!(
        made["name"] == "mai" && made["password"].as_str().is_some_and(|word| word.len() == 23),
        "{made}"
    );
    let mut scheduler = deployment.scheduler(0).await?;
    // While it runs, the file is its own.
    let busy = deployment.run(["user", "list", "--store", &store]).await?;
    ensure!(busy.code == Some(1) && busy.stderr.contains("in use"), "{busy:?}");
    let added =
        deployment.run(["user", "add", "lan", "--role", "reviewer", "--skill", "national_id"]).await?.ok()?;
    ensure!(added.stdout.contains("shown this once"), "{added:?}");
    let again = deployment.run(["user", "add", "lan", "--role", "lead"]).await?;
    ensure!(again.code == Some(1) && again.stderr.contains("emend user password lan"), "{again:?}");
    let odd = deployment.run(["user", "add", "Lan", "--role", "lead"]).await?;
    ensure!(odd.code == Some(2), "{odd:?}");
    deployment.run(["user", "set", "lan", "--role", "lead"]).await?.ok()?;
    deployment.run(["user", "password", "lan"]).await?.ok()?;
    deployment.run(["user", "disable", "lan"]).await?.ok()?;
    let listed = deployment.run(["user", "list", "--json"]).await?.json()?;
    let lan = json!({ "name": "lan", "roles": ["lead"], "skills": ["national_id"], "disabled": true });
    ensure!(listed[0] == lan && listed[1]["name"] == "mai", "{listed}");
    let unknown = deployment.run(["user", "disable", "nobody"]).await?;
    ensure!(unknown.code == Some(1) && unknown.stderr.contains("emend user list"), "{unknown:?}");
    scheduler.signal(Signal::Terminate)?;
    scheduler.done(LIMIT).await?;

    let verify = ["audit", "verify", "--store", &store, "--json"];
    let sound = deployment.run(verify).await?.json()?;
    ensure!(sound["sound"] == true && sound["entries"] == 5 && sound["kept"] == 5, "{sound}");
    ensure!(sound["unsealed"] == 0, "what was noted is chained before the end: {sound}");
    let database = Database::file(std::path::Path::new(store.trim_start_matches("sqlite://")));
    database.execute("DELETE FROM audit WHERE number = 5").await;
    let mac = database.texts("SELECT mac FROM audit WHERE number = 4").await.concat().concat();
    database.execute(&format!("UPDATE audit_head SET number = 4, mac = '{mac}'")).await;
    let cut = deployment.run(["audit", "verify", "--store", &store]).await?;
    ensure!(cut.code == Some(1) && cut.stdout.contains("entry 5 was cut off the end"), "{cut:?}");
    // A scheduler that starts again says so, and leaves the proof as it is.
    let mut scheduler = deployment.scheduler(0).await?;
    deployment.run(["user", "enable", "lan"]).await?.ok()?;
    scheduler.signal(Signal::Terminate)?;
    scheduler.done(LIMIT).await?;
    let cut = deployment.run(["audit", "verify", "--store", &store]).await?;
    ensure!(
        cut.code == Some(1) && cut.stdout.contains("entry 5 is not the one that the kept head names"),
        "{cut:?}"
    );
    database.close().await;
    Ok(())
}
