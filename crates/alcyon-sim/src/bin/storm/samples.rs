//! What became of everything that was offered, kept one by one, so that any question can be asked afterwards.

/// What was offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// A message, from its moment to its durable receipt.
    Message,
    /// The same message, from its moment to the one who reads it.
    Delivery,
    /// A sign-up, from its moment to its answer.
    SignUp,
    /// A connection that comes back, from the moment it wants to until it is subscribed.
    Resume,
}

impl Class {
    pub fn name(self) -> &'static str {
        match self {
            Self::Message => "messages",
            Self::Delivery => "delivery",
            Self::SignUp => "sign-ups",
            Self::Resume => "resumes",
        }
    }
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Accepted,
    /// Refused: later.
    Later,
    /// Refused: never, or elsewhere.
    Never,
    /// The connection broke, or the end came first.
    Unanswered,
}

/// One of them. Microseconds since the beginning of the run.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// When it was due, not when it was sent: whoever waits for the generator has waited.
    pub due: u32,
    pub took: u32,
    pub class: Class,
    pub fate: Fate,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Samples(Vec<Sample>);

/// What a span of time came to.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    pub offered: usize,
    pub accepted: usize,
    pub later: usize,
    pub never: usize,
    pub unanswered: usize,
    /// Milliseconds, of what was accepted; sorted.
    took: Vec<f64>,
}

impl Samples {
    pub fn add(&mut self, sample: Sample) {
        self.0.push(sample);
    }

    /// And what somebody else has kept, by the same clock.
    pub fn append(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// What was due from `from` until before `to`, in seconds.
    pub fn due_between(&self, class: Class, from: f64, to: f64) -> Figures {
        self.figures(class, |sample| (from..to).contains(&seconds(sample.due)))
    }

    /// What was answered from `from` until before `to`, in seconds.
    pub fn done_between(&self, class: Class, from: f64, to: f64) -> Figures {
        self.figures(class, |sample| (from..to).contains(&(seconds(sample.due) + seconds(sample.took))))
    }

    fn figures(&self, class: Class, which: impl Fn(&Sample) -> bool) -> Figures {
        let mut figures = Figures::default();
        for sample in self.0.iter().filter(|sample| sample.class == class && which(sample)) {
            figures.offered += 1;
            match sample.fate {
                Fate::Accepted => {
                    figures.accepted += 1;
                    figures.took.push(f64::from(sample.took) / 1_000.0);
                }
                Fate::Later => figures.later += 1,
                Fate::Never => figures.never += 1,
                Fate::Unanswered => figures.unanswered += 1,
            }
        }
        figures.took.sort_by(f64::total_cmp);
        figures
    }

    /// The classes there are anything of.
    pub fn classes(&self) -> Vec<Class> {
        let all = [Class::Message, Class::Delivery, Class::SignUp, Class::Resume];
        all.into_iter().filter(|class| self.0.iter().any(|sample| sample.class == *class)).collect()
    }

    /// The end of the last one, seconds.
    pub fn end(&self) -> f64 {
        self.0.iter().map(|sample| seconds(sample.due) + seconds(sample.took)).fold(0.0, f64::max)
    }

    /// What was accepted, by equal steps of the time in which it was: (beginning, a second).
    pub fn goodput(&self, class: Class, step: f64) -> Vec<(f64, f64)> {
        let accepted = self.0.iter().filter(|sample| sample.class == class && sample.fate == Fate::Accepted);
        let mut counts: Vec<f64> = Vec::new();
        for sample in accepted {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a run has minutes
            let place = ((seconds(sample.due) + seconds(sample.took)) / step) as usize;
            counts.resize(counts.len().max(place + 1), 0.0);
            counts[place] += 1.0;
        }
        #[allow(clippy::cast_precision_loss)] // few
        counts.iter().enumerate().map(|(index, count)| (index as f64 * step, count / step)).collect()
    }

    /// Figures by equal steps of the time in which things were due: (beginning, figures).
    pub fn steps(&self, class: Class, step: f64) -> Vec<(f64, Figures)> {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a run has minutes
        let place = |sample: &Sample| (seconds(sample.due) / step) as usize;
        let of_class = || self.0.iter().filter(|sample| sample.class == class);
        let count = of_class().map(place).max().map_or(0, |last| last + 1);
        let mut steps: Vec<Samples> = (0..count).map(|_| Samples::default()).collect();
        for sample in of_class() {
            steps[place(sample)].add(*sample);
        }
        #[allow(clippy::cast_precision_loss)] // few
        steps.iter().enumerate().map(|(index, samples)| (index as f64 * step, samples.figures(class, |_| true))).collect()
    }
}

impl Figures {
    /// Milliseconds within which this share of what was accepted was; none if nothing was.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)] // an index
        let index = ((self.took.len() as f64 * share).ceil() as usize).max(1) - 1;
        self.took.get(index.min(self.took.len().saturating_sub(1))).copied()
    }

    /// Of what was offered; 1 if nothing was.
    #[allow(clippy::cast_precision_loss)] // counts
    pub fn share_accepted(&self) -> f64 {
        if self.offered == 0 { 1.0 } else { self.accepted as f64 / self.offered as f64 }
    }
}

fn seconds(microseconds: u32) -> f64 {
    f64::from(microseconds) / 1e6
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn figures_are_those_of_their_span() {
        let mut samples = Samples::default();
        for index in 0..1_000_u32 {
            let fate = if index % 10 == 9 { Fate::Later } else { Fate::Accepted };
            samples.add(Sample { due: index * 1_000, took: index * 10, class: Class::Message, fate });
        }
        let half = samples.due_between(Class::Message, 0.0, 0.5);
        assert_eq!((half.offered, half.accepted, half.later), (500, 450, 50));
        assert!((half.quantile(1.0).unwrap() - 4.98).abs() < 1e-9);
        assert!((half.quantile(0.5).unwrap() - 2.48).abs() < 0.02);
        assert!((half.share_accepted() - 0.9).abs() < 1e-9);
        assert_eq!(samples.due_between(Class::SignUp, 0.0, 9.0).quantile(0.5), None);
        assert_eq!(samples.steps(Class::Message, 0.25).iter().map(|(_, step)| step.offered).collect::<Vec<_>>(), [250; 4]);
        assert_eq!(samples.classes(), [Class::Message]);
        let taken = samples.goodput(Class::Message, 0.5);
        assert!((taken.iter().map(|(_, rate)| rate * 0.5).sum::<f64>() - 900.0).abs() < 1e-9, "{taken:?}");
    }
}
