//! How a budget is shared out between the classes: in order, above a small floor.

#[cfg(test)]
use super::cohort::Cohort;
use super::{class::Class, cohort::COHORTS};

/// Requests a second by class and cohort.
pub(crate) type Offered = [[f64; COHORTS]; Class::ALL.len()];

/// Which cohorts of each class may come in, and how much of a class may come in even if more is offered than expected.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Share {
    /// Cohorts below this one come in. At least 1: the first cohort is never all refused, `most` bounds it.
    pub(crate) threshold: u16,
    /// Requests a second beyond which the class is refused.
    pub(crate) most: f64,
}

impl Share {
    /// Everybody may come in.
    pub(crate) const ALL: Self = Self { threshold: COHORTS as u16, most: f64::INFINITY };

    /// Whether this cohort may come in.
    #[cfg(test)]
    pub(crate) fn takes(&self, cohort: Cohort) -> bool {
        cohort.index() < usize::from(self.threshold)
    }
}

/// Shares out `budget` (weight a second) between what is offered.
///
/// Each class first keeps its floor, as far as it asks for it; the rest goes to the classes in order. `most` of a class is what
/// it could have had if it had asked for any amount, so a sudden wave in a class takes nothing from those before it.
pub(crate) fn shares(budget: f64, offered: &Offered) -> [Share; Class::ALL.len()] {
    let asked = Class::ALL.map(|class| offered[class.index()].iter().sum::<f64>() * f64::from(class.weight()));
    let reserved = Class::ALL.map(|class| asked[class.index()].min(class.floor() * budget));
    let mut rest = (budget - reserved.iter().sum::<f64>()).max(0.0);
    Class::ALL.map(|class| {
        let weight = f64::from(class.weight());
        if class.weight() == 0 {
            return Share::ALL;
        }
        let (asked, reserved) = (asked[class.index()], reserved[class.index()]);
        let most = (rest + reserved).max(class.floor() * budget);
        let taken = (asked - reserved).min(rest);
        rest -= taken;
        let threshold = threshold(&offered[class.index()], (reserved + taken) / weight);
        Share { threshold, most: most / weight }
    })
}

/// How many cohorts fit into `admitted` requests a second.
fn threshold(offered: &[f64; COHORTS], admitted: f64) -> u16 {
    let total: f64 = offered.iter().sum();
    // All fit; sums in another order differ by little.
    if total <= admitted * (1.0 + 1e-9) {
        return Share::ALL.threshold;
    }
    let mut sum = 0.0;
    let fit = offered.iter().take_while(|one| {
        sum += **one;
        sum <= admitted
    });
    u16::try_from(fit.count()).expect("there are 128 cohorts").max(1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn evenly(rates: [f64; 7]) -> Offered {
        rates.map(|rate| [rate / COHORTS as f64; COHORTS])
    }

    /// Weight a second that comes in.
    fn admitted(shares: &[Share; 7], offered: &Offered) -> [f64; 7] {
        Class::ALL.map(|class| {
            let share = &shares[class.index()];
            let passed: f64 = (0..COHORTS).filter(|n| share.takes(Cohort::numbered(*n))).map(|n| offered[class.index()][n]).sum();
            passed.min(share.most) * f64::from(class.weight())
        })
    }

    #[test]
    fn with_room_for_all_everybody_comes_in() {
        let offered = evenly([100.0, 100.0, 10.0, 10.0, 10.0, 10.0, 10.0]);
        assert!(shares(1_000.0, &offered).iter().all(|share| share.threshold == 128));
    }

    #[test]
    fn a_flood_of_newcomers_gets_what_is_left_and_no_more() {
        let offered = evenly([0.0, 500.0, 10.0, 10.0, 0.0, 0.0, 10_000.0]);
        let shares = shares(1_000.0, &offered);
        let admitted = admitted(&shares, &offered);
        assert_eq!(admitted[1..4], [500.0, 30.0, 20.0]);
        assert!((admitted[6] - 450.0).abs() < 1.0, "{admitted:?}");
    }

    #[test]
    fn a_flood_of_appends_leaves_the_floors() {
        let offered = evenly([0.0, 10_000.0, 100.0, 100.0, 100.0, 100.0, 100.0]);
        let admitted = admitted(&shares(1_000.0, &offered), &offered);
        assert!(admitted[1] <= 830.0 && admitted[1] > 740.0, "{admitted:?}");
        assert!((admitted[2] - 100.0).abs() < 5.0 && (admitted[3] - 50.0).abs() < 5.0 && (admitted[6] - 20.0).abs() < 13.0);
    }

    #[test]
    fn a_class_that_asks_for_nothing_keeps_nothing_back() {
        let offered = evenly([0.0, 10_000.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
        let admitted = admitted(&shares(1_000.0, &offered), &offered);
        assert!(admitted[1] > 930.0, "{admitted:?}");
    }

    proptest! {
        /// The budget is kept but for one cohort a class, floors hold, and nobody further down gets more than the floor while
        /// somebody before has less than asked for.
        #[test]
        fn shares_keep_the_order_and_the_budget(
            budget in 1.0..100_000.0_f64,
            rates in prop::array::uniform7(0.0..50_000.0_f64),
        ) {
            let offered = evenly(rates);
            let shares = shares(budget, &offered);
            prop_assert_eq!(shares[0], Share::ALL);
            let admitted = admitted(&shares, &offered);
            let asked = Class::ALL.map(|class| rates[class.index()] * f64::from(class.weight()));
            // Each class may have its least cohort for nothing.
            let coarse: f64 = asked.iter().map(|asked| asked / COHORTS as f64).sum();
            prop_assert!(admitted.iter().sum::<f64>() <= budget + coarse + 1e-6);
            let mut somebody_waits = false;
            for class in Class::ALL.into_iter().skip(1) {
                let n = class.index();
                let slack = asked[n] / COHORTS as f64 + 1e-6;
                prop_assert!(admitted[n] + slack >= asked[n].min(class.floor() * budget));
                if somebody_waits {
                    prop_assert!(admitted[n] <= class.floor() * budget + slack);
                }
                somebody_waits |= admitted[n] + slack < asked[n];
            }
        }

        /// More budget never takes a cohort away.
        #[test]
        fn more_budget_is_never_worse(budget in 1.0..50_000.0_f64, more in 1.0..2.0_f64, rates in prop::array::uniform7(0.0..50_000.0_f64)) {
            let offered = evenly(rates);
            let (less, more) = (shares(budget, &offered), shares(budget * more, &offered));
            for class in Class::ALL {
                prop_assert!(more[class.index()].threshold >= less[class.index()].threshold, "{:?}", class);
            }
        }
    }
}
