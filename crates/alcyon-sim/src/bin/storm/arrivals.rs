//! Open-loop arrivals: when something comes is decided before the run, by a seed, and never by how the server does.

use std::time::Duration;

use rand::{RngExt, SeedableRng, rngs::StdRng};

/// So many a second, for so long.
#[derive(Debug, Clone, Copy)]
pub struct Phase {
    pub per_second: f64,
    pub seconds: f64,
}

/// Moments from the beginning on: independent of each other (a Poisson process), at the rate of each phase in turn.
pub struct Arrivals {
    phases: Vec<Phase>,
    random: StdRng,
    phase: usize,
    /// Seconds since the beginning, and the beginning of the phase.
    at: f64,
    begun: f64,
}

impl Arrivals {
    pub fn new(phases: &[Phase], seed: u64) -> Self {
        Self { phases: phases.to_vec(), random: StdRng::seed_from_u64(seed), phase: 0, at: 0.0, begun: 0.0 }
    }
}

impl Iterator for Arrivals {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        loop {
            let Phase { per_second, seconds } = *self.phases.get(self.phase)?;
            let end = self.begun + seconds;
            if per_second > 0.0 {
                let share: f64 = self.random.random();
                self.at += -(1.0 - share).ln() / per_second;
                if self.at < end {
                    return Some(Duration::from_secs_f64(self.at));
                }
            }
            // What would have come after the end of this phase comes at the rate of the next one: arrivals have no memory.
            self.phase += 1;
            self.begun = end;
            self.at = end;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrivals_have_the_rate_of_their_phase_and_the_order_of_their_seed() {
        let phases = [(100.0, 10.0), (0.0, 5.0), (1_000.0, 10.0)].map(|(per_second, seconds)| Phase { per_second, seconds });
        let all: Vec<Duration> = Arrivals::new(&phases, 7).collect();
        assert!(all.is_sorted());
        let between = |from: u64, to: u64| all.iter().filter(|at| (from..to).contains(&at.as_secs())).count();
        assert!((850..1_150).contains(&between(0, 10)), "{}", between(0, 10));
        assert_eq!(between(10, 15), 0);
        assert!((9_600..10_400).contains(&between(15, 25)), "{}", between(15, 25));
        assert_eq!(between(25, 1_000), 0);
        assert_eq!(all, Arrivals::new(&phases, 7).collect::<Vec<_>>());
        assert_ne!(all, Arrivals::new(&phases, 8).collect::<Vec<_>>());
    }
}
