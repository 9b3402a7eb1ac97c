//! What is done by whom and when: a function of the seed alone. Nothing that happens changes what comes next.

use std::{collections::BTreeSet, time::Duration};

use alcyon_client::GroupPermission;
use rand::{RngExt, rngs::StdRng};

/// One act of one person.
#[derive(Debug, Clone)]
pub struct Step {
    pub number: usize,
    pub who: usize,
    /// In which of the groups.
    pub group: usize,
    pub act: Act,
    /// The program is killed at so many wake-ups, if it is not done by then.
    pub crash: Option<u32>,
}

/// What is done. A person is a number; where one of several things that may be there is meant, so is that (modulo how many there are).
#[derive(Debug, Clone)]
pub enum Act {
    Send,
    Sync,
    Listen(Duration),
    Invite(usize),
    OpenLink { approval: bool },
    CloseLinks,
    Join(usize),
    Answer { which: usize, yes: bool },
    Role { whom: usize, admin: bool },
    Title,
    Description,
    Timer(u32),
    Permission { permission: GroupPermission, members: bool },
    Remove(usize),
    Leave,
    End,
    Reopen,
}

/// Acts that go on at once, each by somebody else.
#[derive(Debug)]
pub struct Round {
    pub steps: Vec<Step>,
    /// A server that is killed so long after the round has begun, and how long it is away.
    pub kill: Option<Kill>,
}

#[derive(Debug, Clone, Copy)]
pub struct Kill {
    pub server: usize,
    pub after: Duration,
    pub away: Duration,
}

/// How many there are of each.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    pub people: usize,
    pub servers: usize,
    pub groups: usize,
}

/// The next round; `first` is the number of its first step.
pub fn round(random: &mut StdRng, size: Size, first: usize) -> Round {
    let mut busy = BTreeSet::new();
    let mut steps = Vec::new();
    for number in first..first + random.random_range(1..=6) {
        let who = random.random_range(0..size.people);
        let step = Step {
            number,
            who,
            group: random.random_range(0..size.groups),
            act: act(random, size),
            crash: random.random_ratio(1, 8).then(|| random.random_range(1..40)),
        };
        // Everybody does one thing at a time.
        if busy.insert(who) {
            steps.push(step);
        }
    }
    let kill = random.random_ratio(1, 15).then(|| Kill {
        server: random.random_range(0..size.servers),
        after: Duration::from_millis(random.random_range(0..60)),
        away: Duration::from_millis(random.random_range(0..150)),
    });
    Round { steps, kill }
}

fn act(random: &mut StdRng, size: Size) -> Act {
    let whom = random.random_range(0..size.people);
    let which = random.random_range(0..1000);
    let yes = random.random_ratio(4, 5);
    match random.random_range(0..1000) {
        0..330 => Act::Send,
        330..480 => Act::Sync,
        480..520 => Act::Listen(Duration::from_millis(random.random_range(20..300))),
        520..640 => Act::Invite(whom),
        640..660 => Act::OpenLink { approval: !yes },
        660..668 => Act::CloseLinks,
        668..720 => Act::Join(which),
        720..850 => Act::Answer { which, yes },
        850..885 => Act::Role { whom, admin: random.random_ratio(2, 3) },
        885..905 => Act::Title,
        905..910 => Act::Description,
        // Longer than any run: what was written is still looked for at the end.
        910..915 => Act::Timer(7 * 24 * 60 * 60 + random.random_range(0..100)),
        915..930 => {
            let all = [GroupPermission::Invite, GroupPermission::Edit, GroupPermission::Write];
            Act::Permission { permission: all[which % all.len()], members: yes }
        }
        930..960 => Act::Remove(whom),
        960..975 => Act::Leave,
        975..976 => Act::End,
        _ => Act::Reopen,
    }
}
