use honeyguide::dht::Transport;
use honeyguide::{Event, Input, Instant, Node, Output};

/// Runs a node from now on, on whatever sends and waits, until it has told what was wanted; when that was.
pub fn run(
    node: &mut Node<'_>,
    wire: &mut impl Transport,
    mut now: Instant,
    mut is_wanted: impl FnMut(Instant, &Event<'_>) -> bool,
) -> Instant {
    let (mut out, mut packet) = ([0; 1500], [0; 1500]);
    loop {
        let mut failed = None;
        let deadline = loop {
            match node.poll_output(&mut out) {
                Output::Transmit { link, to, payload } if wire.send(link, to, payload) => {}
                Output::Transmit { link, to, .. } => failed = Some(Input::SendFailed { link, to }),
                Output::Event(event) if is_wanted(now, &event) => return now,
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
