//! What the kernel threw away since a socket had no place for it.

/// Datagrams that the IPv4 socket of a port lost so far: the last column of `/proc/net/udp`, which is what SO_RXQ_OVFL
/// tells.
pub fn datagrams_lost(port: u16) -> u64 {
    let table = std::fs::read_to_string("/proc/net/udp").expect("a Linux kernel");
    let row = table.lines().find(|row| {
        let local = row.split_whitespace().nth(1).and_then(|local| local.split_once(':'));
        local.is_some_and(|(_, hex)| u16::from_str_radix(hex, 16) == Ok(port))
    });
    let lost = row.and_then(|row| row.split_whitespace().last()?.parse().ok());
    lost.unwrap_or_else(|| panic!("no socket has port {port}"))
}
