//! The rule packs that this program brings along.

use std::sync::Arc;

use anyhow::Result;
use emend_vaccination::Vaccination;
use emend_worker::Validator;

use crate::exit::Usage;

/// All of them.
pub fn all() -> Vec<Arc<dyn Validator>> {
    vec![Arc::new(Vaccination::new())]
}

/// The rule pack of that name.
///
/// # Errors
/// [`Usage`], when there is none.
pub fn find(name: &str) -> Result<Arc<dyn Validator>> {
    let packs = all();
    let names: Vec<_> = packs.iter().map(|pack| pack.manifest().name.clone()).collect();
    let found = packs.into_iter().find(|pack| pack.manifest().name == name);
    found.ok_or_else(|| Usage::new(format!("--pack `{name}` is not known; there is {}", names.join(", "))))
}
