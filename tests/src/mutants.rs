//! Checks run on a store with a guard taken out: a check that does not notice shows nothing.

use std::any::Any;
use std::panic::AssertUnwindSafe;

use emend_scheduler::store::{Mutant, Store};
use futures::FutureExt as _;

tokio::task_local! {
    static MUTANT: Mutant;
}

/// The guard that is missing in the test that runs here, if any.
pub fn current() -> Option<Mutant> {
    MUTANT.try_with(|mutant| *mutant).ok()
}

/// Those that a scheduler of its own process is asked to be.
const PROCESSES: [Mutant; 3] = [Mutant::AnswersFirst, Mutant::TrustsWallClock, Mutant::RefusesInTurn];

/// A mutant by its name.
pub fn named(name: &str) -> Option<Mutant> {
    PROCESSES.into_iter().find(|mutant| format!("{mutant:?}") == name)
}

/// The store as the test that runs here wants it.
pub fn mutated(store: Store) -> Store {
    current().map_or_else(|| store.clone(), |mutant| store.with_mutant(mutant))
}

/// Runs a test on `mutant`: it must fail, and for the reason that its message names with `reason`.
///
/// # Panics
/// When the test holds although a guard is missing, or fails for another reason.
pub async fn fails_on(mutant: Mutant, reason: &str, test: impl Future<Output = ()>) {
    let outcome = MUTANT.scope(mutant, AssertUnwindSafe(Box::pin(test)).catch_unwind()).await;
    let Err(panic) = outcome else { panic!("the test does not notice {mutant:?}") };
    let message = message(panic.as_ref());
    println!("{mutant:?} is noticed: {message}");
    assert!(message.contains(reason), "{mutant:?} should have failed with {reason:?}, and said: {message}");
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}
