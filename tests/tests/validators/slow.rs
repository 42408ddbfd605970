//! A slow validator costs no lease: few records are asked about at once, and beats tell of each of them.
//!
//! The long form: `SLOW_RECORDS=2000 SLOW_TTL=10`.

use std::time::Duration;

use anyhow::{Result, ensure};
use emend_tests::amount;
use emend_tests::process::Deployment;

use super::register::{Register, Ways};
use super::{import, reviewing, stop, units, worker};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenth_of_a_second_for_each_record_loses_no_lease() -> Result<()> {
    let (records, ttl) = (amount("SLOW_RECORDS", 200), amount("SLOW_TTL", 2));
    let deployment = Deployment::on_sqlite()?.set("EMEND__SCHEDULER__LEASE_TTL", ttl);
    let mut register = Register::away(Ways { cost: Duration::from_millis(100), ..Ways::default() });
    register.start()?;
    let mut processes = [deployment.scheduler(0).await?, worker(&deployment, 0, &register.url())?];
    // Each unit takes longer than its lease.
    import(&deployment, records, ttl * 20).await?;
    reviewing(&deployment).await?;
    let units = units(&deployment).await?;
    let again = units.iter().filter(|unit| unit.epoch != 1 || unit.attempts_left != 3).count();
    println!(
        "{records} records of 100 ms in {} units at a lease of {ttl} s, {again} leased again",
        units.len()
    );
    ensure!(again == 0, "{again} units were leased again");
    stop(&mut processes).await
}
