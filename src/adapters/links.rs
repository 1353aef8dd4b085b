//! The links that a driver makes of its sockets.

use std::net::SocketAddr;
use std::vec::Vec;

use crate::dht::config::{Config, LinkConfig};
use crate::krpc::endpoint::{Endpoint, Family};

/// The links of a node whose driver has sockets at these addresses: one for each, in their order. A link that `config`
/// has at that place is taken as it is, if it is of the socket's family, and has the socket's port where it has none.
///
/// Both drivers make the configuration of a node so. Whoever makes the same node again needs the same links:
///
/// ```
/// use honeyguide::Config;
/// use honeyguide::adapters::links;
///
/// let config = Config::small();
/// let of_sockets = links(&config, &["127.0.0.1:7000".parse()?, "[::1]:7001".parse()?]);
/// assert_eq!(of_sockets.iter().map(|link| link.port).collect::<Vec<_>>(), [7000, 7001]);
/// let config = config.with_links(&of_sockets)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn links(config: &Config, addrs: &[SocketAddr]) -> Vec<LinkConfig> {
    let of_socket = |(i, addr): (usize, &SocketAddr)| {
        let family = Endpoint::from(*addr).family();
        let link = match config.links().get(i) {
            Some(link) if link.family == family => *link,
            _ if family == Family::V4 => LinkConfig::V4,
            _ => LinkConfig::V6,
        };
        LinkConfig { port: if link.port == 0 { addr.port() } else { link.port }, ..link }
    };
    addrs.iter().enumerate().map(of_socket).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::krpc::id::Id;

    #[test]
    fn what_is_configured_stays_where_the_family_is_that_of_the_socket() {
        let given = LinkConfig { id: Some(Id([7; 20])), port: 9, ..LinkConfig::V4 };
        let without_port = LinkConfig { port: 0, ..given };
        let config = Config::small().with_links(&[given, without_port, given]).unwrap();
        let addrs = ["127.0.0.1:1", "127.0.0.1:2", "[::1]:3", "127.0.0.1:4"].map(|addr| addr.parse().unwrap());
        let expected = [
            given,
            LinkConfig { port: 2, ..given },
            LinkConfig { port: 3, ..LinkConfig::V6 },
            LinkConfig { port: 4, ..LinkConfig::V4 },
        ];
        assert_eq!(links(&config, &addrs), expected);
        assert_eq!(links(&config, &addrs[..1]), expected[..1]);
    }
}
