//! The radio: at each interrupt another datagram has come in.
//!
//! On the microcontroller the interrupt is that of its own timer; on the host a thread stands for it. When it comes is another
//! moment on each, so a datagram says itself when it came.

use heapless::spsc::Producer;
use honeyguide::krpc::{Method, Query, Want};
use honeyguide::{Endpoint, Id, Instant};

/// Datagrams that come.
pub const DATAGRAMS: u32 = 200;

/// A datagram and when it came.
pub struct Received {
    pub at: Instant,
    pub from: Endpoint,
    length: usize,
    bytes: [u8; 128],
}

impl Received {
    pub fn payload(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// The `n`-th datagram: the query of another stranger each time.
    fn new(n: u32) -> Self {
        let [.., a, b] = n.to_be_bytes();
        let from = Endpoint::v4([60, a, b, 1], 6881);
        let (mut id, target) = (Id([b ^ 0x5A; 20]), Id([b; 20]));
        id.0[0] = a;
        let want = Want::default();
        let method = match n % 3 {
            0 => Method::Ping,
            1 => Method::FindNode { target, want },
            _ => Method::Get { target, seq: None, want },
        };
        let mut bytes = [0; 128];
        let query = Query { tid: &[a, b], version: None, read_only: false, id, method };
        let length = query.encode(&mut bytes).expect("a query is short");
        Received { at: Instant::from_millis(100 * u64::from(n)), from, length, bytes }
    }
}

/// What the interrupt works with.
pub struct Radio {
    queue: Producer<'static, Received>,
    next: u32,
}

impl Radio {
    pub fn new(queue: Producer<'static, Received>) -> Self {
        Radio { queue, next: 0 }
    }

    /// A datagram has come in. One that finds the queue full waits for the next interrupt; a real radio would lose it, which
    /// the protocol allows.
    fn interrupt(&mut self) {
        if self.next < DATAGRAMS && self.queue.enqueue(Received::new(self.next)).is_ok() {
            self.next += 1;
        }
    }
}

pub use timer::{start, wait};

#[cfg(target_os = "none")]
mod timer {
    use core::arch::asm;

    use super::Radio;

    /// Cycles between two interrupts: a millisecond of this board.
    const PERIOD: u32 = 25_000;

    /// The loop sets it before the first interrupt and never touches it again.
    static mut RADIO: Option<Radio> = None;

    /// The interrupts begin.
    pub fn start(radio: Radio) {
        let (control, reload, current) = (0xE000_E010 as *mut u32, 0xE000_E014 as *mut u32, 0xE000_E018 as *mut u32);
        // SAFETY: these are the registers of the timer that every Cortex-M has. It does not run yet, so no interrupt sees the
        // radio while it is put into its place.
        unsafe {
            (&raw mut RADIO).write(Some(radio));
            reload.write_volatile(PERIOD - 1);
            current.write_volatile(0);
            control.write_volatile(0b111);
        }
    }

    /// Sleeps until something happens.
    pub fn wait() {
        // SAFETY: it changes nothing but the time.
        unsafe { asm!("wfi", options(nostack)) }
    }

    /// The timer's interrupt; the vector table names it.
    #[unsafe(no_mangle)]
    extern "C" fn tick() {
        // SAFETY: an interrupt does not interrupt itself, and nothing else reaches the radio.
        if let Some(radio) = unsafe { &mut *&raw mut RADIO } {
            radio.interrupt();
        }
    }
}

#[cfg(not(target_os = "none"))]
mod timer {
    use super::{DATAGRAMS, Radio};

    /// The interrupts begin.
    pub fn start(mut radio: Radio) {
        std::thread::spawn(move || {
            while radio.next < DATAGRAMS {
                radio.interrupt();
                std::thread::yield_now();
            }
        });
    }

    /// Lets something happen.
    pub fn wait() {
        std::thread::yield_now();
    }
}
