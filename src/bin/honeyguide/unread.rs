//! Output that nobody reads. A reader may stop reading without going away; a write then waits for it for ever, and with
//! it whoever has something to print, deaf to signals and to the end of its time. So another thread listens as well: it
//! ends the program where a write was under way when the time was up, and does not get on (rule U5).

use std::thread;
use std::time::Duration;

use crate::aside;
use crate::ending::Ending;
use crate::options::Options;
use crate::print::{Volume, say_at, under_way};

/// A write is looked at so often ..
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// .. and so many times in a row without progress are the end.
const LOOKS: u32 = 4;
/// How long the last word may take.
const LAST_WORD: Duration = Duration::from_millis(10);

/// Watches from now on. `limit` is the command's time.
pub fn watch(options: &Options, limit: Option<Duration>) {
    let options = options.clone();
    // Without this thread the program does what it should as long as somebody reads.
    let _ = thread::Builder::new().name("honeyguide-unread".into()).spawn(move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        let why = runtime.block_on(async { options.ending_after(limit).await });
        aside::hurry();
        if why == Ending::Interrupted {
            options.interrupted.notify_one();
        }
        wait_until_stuck();
        let sentence = crate::failed::Failed::from(why).sentence;
        // Where there is no thread for it, it ends without a word.
        let word = thread::Builder::new().name("honeyguide-last".into());
        if word.spawn(move || say_at(Volume::Quiet, sentence)).is_ok() {
            thread::sleep(LAST_WORD);
        }
        std::process::exit(1);
    });
}

fn wait_until_stuck() {
    let (mut last, mut looks) = (None, 0);
    while looks < LOOKS {
        thread::sleep(LOOK_EVERY);
        let now = under_way();
        looks = if now.is_some() && now == last { looks + 1 } else { 0 };
        last = now;
    }
}
