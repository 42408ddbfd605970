//! `emend migrate`.

use anyhow::{Result, anyhow};

use super::{print, settings};
use crate::args::{Common, MigrateArgs};
use crate::exit::Exit;

pub(super) async fn run(args: MigrateArgs, common: &Common) -> Result<Exit> {
    let flags = args.store.map(|store| ("scheduler.store", store.into()));
    let settings = settings(common, "warn", flags.into_iter().collect())?;
    let migrated = emend_scheduler::store::Store::migrate(&settings.scheduler.store).await;
    migrated.map_err(|error| anyhow!("--store: {error}"))?;
    print("the store's schema is that of this program")?;
    Ok(Exit::Done)
}
