//! What a configuration may say, at its limits and one past them.

use super::*;
use std::string::{String, ToString};

fn check(change: fn(&mut Config)) -> Result<(), String> {
    let mut config = Config::default();
    change(&mut config);
    config.check().map_err(|error| error.to_string())
}

#[test]
fn the_first_rule_that_is_broken_is_named_with_its_value() {
    for at_its_limit in [
        (|_| {}) as fn(&mut Config),
        |c| c.lookup.report_at = c.lookup.replicas,
        |c| (c.lookup.k, c.lookup.replicas, c.lookup.report_at) = (1, 1, 1),
        |c| c.lookup.k = c.lookup.replicas,
        |c| c.server.samples = MAX_SAMPLES,
        |c| c.limiter.reply_bytes = Rate { per_second: 0, burst: 0 },
        |c| (c.capacity.items, c.capacity.value_bytes) = (0, 0),
        |c| c.capacity.value_bytes = 1000,
        |c| c.capacity.candidates = 20,
        |c| c.capacity.contacts = 0,
        |c| c.table.newcomer_lifetime = c.table.newcomer_delay + Duration::from_secs(2),
        |c| c.table.newcomer_delay = Duration::from_secs(3600),
        |c| c.lookup.hard_timeout = Duration::from_secs(5),
        |c| c.lookup.deadline = Duration::from_millis(1),
        |c| c.table.check_every = Duration::from_secs(60),
        |c| c.lookup.initial_stagger = c.lookup.hard_timeout,
        |c| (c.capacity.peers, c.capacity.items) = (10_000_000, 10_000_000),
        |c| c.capacity.value_bytes = 1 << 31,
    ] {
        assert_eq!(check(at_its_limit), Ok(()));
    }
    for (change, text) in [
        ((|c| c.links.clear()) as fn(&mut Config), "links is 0; at least 1"),
        (|c| c.lookup.replicas = 4, "lookup.replicas is 4; at least lookup.k, 8"),
        (|c| c.lookup.replicas = 21, "lookup.replicas is 21; at most 20"),
        (|c| c.lookup.report_at = 21, "lookup.report_at is 21; at most lookup.replicas, 20"),
        (|c| (c.lookup.k, c.lookup.replicas) = (1, 1), "lookup.report_at is 8; at most lookup.replicas, 1"),
        (|c| c.capacity.contacts = 100_000, "capacity.contacts is 100000; at most 65534"),
        (|c| c.capacity.candidates = 19, "capacity.candidates is 19; at least lookup.replicas, 20"),
        (|c| c.capacity.value_bytes = 999, "capacity.value_bytes is 999; at least 1000"),
        (|c| c.limiter.per_node.burst = 0, "limiter.per_node.burst is 0; at least 1"),
        (|c| c.limiter.per_endpoint.per_second = 0, "limiter.per_endpoint.per_second is 0; at least 1"),
        (|c| c.limiter.reply_bytes.burst = 1_399, "limiter.reply_bytes.burst is 1399; 0 or at least 1400"),
        (|c| c.table.per_network = 0, "table.per_network is 0; at least 1"),
        (|c| c.table.bucket_sizes[2] = 0, "table.bucket_sizes[2] is 0; at least 1"),
        (|c| c.table.bucket_sizes = [9, 9, 9, 9, 0], "table.bucket_sizes[4] is 0; at least 1"),
        (|c| c.table.bucket_sizes[0] = 8_192, "table.bucket_sizes[0] is 8192; at most 8191"),
        (|c| c.server.samples = MAX_SAMPLES + 1, "server.samples is 51; at most 50"),
        (|c| c.capacity.peers = 10_000_001, "capacity.peers is 10000001; at most 10000000"),
        (|c| c.capacity.items = 10_000_001, "capacity.items is 10000001; at most 10000000"),
    ] {
        assert_eq!(check(change), Err(text.into()));
    }
}

#[test]
fn times_with_which_a_node_cannot_work_are_refused() {
    for (change, text) in [
        (
            (|c| c.lookup.deadline = Duration::from_micros(999)) as fn(&mut Config),
            "lookup.deadline is 999 us; at least 1000 us",
        ),
        (
            |c| {
                (c.lookup.soft_timeout.most, c.lookup.hard_timeout) =
                    (c.lookup.soft_timeout.least, Duration::from_millis(99))
            },
            "lookup.hard_timeout is 99000 us; at least 100000 us",
        ),
        (
            |c| c.lookup.hard_timeout = Duration::from_micros(5_000_001),
            "lookup.hard_timeout is 5000001 us; at most 5000000 us",
        ),
        (
            |c| (c.table.newcomer_delay, c.table.newcomer_lifetime) = (Duration::MAX, Duration::MAX),
            "table.newcomer_delay is 18446744073709551615 us; at most 3600000000 us",
        ),
        (|c| c.table.check_every = Duration::from_secs(61), "table.check_every is 61000000 us; at most 60000000 us"),
        (
            |c| c.lookup.initial_stagger = Duration::MAX,
            "lookup.initial_stagger is 18446744073709551615 us; at most lookup.hard_timeout, 2000000 us",
        ),
        (
            |c| c.server.sample_interval = Duration::from_secs(21_601),
            "server.sample_interval is 21601000000 us; at most 21600000000 us",
        ),
        (
            |c| c.lookup.hard_timeout = Duration::from_millis(500),
            "lookup.hard_timeout is 500000 us; at least lookup.soft_timeout.most, 1000000 us",
        ),
        (
            |c| c.table.newcomer_lifetime = Duration::from_secs(91),
            "table.newcomer_lifetime is 91000000 us; at least table.newcomer_delay and 2 s, 92000000 us",
        ),
    ] {
        assert_eq!(check(change), Err(text.into()));
    }
}

#[test]
fn a_node_has_between_one_and_four_links() {
    let links = |count| Config::default().with_links(&[LinkConfig::V6; 9][..count]).map(|config| config.links().len());
    assert_eq!([links(1), links(4)], [Ok(1), Ok(4)]);
    for (count, text) in [(0, "links is 0; at least 1"), (5, "links is 5; at most 4"), (9, "links is 9; at most 4")] {
        assert_eq!(links(count).unwrap_err().to_string(), text);
    }
}

#[test]
fn a_link_is_reached_at_an_address_of_its_own_family() {
    let link = |link: LinkConfig, external: &str| {
        let link = LinkConfig { external: Some(external.parse().unwrap()), ..link };
        Config::default().with_links(&[LinkConfig::V4, link]).err().map(|error| error.to_string())
    };
    assert_eq!(link(LinkConfig::V4, "192.0.2.1:6881"), None);
    assert_eq!(link(LinkConfig::V4, "[::ffff:192.0.2.1]:6881"), None, "an IPv4 address in the form of IPv6");
    assert_eq!(link(LinkConfig::V6, "[2001:db8::1]:6881"), None);
    let text = link(LinkConfig::V4, "[2001:db8::1]:6881").unwrap();
    assert_eq!(text, "links.external is 6 (IP version); as links.family, 4 (IP version)");
    let text = link(LinkConfig::V6, "192.0.2.1:6881").unwrap();
    assert_eq!(text, "links.external is 4 (IP version); as links.family, 6 (IP version)");
    for (of, external, text) in [
        (LinkConfig::V4, "192.0.2.1:0", "links.external is 0 (port); at least 1 (port)"),
        (LinkConfig::V4, "0.0.0.0:6881", "links.external is 0 (first byte); at least 1 (first byte)"),
        (LinkConfig::V4, "224.0.0.1:6881", "links.external is 224 (first byte); at most 223 (first byte)"),
        (LinkConfig::V4, "255.255.255.255:6881", "links.external is 255 (first byte); at most 223 (first byte)"),
        (LinkConfig::V6, "[2001:db8::1]:0", "links.external is 0 (port); at least 1 (port)"),
        (LinkConfig::V6, "[::]:6881", "links.external is 0 (first byte); at least 1 (first byte)"),
        (LinkConfig::V6, "[ff02::1]:6881", "links.external is 255 (first byte); at most 254 (first byte)"),
    ] {
        assert_eq!(link(of, external).unwrap(), text);
    }
    assert_eq!(link(LinkConfig::V4, "127.0.0.1:6881"), None, "in a local network it is real");
}

#[test]
fn a_link_has_an_id_that_others_take() {
    let link = |id| Config::default().with_links(&[LinkConfig { id: Some(id), ..LinkConfig::V4 }]);
    let mut id = Id([0; 20]);
    let text = link(id).unwrap_err().to_string();
    assert_eq!(text, "links.id is 0 (bytes that are not zero); at least 1 (bytes that are not zero)");
    id.0[19] = 1;
    assert!(link(id).is_ok());
}
