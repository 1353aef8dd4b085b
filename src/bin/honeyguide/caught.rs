//! Panics that are expected, in words.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    static CATCHES: Cell<bool> = const { Cell::new(false) };
    static SAID: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Does the work. Should it panic, nothing is printed, and what was said comes back with its place in the source; what
/// the work has changed until then stays as it is.
pub fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |panic| match CATCHES.get() {
            true => SAID.set(words(panic)),
            false => before(panic),
        }));
    });
    let outer = CATCHES.replace(true);
    let done = catch_unwind(AssertUnwindSafe(work));
    CATCHES.set(outer);
    done.map_err(|_| SAID.take())
}

fn words(panic: &PanicHookInfo<'_>) -> String {
    let payload = panic.payload();
    let text = payload.downcast_ref::<String>().map(String::as_str).or(payload.downcast_ref::<&str>().copied());
    let place = panic.location().map(|at| format!(" ({}:{})", at.file(), at.line()));
    format!("{}{}", text.unwrap_or("it does not say why"), place.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_comes_back_as_words_with_its_place() {
        assert_eq!(caught(|| 7), Ok(7));
        let number = 3;
        for said in [caught(|| -> () { panic!("number {number}") }), caught(|| panic!("number 3"))] {
            let said = said.unwrap_err();
            assert!(said.starts_with("number 3 (src/bin/honeyguide/caught.rs:"), "{said}");
        }
        let inner: Result<(), _> = caught(|| caught(|| panic!("within"))).unwrap();
        assert!(inner.unwrap_err().contains("within"));
        let said = caught(|| -> () { std::panic::panic_any(7) }).unwrap_err();
        assert!(said.contains("does not say"), "{said}");
    }
}
