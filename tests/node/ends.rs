//! When an operation ends, and what it says of why: its deadline, and of several parts the reason that counts.

use std::time::Duration;

use honeyguide::dht::{PeerKind, Reason};
use honeyguide::krpc::{Family, Method};
use honeyguide::{Command, Config, Id};

use crate::lab::{self, Lab};
use crate::scopes::{NOTHING, dual_of};

const TARGET: Id = Id([0x42; 20]);

/// A node on both families whose put, or announce, has its eight confirmations of one family, where four nodes have not
/// said yet, and none of the other.
fn with_one_part_settled(mut config: Config, settled: Family, command: Command<'_>) -> Lab {
    config.lookup.replicas = 12;
    let mut lab = dual_of(config, 12, 12, NOTHING);
    let (mut of_settled, nodes) = (0, lab.minds.keys().copied().collect::<Vec<_>>());
    for node in nodes {
        of_settled += u32::from(node.family() == settled);
        let stores = node.family() == settled && of_settled <= 8;
        let mut mind = lab.minds.remove(&node).unwrap();
        lab.minds.insert(
            node,
            Box::new(move |query| match query.method {
                Method::Put { .. } | Method::AnnouncePeer { .. } if !stores => None,
                _ => mind(query),
            }),
        );
    }
    let op = lab.node.command(lab.now, 1, command).unwrap();
    lab.drain();
    lab.run(Duration::from_millis(500));
    let mut stored = lab.node.op(op).expect("it goes on").outcome.links.map(|link| link.stored);
    if settled == Family::V6 {
        stored.swap(0, 1);
    }
    assert_eq!(stored[..2], [8, 0], "confirmed by the family that is settled, and by the other");
    lab
}

/// Rule L31: cancelled, deadline, then converged, whichever part is looked at first.
#[test]
fn a_put_that_one_link_has_confirmed_does_not_converge_when_it_is_cancelled_or_out_of_time() {
    let put = Command::PutImmutable { value: b"5:hello" };
    let announce = Command::Announce { info_hash: TARGET, port: Some(80), kind: PeerKind::Downloader };
    for (command, settled) in [(put, Family::V4), (put, Family::V6), (announce, Family::V4), (announce, Family::V6)] {
        let mut lab = with_one_part_settled(lab::config(), settled, command);
        lab.node.cancel(lab.now, 1);
        lab.drain();
        assert_eq!(lab.outcome().map(|outcome| outcome.reason), Some(Reason::Cancelled), "{command:?}, {settled:?}");
        let mut brief = lab::config();
        brief.lookup.deadline = Duration::from_secs(1);
        let outcome = with_one_part_settled(brief, settled, command).finish();
        assert_eq!((outcome.reason, outcome.elapsed), (Reason::Deadline, Duration::from_secs(1)), "{settled:?}");
        assert_eq!(outcome.stored.all, 8, "{command:?}");
    }
}

/// Rule L31: that a part found nobody says nothing against the copies of the other.
#[test]
fn a_put_that_one_link_has_confirmed_converges_when_the_other_has_tried_all() {
    for settled in [Family::V4, Family::V6] {
        let outcome =
            with_one_part_settled(lab::config(), settled, Command::PutImmutable { value: b"5:hello" }).finish();
        assert_eq!((outcome.reason, outcome.stored.all), (Reason::Converged, 8));
    }
}
