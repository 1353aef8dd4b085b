//! The rows: what is measured, by which statistic of which samples, and what is wanted.

use super::figures::Threshold;

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
}

/// What the worlds are to be like.
pub(super) struct InputSpec {
    pub(super) name: &'static str,
    pub(super) of: &'static str,
    pub(super) statistic: Statistic,
    pub(super) wanted: f64,
}

/// What is told of samples.
#[derive(Clone, Copy)]
pub(super) enum Statistic {
    /// The mean; of yes and no, the share.
    Mean,
    /// What so large a part is no more than.
    Quantile(f64),
    /// The largest.
    Most,
    /// The root of the mean of squares.
    RootMeanSquare,
}

impl Statistic {
    /// Of samples in their order.
    pub(super) fn of(self, sorted: &[f64]) -> Option<f64> {
        let last = sorted.len().checked_sub(1)?;
        let mean = |of: fn(&f64) -> f64| sorted.iter().map(of).sum::<f64>() / sorted.len() as f64;
        Some(match self {
            Statistic::Mean => mean(|value| *value),
            Statistic::Quantile(part) => sorted[((part * last as f64) as usize).min(last)],
            Statistic::Most => sorted[last],
            Statistic::RootMeanSquare => libm::sqrt(mean(|value| value * value)),
        })
    }
}

const P50: Statistic = Statistic::Quantile(0.5);
const P95: Statistic = Statistic::Quantile(0.95);
const P99: Statistic = Statistic::Quantile(0.99);

const fn figure(name: &'static str, of: &'static str, statistic: Statistic, bound: Option<Threshold>) -> FigureSpec {
    FigureSpec { name, of, statistic, bound }
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
        ],
    },
    RowSpec {
        number: 6,
        metric: "hops to the closest nodes beyond ln(N/8)/H8 rounded up, calm, N = 1,000 to 100,000",
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
        number: 11,
        metric: "idle traffic that we start, both directions, payload, one hour after the start, in the world",
        figures: &[
            figure("packets_s", "packets", Statistic::Mean, Threshold::most(1.0)),
            figure("bytes_s", "bytes", Statistic::Mean, Threshold::most(150.0)),
            figure("most_flows_in_10_s", "flows", Statistic::Most, Threshold::most(96.0)),
        ],
    },
    RowSpec {
        number: 14,
        metric: "size estimate after an hour without a user: natural logarithm of estimate over truth, in the world",
        figures: &[figure("rms_log", "log", Statistic::RootMeanSquare, None)],
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
