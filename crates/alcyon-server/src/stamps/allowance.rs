//! How many stamps an account may have: so many a day, and what it has not taken is saved up to a limit.

use prost::Message;

/// The rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Allowance {
    pub per_day: u32,
    /// The most that is saved up; all of it is there for a new account.
    pub saved: u32,
}

/// What is left of it. Of days, not of moments: when somebody has asked is nobody's business.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(crate) struct AllowanceRecord {
    /// As of this day, counted from the Unix epoch.
    #[prost(uint32, tag = "1")]
    pub day: u32,
    #[prost(uint32, tag = "2")]
    pub left: u32,
}

impl Allowance {
    /// Takes so many off. The error: the day on which there are as many again; none: never.
    pub fn take(self, record: Option<AllowanceRecord>, today: u32, wanted: u32) -> Result<AllowanceRecord, Option<u32>> {
        let AllowanceRecord { day, left } = record.unwrap_or(AllowanceRecord { day: today, left: self.saved });
        // A clock that was set back gives nothing twice.
        let days = today.saturating_sub(day);
        let left = left.saturating_add(days.saturating_mul(self.per_day)).min(self.saved);
        match left.checked_sub(wanted) {
            Some(left) => Ok(AllowanceRecord { day: today.max(day), left }),
            None if wanted > self.saved || self.per_day == 0 => Err(None),
            None => Err(Some(today.max(day).saturating_add((wanted - left).div_ceil(self.per_day)))),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// However it is asked for: no more than what is saved up and what the days bring.
        #[test]
        fn nobody_has_more_than_the_days_bring(
            per_day in 1..100_u32,
            saved in 1..300_u32,
            asks in proptest::collection::vec((0..3_u32, 1..40_u32), 1..60),
        ) {
            let rule = Allowance { per_day, saved };
            let (mut record, mut today, mut had) = (None, 1_000, 0);
            for (days, wanted) in asks {
                today += days;
                match rule.take(record, today, wanted) {
                    Ok(next) => {
                        had += wanted;
                        record = Some(next);
                    }
                    Err(None) => prop_assert!(wanted > saved),
                    // The day that is named is the first on which it is given.
                    Err(Some(day)) => {
                        prop_assert!(day > today);
                        prop_assert!(rule.take(record, day, wanted).is_ok());
                        prop_assert!(rule.take(record, day - 1, wanted).is_err());
                    }
                }
            }
            prop_assert!(had <= saved + (today - 1_000) * per_day);
        }
    }

    #[test]
    fn a_clock_that_is_set_back_gives_nothing() {
        let rule = Allowance { per_day: 10, saved: 20 };
        let empty = rule.take(None, 100, 20).unwrap();
        assert_eq!(rule.take(Some(empty), 90, 1), Err(Some(101)));
        let next = rule.take(Some(empty), 101, 10).unwrap();
        assert_eq!(rule.take(Some(next), 101, 1), Err(Some(102)));
    }
}
