//! Catching a validator's panics without printing what they say: a panic message may hold a person's data.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

/// What the hook does on this thread.
enum Watch {
    /// Nothing of ours runs: the hook that was there before decides.
    Off,
    /// A validator runs. Holds where it panicked, once it has.
    On(Option<String>),
}

thread_local! {
    static WATCH: RefCell<Watch> = const { RefCell::new(Watch::Off) };
}

/// Runs `validate` and catches its panic; the error is the place in the source, never the message.
pub(crate) fn caught<T>(validate: impl FnOnce() -> T) -> Result<T, String> {
    install();
    WATCH.set(Watch::On(None));
    // What a panic leaves half done is the outcome, which is dropped, and the validator's own state, which its
    // contract says it does not have.
    let outcome = catch_unwind(AssertUnwindSafe(validate));
    match (outcome, WATCH.replace(Watch::Off)) {
        (Ok(outcome), _) => Ok(outcome),
        (Err(_), Watch::On(Some(place))) => Err(place),
        (Err(_), _) => Err("an unknown place".to_owned()),
    }
}

/// The default hook prints the message, so a hook is needed. It stands before the one that was there, which goes on
/// to serve all other threads; a hook that is set later stands before ours in the same way.
fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |info| {
            let ours = WATCH.with_borrow_mut(|watch| match watch {
                Watch::Off => false,
                Watch::On(place) => {
                    *place = info.location().map(ToString::to_string);
                    true
                }
            });
            if !ours {
                before(info);
            }
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_gives_its_place_and_not_its_message() {
        let place = caught(|| panic!("Nguyen Van A")).unwrap_err();
        assert!(place.contains("panics.rs") && !place.contains("Nguyen"), "{place}");
        assert_eq!(caught(|| 7), Ok(7));
    }
}
