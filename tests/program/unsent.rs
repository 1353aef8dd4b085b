//! Datagrams that this machine could not send: why is told, and nobody is said to have been silent.

use std::net::UdpSocket;

use crate::commands::ID;
use crate::namespace;
use crate::process::run;
use crate::program::Running;

/// Rule B18.
#[test]
fn what_could_not_be_sent_is_told_with_the_cause() {
    if !namespace::is_inside("unsent::what_could_not_be_sent_is_told_with_the_cause") {
        return;
    }
    namespace::run("ip link set lo up");
    namespace::run("ip route add prohibit 198.51.100.0/24 && ip route add unreachable 192.0.2.0/24");
    let causes = [
        ("203.0.113.9:6881", "the network is unreachable"),
        ("[2001:db8::9]:6881", "the network is unreachable"),
        ("198.51.100.9:6881", "is not permitted"),
        ("192.0.2.9:6881", "the host is unreachable"),
    ];
    for (addr, cause) in causes {
        let unsent = format!("nothing could be sent to {addr}");
        for command in [&["ping", addr][..], &["put", "hello", "--at", addr], &["get", ID, "--at", addr]] {
            let told = run(&[command, &["--timeout", "20"]].concat(), b"").failed(1, &[&unsent, cause]);
            assert!(!told.err.contains("did not answer"), "{told:?}");
        }
        let join = ["find-node", ID, "--bootstrap", addr, "--timeout", "1"];
        let told = run(&join, b"").failed(1, &[&unsent, cause]);
        assert!(!told.err.contains("did not answer"), "{told:?}");
        // The other one is silent, and that is told as well.
        let world = silent();
        let join = [&join[..], &["--bootstrap", &world.1]].concat();
        run(&join, b"").failed(1, &["no usable answer", &world.1, &unsent, cause]);
    }
    // Each of several is.
    let both = ["203.0.113.9:6881", "203.0.113.10:6881"];
    let join = ["find-node", ID, "--bootstrap", both[0], "--bootstrap", both[1], "--timeout", "1"];
    let told = run(&join, b"")
        .failed(1, &both.map(|addr| ["nothing could be sent to ", addr].concat()).each_ref().map(String::as_str));
    assert!(!told.err.contains("no usable answer"), "{told:?}");
    let mut daemon = Running::start(&["node", "--bind", "0.0.0.0:0", "--bootstrap", causes[0].0]);
    let line = daemon.line_with("cannot send");
    assert!(line.contains("link 0") && line.contains(causes[0].0) && line.contains(causes[0].1), "{line}");
    let unscoped = ["node", "--network", "local", "--bind", "[::]:0", "--bootstrap", "[fe80::9]:7"];
    let line = Running::start(&unscoped).line_with("cannot send");
    assert!(line.contains("[fe80::9]:7") && line.contains("link-local"), "{line}");
    let mut daemon = Running::start(&["node", "--bind", "0.0.0.0:0", "--bootstrap", causes[2].0, "--json"]);
    let object: serde_json::Value = serde_json::from_str(&daemon.line_with("unsent")).unwrap();
    assert_eq!((&object["link"], &object["to"]), (&0.into(), &causes[2].0.into()), "{object}");
}

fn silent() -> (UdpSocket, String) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let addr = socket.local_addr().unwrap().to_string();
    (socket, addr)
}
