//! Where strangers enter the public network: names, and the day on which each was last seen to answer.
//!
//! | name | families | seen |
//! |---|---|---|
//! | `dht.libtorrent.org:25401` | IPv4 | answered on 2026-05-18 (qBittorrent#24296) |
//! | `dht.transmissionbt.com:6881` | IPv4, IPv6 | the same; its IPv6 address on 2024-10-31 (transmission#7217) |
//! | `router.bt.ouinet.work:6881` | IPv4 | the same |
//! | `router.silotis.us:6881` | IPv6 alone | in use on 2024-12-29 (qBittorrent#22081) |
//!
//! Left out, since they were tried on 2026-05-18 and did not answer (qBittorrent#24296): `router.bittorrent.com`,
//! `router.utorrent.com`, `dht.aelitis.com`, `router.bitcomet.com`. To renew the list, ask each name for a ping, write
//! down the day, and take out what has been silent for a year. No list lasts: a node that saves its contacts needs none
//! of these after its first run.

/// A public bootstrap node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Router {
    /// `host:port`, for [`resolve`](crate::adapters::resolve::resolve).
    pub name: &'static str,
    /// The day on which it was last seen to answer, year-month-day.
    pub last_seen: &'static str,
}

impl Router {
    /// Those that are known, the most dependable first. It is data: whoever knows better passes other names to
    /// [`resolve`](crate::adapters::resolve::resolve).
    ///
    /// ```no_run
    /// use honeyguide::adapters::{Router, resolve::resolve};
    ///
    /// let mut answers = resolve(Router::PUBLIC.iter().map(|router| router.name));
    /// # let _ = answers;
    /// ```
    pub const PUBLIC: &'static [Router] = &[
        Router { name: "dht.transmissionbt.com:6881", last_seen: "2026-05-18" },
        Router { name: "dht.libtorrent.org:25401", last_seen: "2026-05-18" },
        Router { name: "router.bt.ouinet.work:6881", last_seen: "2026-05-18" },
        Router { name: "router.silotis.us:6881", last_seen: "2024-12-29" },
    ];
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::resolve::ResolveError;

    /// Rule B16.
    #[test]
    fn each_name_has_a_port_and_the_day_on_which_it_was_seen() {
        for Router { name, last_seen } in Router::PUBLIC {
            assert_eq!(ResolveError::of_form(name), None);
            let parts: std::vec::Vec<u16> = last_seen.split('-').map(|part| part.parse().unwrap()).collect();
            assert!(matches!(parts[..], [2024..=2100, 1..=12, 1..=31]) && last_seen.len() == 10, "{last_seen}");
        }
        let dead = ["router.bittorrent.com", "router.utorrent.com", "dht.aelitis.com", "router.bitcomet.com"];
        assert!(Router::PUBLIC.iter().all(|router| !dead.iter().any(|dead| router.name.starts_with(dead))));
    }
}
