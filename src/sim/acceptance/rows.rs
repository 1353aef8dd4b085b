//! The rows: what is measured, by which statistic of which samples, and what is wanted.

use super::figures::Threshold;
use super::statistic::Statistic;

/// A row of the table.
pub(super) struct RowSpec {
    pub(super) number: u8,
    pub(super) metric: &'static str,
    pub(super) figures: &'static [FigureSpec],
}

/// A figure of a row.
pub(super) struct FigureSpec {
    pub(super) name: &'static str,
    /// Of which samples.
    pub(super) of: &'static str,
    pub(super) statistic: Statistic,
    pub(super) bound: Option<Threshold>,
    /// Of worlds with so many nodes, where more are asked for; 0: of those that have as many.
    pub(super) nodes: usize,
}

/// What the worlds are to be like.
pub(super) struct InputSpec {
    pub(super) name: &'static str,
    pub(super) of: &'static str,
    pub(super) statistic: Statistic,
    pub(super) wanted: f64,
}

const P50: Statistic = Statistic::Quantile(0.5);
const P95: Statistic = Statistic::Quantile(0.95);
const P99: Statistic = Statistic::Quantile(0.99);

const fn figure(name: &'static str, of: &'static str, statistic: Statistic, bound: Option<Threshold>) -> FigureSpec {
    FigureSpec { name, of, statistic, bound, nodes: 0 }
}

/// The same of worlds with so many nodes.
const fn at(
    nodes: usize,
    name: &'static str,
    of: &'static str,
    statistic: Statistic,
    bound: Option<Threshold>,
) -> FigureSpec {
    FigureSpec { nodes, ..figure(name, of, statistic, bound) }
}

/// Sizes of worlds that rows 15 and 16 have besides the one that is asked for.
pub(super) const SMALLER: [usize; 2] = [600, 2_500];

/// Figures of means that are there once for the size that is asked for and once for each of [`SMALLER`].
macro_rules! of_each_size {
    ($($name:literal, $of:literal, $bound:expr;)+) => {
        &[
            $(figure($name, $of, Statistic::Mean, $bound),)+
            $(at(SMALLER[0], concat!($name, "_n600"), $of, Statistic::Mean, $bound),)+
            $(at(SMALLER[1], concat!($name, "_n2500"), $of, Statistic::Mean, $bound),)+
        ]
    };
}

/// All rows that are measured.
pub(super) const ROWS: &[RowSpec] = &[
    RowSpec {
        number: 1,
        metric: "first peer of a topic with at least 100 holders, in the world",
        figures: &[
            figure("p50_ms", "ms", P50, Threshold::most(200.0)),
            figure("p95_ms", "ms", P95, Threshold::most(500.0)),
            figure("p99_ms", "ms", P99, Threshold::most(1_000.0)),
            figure("found", "found", Statistic::Mean, None),
        ],
    },
    RowSpec {
        number: 2,
        metric: "first valid copy of an item with 8 to 20 live holders, in the world",
        figures: &[
            figure("p50_ms", "ms", P50, Threshold::most(400.0)),
            figure("p95_ms", "ms", P95, Threshold::most(1_000.0)),
            figure("p95_of_reference", "ms", P95, Some(Threshold::AtMostOfReference(0.2))),
            figure("found", "found", Statistic::Mean, None),
        ],
    },
    RowSpec {
        number: 3,
        metric: "newest version with proof of closure, a quarter of the holders stale, in the world",
        figures: &[
            figure("p50_ms", "ms", P50, Threshold::most(800.0)),
            figure("p95_ms", "ms", P95, Threshold::most(1_800.0)),
            figure("stale", "stale", Statistic::Mean, Threshold::most(0.001)),
            figure("found", "found", Statistic::Mean, None),
        ],
    },
    RowSpec {
        number: 4,
        metric: "put, until it is reported at 8 confirmations, in the world",
        figures: &[
            figure("p50_ms", "ms", P50, Threshold::most(1_000.0)),
            figure("p95_ms", "ms", P95, Threshold::most(2_000.0)),
            figure("copies", "copies", Statistic::Mean, Threshold::least(18.0)),
            figure("succeeded", "succeeded", Statistic::Mean, None),
        ],
    },
    RowSpec {
        number: 5,
        metric: "queries of a lookup for the closest nodes, in the world",
        figures: &[
            figure("mean", "queries", Statistic::Mean, Threshold::most(20.0)),
            figure("mean_of_reference", "queries", Statistic::Mean, Some(Threshold::AtMostOfReference(0.6))),
            figure("p50_ms", "ms", P50, None),
            figure("p95_ms", "ms", P95, None),
            figure("whole_p50_ms", "whole_ms", P50, None),
        ],
    },
    RowSpec {
        number: 6,
        metric: "hops to the closest nodes beyond ln(N/8)/H8 rounded up, calm, N a tenth, once and ten times the size",
        figures: &[figure("p50", "hops", P50, Threshold::most(0.0)), figure("p95", "hops", P95, Threshold::most(1.0))],
    },
    RowSpec {
        number: 7,
        metric: "share of the true closest that a lookup returns, calm and in the world",
        figures: &[
            figure("calm", "calm", Statistic::Mean, Threshold::least(0.99)),
            figure("world", "world", Statistic::Mean, Threshold::least(0.95)),
            figure("calm_queries", "calm_queries", Statistic::Mean, None),
        ],
    },
    RowSpec {
        number: 8,
        metric: "dead contacts of our table after an hour, and in the lists that it hands out, in the world",
        figures: &[
            figure("table", "table", Statistic::Mean, Threshold::most(0.03)),
            figure("lists", "lists", Statistic::Mean, Threshold::most(0.05)),
            figure("contacts", "contacts", Statistic::Mean, None),
        ],
    },
    RowSpec {
        number: 9,
        metric: "what silent nodes add to a lookup, in median round trips: one of the nearest, and half of all",
        figures: &[
            figure("one_p50", "one", P50, Threshold::most(1.0)),
            figure("half_p50", "half", P50, Threshold::most(3.0)),
            figure("half_longest_s", "half_s", Statistic::Most, None),
        ],
    },
    RowSpec {
        number: 10,
        metric: "cold start, one of four routers alive, until 30 contacts live; the same after five minutes of silence",
        figures: &[
            figure("p95_s", "cold", P95, Threshold::most(3.0)),
            figure("p50_s", "cold", P50, None),
            figure("back_p95_s", "back", P95, Threshold::most(60.0)),
        ],
    },
    RowSpec {
        number: 11,
        metric: "idle traffic that we start, both directions, payload, for an hour, in the world",
        figures: &[
            figure("packets_s", "packets", Statistic::Mean, Threshold::most(1.0)),
            figure("bytes_s", "bytes", Statistic::Mean, Threshold::most(150.0)),
            figure("most_flows_in_10_s", "flows", Statistic::Most, Threshold::most(96.0)),
        ],
    },
    RowSpec {
        number: 12,
        metric: "as many keys put as there are nodes, which ban who sends 50 datagrams in ten seconds; 128 at a time",
        figures: &[
            figure("bans", "bans", Statistic::Mean, Threshold::most(0.0)),
            figure("eight_acks", "eight", Statistic::Mean, Threshold::least(0.999)),
            figure("keys_s", "rate", Statistic::Mean, None),
            figure("keys_s_of_goal", "rate_of_goal", Statistic::Mean, Threshold::least(1.0)),
        ],
    },
    RowSpec {
        number: 13,
        metric: "how much of a month an item can be had, and nodes that are stored on for it in an hour",
        figures: &[
            figure("there", "there", Statistic::Mean, Threshold::least(0.999_9)),
            figure("nodes_h", "cost", Statistic::Mean, Threshold::most(0.3)),
            figure("looks_day", "looks", Statistic::Mean, None),
        ],
    },
    RowSpec {
        number: 14,
        metric: "size estimate after an hour without a user: natural logarithm of estimate over truth, in the world",
        figures: &[
            figure("rms_log", "log", Statistic::RootMeanSquare, Threshold::most(0.15)),
            figure("bias_size", "log", Statistic::SizeOfMean, Threshold::most(0.1)),
            figure("bias", "log", Statistic::Mean, None),
            figure("claimed", "claimed", Statistic::Mean, None),
        ],
    },
    RowSpec {
        number: 15,
        metric: "get, with 20, 30 and 50 % of all nodes colluding",
        figures: of_each_size! {
            "found_20", "20", Threshold::least(0.999);
            "found_30", "30", Threshold::least(0.99);
            "found_50", "50", Threshold::least(0.9);
            "found_20_world", "20_world", Threshold::least(0.999);
            "found_30_world", "30_world", Threshold::least(0.99);
            "found_50_world", "50_world", Threshold::least(0.9);
            "queries_20", "queries_20", Threshold::most(40.0);
            "queries_30", "queries_30", Threshold::most(40.0);
            "queries_50", "queries_50", Threshold::most(40.0);
            "queries_20_world", "queries_20_world", None;
            "queries_30_world", "queries_30_world", None;
            "queries_50_world", "queries_50_world", None;
        },
    },
    RowSpec {
        number: 16,
        metric: "put and get with 20 and 200 sybils nearest to the key, which collude, or withhold what they confirm",
        figures: of_each_size! {
            "put", "put", Threshold::least(0.999);
            "get", "get", Threshold::least(0.999);
            "success_without_copy", "false_success", Threshold::most(0.0);
            "kept_honest_copies", "kept", Threshold::least(8.0);
            "kept_false_copies", "kept_false", Threshold::most(0.0);
            "false_alarms", "alarmed", Threshold::most(0.005);
            "false_alarms_world", "alarmed_world", Threshold::most(0.005);
            "false_alarms_put", "alarmed_put", Threshold::most(0.01);
            "false_alarms_put_world", "alarmed_put_world", Threshold::most(0.01);
        },
    },
    RowSpec {
        number: 17,
        metric: "15 % more nodes that come to us for a day: their share of our table over their share of networks",
        figures: &[
            figure("times", "times", Statistic::Mean, Threshold::most(1.2)),
            figure("share", "share", Statistic::Mean, None),
        ],
    },
    RowSpec {
        number: 18,
        metric: "30 % of all nodes echo, reflect or change ids: those in our table, and queries of a lookup",
        figures: &[
            figure("entered", "entered", Statistic::Most, Threshold::most(0.0)),
            figure("queries", "queries", Statistic::Mean, None),
            figure("queries_where_silent", "queries_silent", Statistic::Mean, None),
            figure("queries_of_silent", "cost", Statistic::Mean, Threshold::most(1.1)),
        ],
    },
    RowSpec {
        number: 19,
        metric: "what an address that has proved nothing gets past its budget, in times of what it asked",
        figures: &[
            figure("most_times", "times", Statistic::Most, Threshold::most(3.2)),
            figure("mean_times", "times", Statistic::Mean, None),
        ],
    },
    RowSpec {
        number: 24,
        metric: "signed item of a publisher who has gone: two keep it, 20 % colluders; nobody keeps it, nobody harms",
        figures: &[
            figure("p50_ms", "ms", P50, Threshold::most(500.0)),
            figure("p95_ms", "ms", P95, Threshold::most(1_500.0)),
            figure("kept_48_h", "kept_48_h", Statistic::Mean, Threshold::least(0.999)),
            figure("left_1_h", "left_1_h", Statistic::Mean, None),
            figure("left_6_h", "left_6_h", Statistic::Mean, None),
            figure("left_12_h", "left_12_h", Statistic::Mean, None),
            figure("left_24_h", "left_24_h", Statistic::Mean, None),
            figure("left_48_h", "left_48_h", Statistic::Mean, Threshold::least(0.995)),
        ],
    },
    RowSpec {
        number: 26,
        metric: "small worlds with ordeals: those in which something did not hold, and what lookups find after them",
        figures: &[
            figure("broken", "broken", Statistic::Mean, Threshold::most(0.0)),
            figure("recall", "recall", Statistic::Mean, Threshold::least(0.95)),
        ],
    },
    RowSpec {
        number: 27,
        metric: "our line is down for 1, 8 and 24 h, silent and failing: until 30 contacts live",
        figures: &[
            figure("p95_s", "back", P95, Threshold::most(60.0)),
            figure("p50_s", "back", P50, None),
            figure("kept_keys_p95_s", "kept", P95, Threshold::most(60.0)),
            figure("half_moved_no_router_p95_s", "half", P95, Threshold::most(300.0)),
            figure("never_in_an_hour", "never", Statistic::Mean, Threshold::most(0.0)),
        ],
    },
    RowSpec {
        number: 28,
        metric: "a network of our own nodes is cut in two, and ten minutes after the cut: puts found across",
        figures: &[
            figure("5_min", "5_min", Statistic::Mean, Threshold::least(1.0)),
            figure("30_min", "30_min", Statistic::Mean, Threshold::least(1.0)),
            figure("3_h", "3_h", Statistic::Mean, Threshold::least(1.0)),
            figure("24_h", "24_h", Statistic::Mean, Threshold::least(1.0)),
        ],
    },
    RowSpec {
        number: 29,
        metric: "restart from 200 saved contacts of which 5, 20 and 100 % live, no router: first get",
        figures: &[
            figure("p95_s_5", "5", P95, Threshold::most(10.0)),
            figure("p95_s_20", "20", P95, Threshold::most(5.0)),
            figure("p95_s_100", "100", P95, Threshold::most(2.0)),
        ],
    },
    RowSpec {
        number: 30,
        metric: "a neighbour restarts with a new id, moves, or talks at any rhythm: until it is a contact",
        figures: &[
            figure("poor_longest_s", "poor", Statistic::Most, Threshold::most(120.0)),
            figure("rich_longest_s", "rich", Statistic::Most, Threshold::most(300.0)),
            figure("poor_p50_s", "poor", P50, None),
            figure("rich_p50_s", "rich", P50, None),
        ],
    },
    RowSpec {
        number: 31,
        metric: "puts kept in flight for a minute, calm: how many a second, how long, by deadline, how evenly served",
        figures: &[
            figure("rate_1", "rate_1", Statistic::Mean, None),
            figure("rate_8", "rate_8", Statistic::Mean, None),
            figure("rate_64", "rate_64", Statistic::Mean, Threshold::least(50.0)),
            figure("rate_254", "rate_254", Statistic::Mean, Threshold::least(50.0)),
            figure("p50_ms_1", "ms_1", P50, None),
            figure("p99_ms_1", "ms_1", P99, None),
            figure("p50_ms_8", "ms_8", P50, None),
            figure("p99_ms_8", "ms_8", P99, None),
            figure("p50_ms_64", "ms_64", P50, None),
            figure("p99_ms_64", "ms_64", P99, Threshold::most(3_000.0)),
            figure("p50_ms_254", "ms_254", P50, None),
            figure("p99_ms_254", "ms_254", P99, Threshold::most(8_000.0)),
            figure("by_deadline", "by_deadline", Statistic::Mean, Threshold::most(0.0)),
            figure("jain_8", "jain_8", Statistic::LEAST, Threshold::least(0.95)),
            figure("jain_64", "jain_64", Statistic::LEAST, Threshold::least(0.95)),
            figure("jain_254", "jain_254", Statistic::LEAST, Threshold::least(0.95)),
            figure("alone_of_unbounded", "alone", Statistic::Most, Threshold::most(1.0)),
        ],
    },
    RowSpec {
        number: 32,
        metric: "an hour of one IPv6 /48, one IPv4 /24, ten of those: most of our table, of honest ones' items, our id",
        figures: &[
            figure("table_v6_48", "table_v6_48", Statistic::Most, Threshold::most(0.1)),
            figure("table_v4_24", "table_v4_24", Statistic::Most, Threshold::most(0.1)),
            figure("table_v4_ten_24", "table_v4_ten_24", Statistic::Most, Threshold::most(0.1)),
            figure("peers_lost", "peers", Statistic::Most, Threshold::most(0.1)),
            figure("items_lost", "items", Statistic::Most, Threshold::most(0.2)),
            figure("id_lost", "id_lost", Statistic::Most, Threshold::most(0.0)),
        ],
    },
    RowSpec {
        number: 33,
        metric: "each kind of harm at each of the 20 places around a key: copies lost, and operations that failed",
        figures: &[
            figure("most_lost_put", "put", Statistic::Most, Threshold::most(1.0)),
            figure("most_lost_cas", "cas", Statistic::Most, Threshold::most(1.0)),
            figure("mean_lost", "put", Statistic::Mean, None),
            figure("most_missed", "missed", Statistic::Most, None),
            figure("mean_missed", "missed", Statistic::Mean, None),
            figure("put_failed", "failed", Statistic::Mean, Threshold::most(0.0)),
            figure("get_failed", "not_found", Statistic::Mean, Threshold::most(0.0)),
        ],
    },
    RowSpec {
        number: 34,
        metric: "size estimate in calm worlds of 100, N/10, N and 10 N nodes: log of estimate over truth",
        figures: &[
            figure("rms_log", "log", Statistic::RootMeanSquare, Threshold::most(0.15)),
            figure("rms_in_claimed", "in_claimed", Statistic::RootMeanSquare, Threshold::most(1.3)),
            figure("bias", "log", Statistic::Mean, None),
        ],
    },
];

/// What was measured of the world, and what its source says.
pub(super) const WORLD: &[InputSpec] = &[
    InputSpec { name: "rtt_p50_ms", of: "rtt", statistic: P50, wanted: 159.0 },
    InputSpec { name: "rtt_p90_ms", of: "rtt", statistic: Statistic::Quantile(0.9), wanted: 320.0 },
    InputSpec { name: "session_p50_min", of: "session", statistic: P50, wanted: 93.43 },
    InputSpec { name: "dead_share", of: "dead", statistic: Statistic::Mean, wanted: 0.4 },
    InputSpec { name: "loss", of: "loss", statistic: Statistic::Mean, wanted: 0.02 },
];
