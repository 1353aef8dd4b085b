//! Two examples for each command, which end its help.

/// Examples by the path of the command; none is the program itself.
pub const EXAMPLES: &[(&str, [&str; 2])] = &[
    ("", ["honeyguide demo", "honeyguide put \"hello\" --json"]),
    ("demo", ["honeyguide demo", "honeyguide demo --bootstrap 127.0.0.1:6881 --json"]),
    ("testnet", ["honeyguide testnet --nodes 64 --port 6881", "honeyguide testnet --json --timeout 60"]),
    (
        "node",
        [
            "honeyguide node --bind 0.0.0.0:6881 [::]:6881 --state node.state",
            "honeyguide node --read-only --journal run.journal --timeout 600",
        ],
    ),
    ("replay", ["honeyguide replay run.journal", "honeyguide replay run.journal --until 60 --explain"]),
    (
        "journal",
        [
            "honeyguide journal scrub run.journal public.journal",
            "honeyguide journal shrink run.journal short.journal -- ./still-fails",
        ],
    ),
    (
        "journal scrub",
        [
            "honeyguide journal scrub run.journal public.journal",
            "honeyguide journal scrub run.journal public.journal --seed 7 --json",
        ],
    ),
    (
        "journal shrink",
        [
            "honeyguide journal shrink run.journal short.journal -- ./still-fails",
            "honeyguide journal shrink run.journal short.journal --timeout 600 -- honeyguide replay",
        ],
    ),
    ("ping", ["honeyguide ping 127.0.0.1:6881", "honeyguide ping dht.transmissionbt.com:6881 --json"]),
    (
        "find-node",
        [
            "honeyguide find-node 2c6c7b1e6b8c1bb5ed8d1a7ce0d7d55a0a91b4a1",
            "honeyguide find-node 2c6c7b1e6b8c1bb5ed8d1a7ce0d7d55a0a91b4a1 --at 127.0.0.1:6881 --json",
        ],
    ),
    (
        "peers",
        [
            "honeyguide peers 2c6c7b1e6b8c1bb5ed8d1a7ce0d7d55a0a91b4a1",
            "honeyguide peers 2c6c7b1e6b8c1bb5ed8d1a7ce0d7d55a0a91b4a1 --bootstrap 127.0.0.1:6881",
        ],
    ),
    (
        "announce",
        [
            "honeyguide announce 2c6c7b1e6b8c1bb5ed8d1a7ce0d7d55a0a91b4a1 --port 6881",
            "honeyguide announce 2c6c7b1e6b8c1bb5ed8d1a7ce0d7d55a0a91b4a1 --port 6881 --seeding --at 127.0.0.1:6881",
        ],
    ),
    (
        "scrape",
        [
            "honeyguide scrape 2c6c7b1e6b8c1bb5ed8d1a7ce0d7d55a0a91b4a1",
            "honeyguide scrape 2c6c7b1e6b8c1bb5ed8d1a7ce0d7d55a0a91b4a1 --json --timeout 10",
        ],
    ),
    (
        "sample",
        [
            "honeyguide sample 2c6c7b1e6b8c1bb5ed8d1a7ce0d7d55a0a91b4a1",
            "honeyguide sample 2c6c7b1e6b8c1bb5ed8d1a7ce0d7d55a0a91b4a1 --at 127.0.0.1:6881",
        ],
    ),
    (
        "get",
        [
            "honeyguide get e5f96f6f38320f0f33959cb4d3d656452117aadb",
            "honeyguide get --key 77ff84905a91936367c01360803104f92432fcd904a43511876df5cdf3e7e548 --salt foobar",
        ],
    ),
    (
        "put",
        [
            "honeyguide put \"Hello World!\" --bootstrap 127.0.0.1:6881",
            "honeyguide put --secret secret.key --salt relays \"wss://relay.example\"",
        ],
    ),
    ("keygen", ["honeyguide keygen secret.key", "honeyguide keygen test.key --seed 7 --insecure"]),
    ("pubkey", ["honeyguide pubkey secret.key", "honeyguide pubkey - < secret.key"]),
    (
        "inspect",
        [
            "echo 64313a71343a70696e67313a74323a6161313a79313a7165 | honeyguide inspect",
            "honeyguide inspect --loopback < datagrams.hex",
        ],
    ),
    (
        "negentropy-harness",
        ["honeyguide negentropy-harness < session.txt", "honeyguide negentropy-harness --adaptive < session.txt"],
    ),
    ("reconcile", ["honeyguide reconcile a.csv b.csv", "honeyguide reconcile a.csv b.csv --list --json"]),
    ("sim", ["honeyguide sim acceptance --report results", "honeyguide sim swarm --seeds 0..999 --json"]),
    (
        "completions",
        [
            "honeyguide completions bash > /etc/bash_completion.d/honeyguide",
            "honeyguide completions zsh > /usr/share/zsh/site-functions/_honeyguide",
        ],
    ),
    ("man", ["honeyguide man /usr/local/share/man/man1", "honeyguide man pages"]),
];
