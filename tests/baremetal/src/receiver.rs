//! The loop: it takes what the interrupt left in the queue, and sleeps when there is nothing.

use core::fmt::Write;

use heapless::spsc::Queue;
use honeyguide::dht::{Buffer, LinkId};
use honeyguide::krpc::{self, Decoded};
use honeyguide::{Config, Input, Instant, Node, Output};

use crate::hash::{Hash, report};
use crate::radio::{self, DATAGRAMS, Radio, Received};

const LINK: LinkId = LinkId(0);
/// Three datagrams can wait: a queue keeps one place free.
type Waiting = Queue<Received, 4>;

// What an interrupt reaches is static; so is what would make a frame of the loop large.
static mut WAITING: Waiting = Queue::new();
static mut MEMORY: Memory = Memory::new();
type Memory = honeyguide::storage!(type { contacts: 32, operations: 1, items: 4, peers: 16 });

/// A node answers strangers whose datagrams come by interrupt. To be called once.
pub fn run(out: &mut dyn Write) {
    // SAFETY: one call, and nothing else names these statics.
    let (waiting, memory) = unsafe {
        let (waiting, memory) = (&raw mut WAITING, &raw mut MEMORY);
        (&mut *waiting, &mut *memory)
    };
    let (producer, mut consumer) = waiting.split();
    let mut node = Node::new(Config::tiny(), [5; 32], memory.lend()).expect("the capacities are sound");
    let (mut buffer, mut hash): (Buffer, _) = ([0; 1500], Hash::new());
    let (mut received, mut answered) = (0, 0);
    radio::start(Radio::new(producer));
    while received < DATAGRAMS {
        let Some(datagram) = consumer.dequeue() else {
            radio::wait();
            continue;
        };
        received += 1;
        let input = Input::Datagram { link: LINK, from: datagram.from, payload: datagram.payload() };
        node.handle_input(datagram.at, input);
        answered += drain(&mut node, &mut buffer, &mut hash);
    }
    assert_eq!(answered, DATAGRAMS, "every stranger has an answer");
    node.handle_input(Instant::from_secs(60), Input::Timeout);
    drain(&mut node, &mut buffer, &mut hash);
    report(out, "queue", &hash);
}

/// Sends what the node wants sent, here into a hash; how many answers that were.
fn drain(node: &mut Node<'_>, buffer: &mut Buffer, hash: &mut Hash) -> u32 {
    let mut answers = 0;
    loop {
        match node.poll_output(buffer) {
            Output::Transmit { to, payload, .. } => {
                hash.eat(to.ip_bytes());
                hash.eat(payload);
                answers += u32::from(matches!(krpc::decode(payload), Ok(Decoded::Response(_))));
            }
            Output::Event(_) => {}
            Output::Timeout(_) => return answers,
        }
    }
}
