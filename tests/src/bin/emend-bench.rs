//! Measures Emend beside PostgreSQL alone; see `emend_tests::benchmark`.

use clap::Parser as _;
use emend_tests::benchmark::{Options, run};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    run(&Options::parse()).await
}
