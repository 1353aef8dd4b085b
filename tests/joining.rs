//! How the program joins, on which sockets, and how soon it ends. Rules B8 to B15 of `spec/joining.md`.
//!
//! What takes a network of its own runs in a namespace.

use std::net::{SocketAddr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use eventually::{PATIENCE, eventually};
use folder::Folder;
use program::{Running, honeyguide};

#[path = "shared/eventually.rs"]
mod eventually;
#[path = "shared/folder.rs"]
mod folder;
#[path = "shared/namespace.rs"]
mod namespace;
#[path = "shared/program.rs"]
mod program;

const ID: &str = "4242424242424242424242424242424242424242";

fn network(nodes: &str) -> (Running, SocketAddr) {
    let mut running = Running::start(&["testnet", "--nodes", nodes]);
    let addr = running.line().strip_prefix("bootstrap ").unwrap().parse().unwrap();
    (running, addr)
}

/// A node of a local network that begins with it, and the address of its first link.
fn node(bind: &str) -> (Running, SocketAddr) {
    let mut running = Running::start(&["node", "--network", "local", "--bind", bind]);
    let addr = running.line().split(' ').nth(2).unwrap().parse().unwrap();
    (running, addr)
}

/// A way to `to`, at the same IP address, that loses the first `lost` datagrams. It ends with the test.
fn lossy(to: SocketAddr, lost: usize) -> SocketAddr {
    let front = UdpSocket::bind((to.ip(), 0)).unwrap();
    let addr = front.local_addr().unwrap();
    thread::spawn(move || {
        let (mut buffer, mut client, mut seen) = ([0; 1500], None, 0);
        loop {
            let Ok((len, from)) = front.recv_from(&mut buffer) else { return };
            if from != to {
                (client, seen) = (Some(from), seen + 1);
            }
            let on = if from == to { client } else { (seen > lost).then_some(to) };
            on.into_iter().for_each(|on| drop(front.send_to(&buffer[..len], on)));
        }
    });
    addr
}

/// Rule B8.
#[test]
fn a_lost_datagram_decides_nothing() {
    let (_network, addr) = network("6");
    for (lost, command) in [(1, ["find-node", ID]), (2, ["put", "hello"])] {
        let way = lossy(addr, lost).to_string();
        honeyguide(&[&command[..], &["--bootstrap", &way, "--timeout", "40"]].concat()).done();
    }
}

/// How many datagrams the system of this namespace had no route for.
fn without_route() -> u64 {
    let counters = std::fs::read_to_string("/proc/net/snmp").unwrap();
    let mut rows = counters.lines().filter_map(|line| line.strip_prefix("Ip: "));
    let (names, values) = (rows.next().unwrap(), rows.next().unwrap());
    let at = names.split(' ').position(|name| name == "OutNoRoutes").unwrap();
    values.split(' ').nth(at).unwrap().parse().unwrap()
}

/// Rule B8.
#[test]
fn a_network_that_is_not_there_yet_is_waited_for() {
    if !namespace::is_inside("a_network_that_is_not_there_yet_is_waited_for") {
        return;
    }
    namespace::run("ip link set lo up");
    let (_node, addr) = node("0.0.0.0:0");
    let router = format!("10.9.9.9:{}", addr.port());
    let mut daemon = Running::start(&["node", "--bind", "0.0.0.0:0", "--bootstrap", &router]);
    let finder = Running::start(&["find-node", ID, "--bootstrap", &router]);
    eventually(|| without_route() >= 2);
    while !daemon.line().contains("link 0 has no contacts yet") {}
    namespace::run("ip addr add 10.9.9.9/32 dev lo");
    assert!(finder.wait().done().out.contains("10.9.9.9"));
    while !daemon.line().contains("1 contact") {}
}

/// Rule B18. What goes wrong is told when it does, and not when the time is up.
#[test]
fn a_machine_without_a_network_is_told_of_at_once() {
    if !namespace::is_inside("a_machine_without_a_network_is_told_of_at_once") {
        return;
    }
    for command in [&["find-node", ID][..], &["put", "hello"], &["demo"]] {
        let mut running = Running::start(&[command, &["--bootstrap", "127.0.0.1:6881"]].concat());
        let word = running.word();
        assert!(word.contains("nothing could be sent to 127.0.0.1:6881") && word.contains("asked again"), "{word}");
        let run = running.end_by("TERM");
        assert!(!run.err.contains("asked again"), "once: {run:?}");
    }
    // No node of such a network finds another.
    for command in [&["testnet", "--nodes", "2"][..], &["demo"]] {
        honeyguide(command).ended(1, &["test network", "loopback interface"]);
    }
}

/// Names in this namespace alone, and a name service that answers at once that it knows no other.
struct Names(Folder);

impl Names {
    fn new(lines: &str) -> Names {
        let names = Names(Folder::new());
        let resolv = names.0.with("resolv.conf", "nameserver 127.0.0.1\noptions timeout:5 attempts:1\n");
        names.set(lines);
        let hosts = names.0.file("hosts");
        namespace::run(&format!("mount --bind {hosts} /etc/hosts && mount --bind {resolv} /etc/resolv.conf"));
        names
    }

    fn set(&self, lines: &str) {
        self.0.with("hosts", format!("127.0.0.1 localhost\n::1 localhost\n{lines}\n"));
    }
}

/// Rule B9.
#[test]
fn a_daemon_that_begins_before_the_name_service_asks_again() {
    if !namespace::is_inside("a_daemon_that_begins_before_the_name_service_asks_again") {
        return;
    }
    namespace::run("ip link set lo up && ip addr add 10.9.9.9/32 dev lo");
    let names = Names::new("");
    let (_node, addr) = node("0.0.0.0:0");
    let router = format!("router.test:{}", addr.port());
    let mut daemon = Running::start(&["node", "--bind", "0.0.0.0:0", "--bootstrap", &router]);
    let finder = Running::start(&["find-node", ID, "--bootstrap", &router]);
    let word = daemon.word();
    assert!(word.contains("router.test") && word.contains("asked for again"), "{word}");
    while !daemon.line().contains("link 0 has no contacts yet") {}
    names.set("10.9.9.9 router.test");
    while !daemon.line().contains("1 contact") {}
    assert!(finder.wait().done().out.contains("10.9.9.9"));
}

/// Rule B9. It is told while the command goes on, and once.
#[test]
fn a_name_that_cannot_be_resolved_is_told_at_once() {
    if !namespace::is_inside("a_name_that_cannot_be_resolved_is_told_at_once") {
        return;
    }
    namespace::run("ip link set lo up");
    let _names = Names::new("");
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let nobody = silent.local_addr().unwrap().to_string();
    for command in [&["find-node", ID][..], &["put", "hello"], &["demo"], &["node", "--bind", "127.0.0.1:0"]] {
        let names = ["--bootstrap", &nobody, "--bootstrap", "router.test:1"];
        let mut running = Running::start(&[command, &names].concat());
        let word = running.word();
        let words = ["\"router.test:1\" could not be resolved: ", "asked for again"];
        assert!(words.iter().all(|part| word.contains(part)), "{word}");
        // It asks the other one meanwhile.
        silent.recv_from(&mut [0; 1500]).unwrap();
        let run = running.end_by("TERM");
        assert!(!run.err.contains("asked for again"), "{run:?}");
        silent.set_nonblocking(true).unwrap();
        while silent.recv_from(&mut [0; 1500]).is_ok() {}
        silent.set_nonblocking(false).unwrap();
    }
    // Nobody typed the names of the public list: they are told of together.
    let mut running = Running::start(&["find-node", ID]);
    let word = running.word();
    assert!(word.contains("none of the public routers") && word.contains("asked for again"), "{word}");
    let run = running.end_by("TERM");
    assert_eq!(run.err.lines().count(), 1, "{run:?}");
}

/// Rule B9. A name service that says nothing at all.
#[test]
fn a_name_service_that_is_silent_is_told_of() {
    if !namespace::is_inside("a_name_service_that_is_silent_is_told_of") {
        return;
    }
    namespace::run("ip link set lo up");
    let names = Names::new("");
    // It is told before the system gives up.
    names.0.with("resolv.conf", "nameserver 127.0.0.1\noptions timeout:20 attempts:1\n");
    let _silent = UdpSocket::bind("127.0.0.1:53").unwrap();
    let commands = [
        &["find-node", ID, "--bootstrap", "router.test:1"][..],
        &["ping", "router.test:1"],
        &["get", ID, "--at", "router.test:1"],
        &["node", "--bind", "router.test:1"],
    ];
    for mut running in commands.map(Running::start) {
        let word = running.word();
        assert!(word.contains("\"router.test:1\"") && word.contains("name service has not answered"), "{word}");
    }
}

/// Rule B17.
#[test]
fn a_node_that_knows_nobody_says_so_at_the_start_and_how_others_join_it() {
    let mut alone = Running::start(&["node", "--bind", "127.0.0.1:0", "[::1]:0"]);
    let addrs = [0, 1].map(|_| alone.line().split(' ').nth(2).unwrap().to_string());
    let word = alone.word();
    let words = ["knows no node", "waits", &format!("--bootstrap {}", addrs[0]), &addrs[1], "--bootstrap ADDR"];
    assert!(words.iter().all(|part| word.contains(part)), "{word}");
    let line = alone.line();
    assert!(line.contains("link 0 has no contacts yet") && line.contains("nobody to join through"), "{line}");
    let everywhere = ["node", "--network", "local", "--bind", "0.0.0.0:0"];
    let mut alone = Running::start(&everywhere);
    let addr = alone.line().split(' ').nth(2).unwrap().parse::<SocketAddr>().unwrap();
    let word = alone.word();
    assert!(word.contains(&format!("port {}", addr.port())) && !word.contains("--bootstrap 0.0.0.0"), "{word}");
    let run = honeyguide(&["node", "--bind", "127.0.0.1:0", "--timeout", "0.2", "--quiet"]).done();
    assert_eq!(run.err, "");
}

/// Rules B10 and B11.
#[test]
fn what_a_name_resolves_to_lifts_no_rule() {
    if !namespace::is_inside("what_a_name_resolves_to_lifts_no_rule") {
        return;
    }
    namespace::run("ip link set lo up && ip addr add 10.9.9.9/32 dev lo && ip addr add 203.0.113.9/32 dev lo");
    let _names = Names::new(
        "127.0.0.1 poisoned.test\n0.0.0.0 blocked.test\n::1 six.test\n10.9.9.9 home.test\n\
         203.0.113.9 mixed.test\n127.0.0.1 mixed.test\n10.9.9.9 mixed.test",
    );
    let (_node, addr) = node("0.0.0.0:0");
    let at = |name: &str| format!("{name}:{}", addr.port());
    let find = |name: &str, more: &[&str]| honeyguide(&[&["find-node", ID, "--bootstrap", &at(name)], more].concat());
    for (name, what) in [("poisoned.test", "loopback"), ("blocked.test", "no address of"), ("six.test", "loopback")] {
        find(name, &["--timeout", "0.5"]).ended(1, &[name, what]);
    }
    find("poisoned.test", &["--network", "local"]).done();
    find("localhost", &[]).done();
    find("home.test", &[]).done();
    let mixed = find("mixed.test", &[]).done().said(&["127.0.0.1, a loopback", "10.9.9.9, a private", "left out"]);
    assert!(mixed.out.contains("203.0.113.9") && !mixed.err.contains("203.0.113.9"), "{mixed:?}");
    honeyguide(&["ping", &at("poisoned.test"), "--timeout", "3"]).ended(1, &["poisoned.test", "loopback"]);
    honeyguide(&["ping", &at("mixed.test"), "--timeout", "9"]).done();
    let mut named = Running::start(&["node", "--bind", "localhost:0"]);
    let addrs = [named.line(), named.line()].join(" ");
    assert!(addrs.contains("127.0.0.1:") && addrs.contains("[::1]:"), "a link for each address: {addrs}");
}

/// Rules B8, U15 and U29. Each address is asked three times, within the time that a command has.
#[test]
fn the_one_node_that_a_name_leads_to_is_found_though_datagrams_are_lost() {
    if !namespace::is_inside("the_one_node_that_a_name_leads_to_is_found_though_datagrams_are_lost") {
        return;
    }
    namespace::run("ip link set lo up");
    let _names = Names::new("");
    let (_node, six) = node("[::1]:0");
    let target = honeyguide::krpc::Item::immutable_target(b"5:hello").to_string();
    let commands = [&["put", "hello", "--at"][..], &["get", &target, "--at"], &["ping"]];
    for (lost, command) in [1, 2, 2].into_iter().zip(commands) {
        let name = format!("localhost:{}", lossy(six, lost).port());
        honeyguide(&[command, &[&name]].concat()).done();
    }
    // Where nobody is, every address is told, though there was no time for all tries.
    let name = format!("localhost:{}", lossy(six, usize::MAX).port());
    for command in [&["get", ID, "--at"][..], &["ping"]] {
        let run = honeyguide(&[command, &[&name, "--timeout", "3"]].concat());
        run.ended(1, &["127.0.0.1:", "[::1]:", "did not answer"]);
    }
}

/// Rule B12.
#[test]
fn an_address_of_the_other_family_in_first_place_breaks_nothing() {
    let (_network, addr) = network("6");
    let silent = UdpSocket::bind("[::1]:0").expect("this machine has IPv6 on its loopback interface");
    let (six, four) = (silent.local_addr().unwrap().to_string(), addr.to_string());
    for command in [&["find-node", ID][..], &["put", "hello"], &["demo"]] {
        for order in [[&six, &four], [&four, &six]] {
            honeyguide(&[command, &["--bootstrap", order[0], "--bootstrap", order[1]]].concat()).done();
        }
        // A name with both families, of which one is silent.
        let name = format!("localhost:{}", addr.port());
        honeyguide(&[command, &["--bootstrap", &name]].concat()).done();
    }
    let args = ["node", "--bind", "127.0.0.1:0", "--bootstrap", &six, "--bootstrap", &four];
    let mut daemon = Running::start(&args);
    let word = daemon.word();
    assert!(word.contains("skipped") && word.contains("IPv6") && word.contains(&six), "{word}");
    while !daemon.line().contains("link 0 joined with") {}
}

/// Rules B12 and B13.
#[test]
fn a_host_without_one_of_the_families_uses_the_other() {
    if !namespace::is_inside("a_host_without_one_of_the_families_uses_the_other") {
        return;
    }
    namespace::run("ip link set lo up");
    let _names = Names::new("");
    {
        let (_node, four) = node("127.0.0.1:0");
        namespace::run("echo 1 > /proc/sys/net/ipv6/conf/lo/disable_ipv6");
        let (name, four) = (format!("localhost:{}", four.port()), four.to_string());
        let find = |addrs: [&str; 2]| {
            honeyguide(&["find-node", ID, "--bootstrap", addrs[0], "--bootstrap", addrs[1], "--timeout", "20"])
        };
        find(["[::1]:7", &four]).done().said(&["skipped", "IPv6", "[::1]:7"]);
        find([&name, &four]).done();
        honeyguide(&["ping", &name]).done();
        honeyguide(&["ping", "[::1]:7"]).ended(1, &["IPv6", "[::1]:0"]);
        let mut daemon = Running::start(&["node", "--bind", "localhost:0", "--bootstrap", &four]);
        assert!(daemon.word().contains("no IPv6 loopback address"));
        assert!(daemon.line().starts_with("link 0 127.0.0.1:"));
        namespace::run("echo 0 > /proc/sys/net/ipv6/conf/lo/disable_ipv6; ip addr add ::1/128 dev lo || true");
    }
    let (_node, six) = node("[::1]:0");
    namespace::run("ip addr del 127.0.0.1/8 dev lo");
    let name = format!("localhost:{}", six.port());
    honeyguide(&["find-node", ID, "--bootstrap", &name, "--timeout", "20"]).done();
    honeyguide(&["ping", &name]).done();
    honeyguide(&["find-node", ID, "--bootstrap", "127.0.0.1:7", "--bootstrap", &six.to_string()]).done().said(&[
        "skipped",
        "IPv4",
        "127.0.0.1:7",
    ]);
    let mut daemon = Running::start(&["node", "--bind", "localhost:0"]);
    assert!(daemon.word().contains("no IPv4 loopback address") && daemon.line().contains("[::1]:"));
}

/// Rules B1, B3 and B13.
#[test]
fn a_node_binds_both_families_on_one_port_and_by_name() {
    let (_node, taken) = node("127.0.0.1:0");
    let taken = taken.port().to_string();
    let mut both = Running::start(&["node", "--network", "local", "--bind", "0.0.0.0:0"]);
    let port = both.line().split(' ').nth(2).unwrap().parse::<SocketAddr>().unwrap().port();
    both.signal("TERM");
    both.wait().done();
    let [four, six] = [format!("0.0.0.0:{port}"), format!("[::]:{port}")];
    for binds in [["--bind", &four, &six], ["--bind", &six, &four]] {
        let mut running = Running::start(&[&["node", "--network", "local"], &binds[..]].concat());
        let lines = [running.line(), running.line()];
        assert!(lines.iter().all(|line| line.contains(&port.to_string())), "{lines:?}");
        running.signal("TERM");
        running.wait().done();
    }
    let mut default = Running::start(&["node", "--network", "local", "--json"]);
    let lines = [default.line(), default.line()];
    assert!(lines[0].contains("0.0.0.0:") && lines[1].contains("[::]:") && lines[0].contains("\"receive_buffer\":"));
    // It may as well be this very process that has the port.
    let run = honeyguide(&["node", "--bind", &format!("127.0.0.1:{taken}")]).ended(1, &["in use", &taken]);
    assert!(!run.err.contains("another program"), "{run:?}");
    honeyguide(&["node", "--bind", "192.0.2.1:0"]).ended(1, &["192.0.2.1", "no address of this machine"]);
    honeyguide(&["node", "--bind", "127.0.0.1"]).ended(2, &["127.0.0.1", "port"]);
}

/// Rules B3 and B13. That an address is another machine's says nothing of its family.
#[test]
fn a_name_of_which_one_address_is_no_address_of_this_machine_is_refused() {
    if !namespace::is_inside("a_name_of_which_one_address_is_no_address_of_this_machine_is_refused") {
        return;
    }
    namespace::run("ip link set lo up");
    let foreign = [("four.test", "192.0.2.1"), ("six.test", "2001:db8::1")];
    let line = |(name, foreign)| format!("{foreign} {name}\n127.0.0.1 {name}\n::1 {name}\n");
    let _names = Names::new(&foreign.map(line).concat());
    for (name, foreign) in foreign {
        let bind = ["node", "--network", "local", "--bind", &format!("{name}:0"), "--timeout", "5"];
        let run = honeyguide(&bind).ended(1, &[name, foreign, "no address of this machine"]);
        assert_eq!(run.out, "");
    }
    // A family that is switched off has sockets, and no address.
    namespace::run("echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6");
    let (name, foreign) = ("seven.test", "2001:db8::1");
    let _names = Names::new(&format!("{foreign} {name}\n127.0.0.1 {name}\n224.0.0.1 many.test\n"));
    let mut daemon = Running::start(&["node", "--network", "local", "--bind", &format!("{name}:0")]);
    assert!(daemon.word().contains("no IPv6"));
    assert!(daemon.line().starts_with("link 0 127.0.0.1:"));
    honeyguide(&["node", "--bind", "many.test:0"]).ended(2, &["many.test:0", "224.0.0.1"]);
}

/// Rule B19.
#[test]
fn nodes_at_link_local_addresses_meet_where_their_links_are_bound_to_the_interface() {
    if !namespace::is_inside("nodes_at_link_local_addresses_meet_where_their_links_are_bound_to_the_interface") {
        return;
    }
    namespace::run("ip link set lo up; ip link add away type veth peer name other");
    namespace::run("ip link set away up; ip link set other up");
    namespace::run("ip -6 addr add fe80::8/64 dev away nodad; ip -6 addr add fe80::9/64 dev away nodad");
    let (_node, addr) = node("[fe80::9%away]:0");
    assert_eq!(addr.ip(), "fe80::9".parse::<std::net::IpAddr>().unwrap());
    let router = format!("[fe80::9]:{}", addr.port());
    let bind = ["node", "--network", "local", "--bind", "[fe80::8%away]:0", "--bootstrap", &router];
    let mut daemon = Running::start(&bind);
    let line = daemon.line_with("link 0 joined");
    assert!(line.contains("with 1 contact ("), "{line}");
}

/// Rule B14.
#[test]
fn a_signal_ends_the_wait_for_a_name_service_at_once() {
    if !namespace::is_inside("a_signal_ends_the_wait_for_a_name_service_at_once") {
        return;
    }
    namespace::run("ip link set lo up");
    let _names = Names::new("");
    let silent = UdpSocket::bind("127.0.0.1:53").unwrap();
    silent.set_read_timeout(Some(PATIENCE)).unwrap();
    let commands = [
        &["node", "--bind", "127.0.0.1:0", "--bootstrap", "router.test:1"][..],
        &["node", "--bind", "own.test:0"],
        &["find-node", ID, "--bootstrap", "router.test:1"],
        &["ping", "router.test:1"],
    ];
    for command in commands {
        for signal in ["INT", "TERM", "HUP"] {
            let mut running = Running::start(command);
            silent.recv_from(&mut [0; 1500]).unwrap();
            if command[0] == "node" && command[2] == "127.0.0.1:0" {
                running.line();
            }
            let begun = Instant::now();
            running.signal(signal);
            let run = running.wait();
            // The name service would be waited for during five seconds more.
            assert!(begun.elapsed() < Duration::from_secs(1), "{command:?} took {:?}", begun.elapsed());
            assert!(run.code == Some(0) || run.err.contains("interrupted"), "{run:?}");
            silent.set_nonblocking(true).unwrap();
            while silent.recv_from(&mut [0; 1500]).is_ok() {}
            silent.set_nonblocking(false).unwrap();
        }
    }
}

/// Rule B14.
#[test]
fn a_hangup_that_was_to_be_ignored_is_ignored() {
    let mut running = Running::start_deaf("HUP", &["node", "--network", "local", "--bind", "127.0.0.1:0"]);
    let addr = running.line().split(' ').nth(2).unwrap().to_string();
    running.signal("HUP");
    honeyguide(&["ping", &addr]).done();
    let status = std::fs::read_to_string(format!("/proc/{}/status", running.child.id())).unwrap();
    let has_hangup = |mask: &str| {
        let bits = status.lines().find_map(|line| line.strip_prefix(mask)).expect(mask).trim();
        u64::from_str_radix(bits, 16).unwrap() & 1 == 1
    };
    assert!(has_hangup("SigIgn:") && !has_hangup("SigCgt:"), "{status}");
    running.signal("TERM");
    running.wait().done();
    let mut running = Running::start(&["node", "--bind", "127.0.0.1:0", "--json"]);
    running.line();
    running.signal("HUP");
    running.wait().done();
}

/// Rules B14 and B15.
#[test]
fn a_test_network_that_did_not_stand_in_time_is_a_failure() {
    honeyguide(&["testnet", "--nodes", "1500", "--timeout", "0.01"]).ended(1, &["1500 nodes", "0.01 s"]);
    let running = Running::start(&["testnet", "--nodes", "5000"]);
    // From here on it listens.
    eventually(|| {
        let status = std::fs::read_to_string(format!("/proc/{}/status", running.child.id())).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).expect("a mask").trim();
        u64::from_str_radix(caught, 16).unwrap() & 0x4000 != 0
    });
    let begun = Instant::now();
    let run = running.end_by("TERM").ended(1, &["interrupted"]);
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    assert!(run.out.is_empty(), "it did not stand: {run:?}");
}
