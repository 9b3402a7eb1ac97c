//! Reads the server's own metrics, and says what happened between two moments.

use std::collections::BTreeMap;

/// All series at one moment, by name with labels.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Sample(BTreeMap<String, f64>);

impl Sample {
    /// Of the text form of Prometheus. What is no series is passed over.
    pub(super) fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let series = lines.filter_map(|line| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        });
        Self(series.collect())
    }

    /// A series' value; 0 if it is not there.
    pub(super) fn get(&self, series: &str) -> f64 {
        self.0.get(series).copied().unwrap_or(0.0)
    }

    /// All series of a name: the value of their first label, and their own.
    pub(super) fn labelled<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a str, f64)> + 'a {
        self.0.iter().filter_map(move |(series, value)| {
            let label = series.strip_prefix(name)?.strip_prefix('{')?.split('"').nth(1)?;
            Some((label, *value))
        })
    }

    /// What all series of a name come to.
    pub(super) fn sum(&self, name: &str) -> f64 {
        self.labelled(name).map(|(_, value)| value).sum()
    }

    /// Since an earlier sample: the upper bound of the bucket in which this share of a histogram's observations ended. None
    /// without any. Infinite beyond the last bucket.
    pub(super) fn quantile_since(&self, earlier: &Self, histogram: &str, share: f64) -> Option<f64> {
        let name = format!("{histogram}_bucket");
        let mut buckets: Vec<(f64, f64)> = self
            .labelled(&name)
            .filter_map(|(bound, count)| {
                let before = earlier.get(&format!("{name}{{le=\"{bound}\"}}"));
                Some((if bound == "+Inf" { f64::INFINITY } else { bound.parse().ok()? }, count - before))
            })
            .collect();
        buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
        let all = buckets.last()?.1;
        if all <= 0.0 {
            return None;
        }
        buckets.into_iter().find(|(_, count)| *count >= share * all).map(|(bound, _)| bound)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn series_are_found_with_their_labels() {
        let sample = Sample::parse("# TYPE a counter\na 3\nb{code=\"X\"} 4\nb{code=\"Y\"} 5\nnonsense\n");
        assert_eq!((sample.get("a"), sample.get("c"), sample.sum("b")), (3.0, 0.0, 9.0));
        assert_eq!(sample.labelled("b").collect::<Vec<_>>(), [("X", 4.0), ("Y", 5.0)]);
    }

    #[test]
    fn quantiles_are_those_of_the_time_between() {
        let at = |small: u32, large: u32| {
            let all = small + large;
            Sample::parse(&format!("w_bucket{{le=\"0.01\"}} {small}\nw_bucket{{le=\"0.1\"}} {all}\nw_bucket{{le=\"+Inf\"}} {all}\n"))
        };
        let quantile = |share| at(1_000, 200).quantile_since(&at(1_000, 100), "w", share);
        assert_eq!(quantile(0.5), Some(0.1), "what was small came before");
        assert_eq!(at(99, 1).quantile_since(&at(0, 0), "w", 0.5), Some(0.01));
        assert_eq!(at(99, 1).quantile_since(&at(0, 0), "w", 0.999), Some(0.1));
        assert_eq!(at(5, 5).quantile_since(&at(5, 5), "w", 0.5), None);
    }

    #[test]
    fn the_server_s_own_metrics_are_read() {
        let metrics = crate::observe::Metrics::new();
        metrics.refusal(alcyon_wire::RefusalCode::Quota);
        metrics.write_seconds.record(0.004);
        metrics.connections.set(7.0);
        let sample = Sample::parse(&metrics.render());
        assert_eq!(sample.get("alcyon_connections"), 7.0);
        assert_eq!(sample.sum("alcyon_refusals_total"), 1.0);
        assert_eq!(sample.quantile_since(&Sample::default(), "alcyon_write_seconds", 0.99), Some(0.005));
    }
}
