use honeyguide::dht::Transport;
use honeyguide::{Event, Input, Instant, Node, Output};

/// Runs a node on whatever sends and waits, until it has told what was wanted.
pub fn run(node: &mut Node<'_>, wire: &mut impl Transport, mut is_wanted: impl FnMut(Instant, &Event<'_>) -> bool) {
    let (mut out, mut packet, mut now) = ([0; 1500], [0; 1500], Instant::ZERO);
    loop {
        let mut failed = None;
        let deadline = loop {
            match node.poll_output(&mut out) {
                Output::Transmit { link, to, payload } if wire.send(link, to, payload) => {}
                Output::Transmit { link, to, .. } => failed = Some(Input::SendFailed { link, to }),
                Output::Event(event) if is_wanted(now, &event) => return,
                Output::Event(_) => {}
                Output::Timeout(deadline) => break deadline,
            }
        };
        if let Some(failed) = failed {
            node.handle_input(now, failed);
            continue;
        }
        let woken = wire.wait(deadline, &mut packet);
        now = woken.now;
        node.handle_input(
            now,
            match woken.datagram {
                Some((link, from, len)) => Input::Datagram { link, from, payload: &packet[..len] },
                None => Input::Timeout,
            },
        );
    }
}
