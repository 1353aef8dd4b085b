//! What is told of many samples.

/// What is told of samples.
#[derive(Clone, Copy)]
pub(super) enum Statistic {
    /// The mean; of yes and no, the share.
    Mean,
    /// What so large a part is no more than.
    Quantile(f64),
    /// The largest.
    Most,
    /// How far the mean is from 0.
    SizeOfMean,
    /// The root of the mean of squares.
    RootMeanSquare,
}

impl Statistic {
    /// The smallest.
    pub(super) const LEAST: Statistic = Statistic::Quantile(0.0);

    /// Of samples in their order.
    pub(super) fn of(self, sorted: &[f64]) -> Option<f64> {
        let last = sorted.len().checked_sub(1)?;
        let mean = |of: fn(&f64) -> f64| sorted.iter().map(of).sum::<f64>() / sorted.len() as f64;
        Some(match self {
            Statistic::Mean => mean(|value| *value),
            Statistic::SizeOfMean => mean(|value| *value).abs(),
            Statistic::Quantile(part) => sorted[((part * last as f64) as usize).min(last)],
            Statistic::Most => sorted[last],
            Statistic::RootMeanSquare => libm::sqrt(mean(|value| value * value)),
        })
    }
}
