//! The microcontroller: how it starts, speaks to the emulator and stops. The only unsafe code but that for the statics of
//! `node`.

use core::arch::asm;
use core::fmt;

// Places that the linker script names; only their addresses mean something.
unsafe extern "C" {
    static mut stack_bottom: u32;
    static stack_top: u32;
    static ram_end: u32;
    static flash_end: u32;
}

/// What is written into the stack before it is used, so that its deepest use can be seen afterwards.
const PAINT: u32 = 0x5AFE_57AC;
const RAM_START: usize = 0x2000_0000;

/// Semihosting: the emulator carries out `operation` when it meets this breakpoint.
fn semihost(operation: u32, argument: *const u32) {
    // SAFETY: the operations below read what `argument` points at and touch no other memory of ours.
    unsafe { asm!("bkpt #0xAB", inlateout("r0") operation => _, in("r1") argument, options(nostack)) }
}

/// The emulator's console.
struct Console;

impl fmt::Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        const WRITE_CHARACTER: u32 = 0x03;
        for byte in text.bytes() {
            semihost(WRITE_CHARACTER, (&raw const byte).cast());
        }
        Ok(())
    }
}

/// Ends the emulator with this exit code.
fn exit(code: u32) -> ! {
    const EXIT_EXTENDED: u32 = 0x20;
    const APPLICATION_EXIT: u32 = 0x20026;
    let reason = [APPLICATION_EXIT, code];
    semihost(EXIT_EXTENDED, reason.as_ptr());
    loop {}
}

/// Bytes that the image takes: flash, and RAM as statics and as the deepest use of the stack, which has the rest of it.
struct Footprint {
    pub flash: usize,
    pub statics: usize,
    pub stack_used: usize,
    pub stack_reserved: usize,
}

fn footprint() -> Footprint {
    let (bottom, top) = (&raw const stack_bottom, &raw const stack_top);
    let reserved = top as usize - bottom as usize;
    // SAFETY: the linker script puts the stack there; nothing else is read.
    let clean = (0..reserved / 4).take_while(|&i| unsafe { bottom.add(i).read_volatile() } == PAINT).count() * 4;
    Footprint {
        flash: &raw const flash_end as usize,
        statics: &raw const ram_end as usize - RAM_START - reserved,
        stack_used: reserved - clean,
        stack_reserved: reserved,
    }
}

/// What the linker script allows.
const FLASH: usize = 256 << 10;
const RAM: usize = 64 << 10;

/// Runs a scenario, says what it took and ends the emulator.
pub fn play(scenario: fn(&mut dyn fmt::Write)) -> ! {
    use core::fmt::Write as _;
    scenario(&mut Console);
    let used = footprint();
    let _ = writeln!(
        Console,
        "flash {} of {FLASH} bytes\nram {} of {RAM} bytes: statics {}, deepest stack {} of {}",
        used.flash,
        used.statics + used.stack_used,
        used.statics,
        used.stack_used,
        used.stack_reserved
    );
    exit(0)
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    use core::fmt::Write as _;
    let _ = writeln!(Console, "{info}");
    exit(101)
}

#[unsafe(no_mangle)]
extern "C" fn fault() -> ! {
    exit(102)
}

/// Where the processor begins: switches on the floating-point unit, which the target's code may use for anything,
/// paints the unused stack and goes on to the program.
#[unsafe(no_mangle)]
unsafe extern "C" fn start() -> ! {
    // SAFETY: this is the only thread, the register is the coprocessor access control of every Cortex-M4, and the words
    // painted lie below everything that this function itself keeps on the stack.
    unsafe {
        let coprocessor_access = 0xE000_ED88 as *mut u32;
        coprocessor_access.write_volatile(coprocessor_access.read_volatile() | (0xF << 20));
        asm!("dsb", "isb");
        let bottom = &raw mut stack_bottom;
        let own_frame = 256;
        let words = (&raw const stack_top as usize - bottom as usize - own_frame) / 4;
        for i in 0..words {
            bottom.add(i).write_volatile(PAINT);
        }
    }
    crate::main()
}
