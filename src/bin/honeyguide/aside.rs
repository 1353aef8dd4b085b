//! Lines on standard error beside the work: whoever tells one does not wait for its reader. A node would stand still
//! otherwise when nobody reads, and could not end in order (rule U5).

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use crate::count::count;

/// Lines that wait at most; those for which there is no place are counted.
const MOST: usize = 4096;
/// At the end what waits is looked at so often ..
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// .. and so many times in a row without progress are the end, if a write is under way ..
const LOOKS: u32 = 8;
/// .. or so many, if the thread that writes has not had its turn.
const LOOKS_FOR_A_TURN: u32 = 200;

/// How long a program that is to end waits for a reader who is slow.
const HURRY: Duration = Duration::from_millis(50);

static ASIDE: OnceLock<Aside> = OnceLock::new();
static IS_HURRIED: AtomicBool = AtomicBool::new(false);

/// The program is to end now, and no longer when all was read.
pub fn hurry() {
    IS_HURRIED.store(true, Ordering::SeqCst);
}

/// Tells a line, which has no end yet.
pub fn tell(line: &str) {
    ASIDE.get_or_init(|| Aside::new(MOST, io::stderr())).tell(line);
}

/// Waits for what was told, as long as it is read.
pub fn finish() {
    if let Some(aside) = ASIDE.get() {
        aside.finish();
    }
}

struct Aside {
    lines: SyncSender<String>,
    counts: Arc<Counts>,
}

/// Lines by what became of them.
#[derive(Default)]
struct Counts {
    taken: AtomicU64,
    begun: AtomicU64,
    written: AtomicU64,
    left_out: AtomicU64,
}

impl Aside {
    fn new(most: usize, mut out: impl Write + Send + 'static) -> Aside {
        let ((lines, waiting), counts) = (sync_channel::<String>(most), Arc::<Counts>::default());
        let told = counts.clone();
        let write = move || {
            for line in waiting {
                told.begun.fetch_add(1, Ordering::SeqCst);
                // Nobody has to read it.
                let _ = out.write_all(line.as_bytes());
                told.written.fetch_add(1, Ordering::SeqCst);
            }
        };
        // Without this thread all lines are left out.
        let _ = thread::Builder::new().name("honeyguide-aside".into()).spawn(write);
        Aside { lines, counts }
    }

    fn tell(&self, line: &str) {
        self.send(&format!("honeyguide: {line}\n"), 1);
    }

    /// Gives on what stands for so many lines, with how many were left out in front of it.
    fn send(&self, text: &str, lines: u64) {
        let left_out = self.counts.left_out.swap(0, Ordering::SeqCst);
        let notice = match left_out {
            0 => String::new(),
            _ => format!("honeyguide: {} left out here: nobody read in time\n", count(left_out, "line")),
        };
        self.counts.taken.fetch_add(1, Ordering::SeqCst);
        if self.lines.try_send(notice + text).is_err() {
            self.counts.taken.fetch_sub(1, Ordering::SeqCst);
            self.counts.left_out.fetch_add(left_out + lines, Ordering::SeqCst);
        }
    }

    fn finish(&self) {
        let begun = Instant::now();
        self.wait(begun);
        if self.counts.left_out.load(Ordering::SeqCst) > 0 {
            self.send("", 0);
            self.wait(begun);
        }
    }

    fn wait(&self, since: Instant) {
        let (mut last, mut looks) = (0, 0);
        loop {
            let [written, begun, taken] = [&self.counts.written, &self.counts.begun, &self.counts.taken]
                .map(|count| count.load(Ordering::SeqCst));
            let most = if begun > written { LOOKS } else { LOOKS_FOR_A_TURN };
            let is_late = IS_HURRIED.load(Ordering::SeqCst) && since.elapsed() >= HURRY;
            if written >= taken || looks >= most || is_late {
                return;
            }
            looks = if written == last { looks + 1 } else { 0 };
            last = written;
            thread::sleep(LOOK_EVERY);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// Passes on what is written, says so, and then waits until it is read.
    struct Slow(Sender<String>, Receiver<()>);

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(String::from_utf8(bytes.to_vec()).unwrap()).unwrap();
            let _ = self.1.recv();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_wait_up_to_the_limit_and_those_past_it_are_counted() {
        let ((tell, told), (read, reads)) = (channel(), channel());
        let aside = Aside::new(3, Slow(tell, reads));
        aside.tell("first");
        assert_eq!(told.recv().unwrap(), "honeyguide: first\n");
        (0..3).for_each(|i| aside.tell(&i.to_string()));
        assert_eq!(aside.counts.left_out.load(Ordering::SeqCst), 0);
        (3..5).for_each(|i| aside.tell(&i.to_string()));
        // Nobody reads: it is not waited for.
        aside.finish();
        read.send(()).unwrap();
        assert_eq!(told.recv().unwrap(), "honeyguide: 0\n");
        // There is a place again.
        aside.tell("5");
        aside.tell("6");
        drop(read);
        let written: Vec<_> = (0..3).map(|_| told.recv().unwrap()).collect();
        assert_eq!(written[..2], ["honeyguide: 1\n", "honeyguide: 2\n"]);
        assert!(written[2].starts_with("honeyguide: 2 lines left out here"), "{written:?}");
        assert!(written[2].ends_with("\nhoneyguide: 5\n"), "{written:?}");
        aside.finish();
        let last = told.recv().unwrap();
        assert!(last.starts_with("honeyguide: 1 line left out here"), "{last}");
    }
}
