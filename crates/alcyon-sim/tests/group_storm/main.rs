//! The long run of groups: twenty people with the real client and real profiles on disk, two real servers, three groups, over
//! real sockets. They invite, come in, decline, leave, remove, change roles and settings and write, all at once; servers are
//! killed with `kill -9` and come back, programs are killed at any point and start again, connections fail. Now and then it
//! calms down, and everything that must be true is looked at ([`check`], [`kept`]).
//!
//! What is done by whom in which order, which programs and servers are killed, and what goes wrong at the nth point of each
//! person's network follow from the seed (`ALCYON_SEED`). Time and sockets are real, and keys and ids are random: which of two
//! acts that go on at once comes first, how far a program has got when it is killed, and how many points its network passes do
//! not follow from the seed. A failure that hangs on such a race comes back with the same seed often, not always.
//!
//! `ALCYON_STORM_STEPS` is the number of steps (acts of persons), `ALCYON_STORM_RUNS` the number of seeds.
#![allow(clippy::unwrap_used)]

mod check;
mod kept;
mod person;
mod plan;
mod tap;

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    fmt::Write as _,
    path::Path,
    time::{Duration, Instant},
};

use alcyon_client::{ActOutcome, ConversationId, GroupPermission, JoinLink, OpenedLink, RequestKind, ServerUrl};
use alcyon_sim::{
    fault::FaultRates,
    process::{ServerProcess, ServerSetup},
    seed,
    world::{is_overtaken, is_weather},
};
use anyhow::{Context, ensure};
use rand::{RngExt, rngs::StdRng};

use check::{Consents, Seen};
use kept::{Kept, Tried};
use person::{Person, settle};
use plan::{Act, Kill, Size, Step};
use tap::Tap;

const SIZE: Size = Size { people: 20, servers: 2, groups: 3 };
/// Copies of profiles at a time: each is some megabytes.
const KEPT_AT_ONCE: usize = 16;
/// Calm is reached within this.
const REST: Duration = Duration::from_secs(120);

/// A server whose pace limits are lifted. Its rules are as ever.
struct Hub {
    setup: ServerSetup,
    url: ServerUrl,
    process: RefCell<Option<ServerProcess>>,
    kills: Cell<usize>,
}

impl Hub {
    fn start(data: &Path, number: usize) -> anyhow::Result<Self> {
        let mut setup = ServerSetup::new(data);
        // An address that no outgoing connection of this machine gets: the port stays free while the server is away.
        setup.listen = format!("127.0.0.{}:0", number + 2);
        let setup = setup.arguments([
            "--logs-commits=100000+10000/s",
            "--logs-joins=100000+10000/s",
            "--logs-seat-entries=100000+10000/s",
            "--logs-creates-per-address=100000+10000/s",
            "--logs-pass-knocks=100000+10000/s",
            "--logs-strangers-per-hour=100000",
            "--logs-strangers-pending=100000",
            "--logs-log-mebibytes=8192",
            "--stamps-saved=100000",
            "--stamps-work-bits=8",
        ]);
        let process = setup.start()?;
        let (setup, url) = (setup.again(&process), process.url().clone());
        Ok(Self { setup, url, process: RefCell::new(Some(process)), kills: Cell::new(0) })
    }

    async fn kill(&self, kill: Kill) -> anyhow::Result<()> {
        tokio::time::sleep(kill.after).await;
        self.process.take().context("it runs")?.kill()?;
        tokio::time::sleep(kill.away).await;
        let setup = self.setup.clone();
        self.process.replace(Some(tokio::task::spawn_blocking(move || setup.start()).await??));
        self.kills.set(self.kills.get() + 1);
        Ok(())
    }
}

/// One of the groups, and those that stood in its place before.
struct Place {
    group: ConversationId,
    creator: usize,
    links: Vec<JoinLink>,
}

struct Storm {
    seed: u64,
    people: Vec<Person>,
    hubs: Vec<Hub>,
    tap: Tap,
    places: RefCell<Vec<Place>>,
    consents: RefCell<Consents>,
    kept: RefCell<Vec<Kept>>,
    tried: Cell<Tried>,
    /// How often each kind of act came to what.
    outcomes: RefCell<BTreeMap<(&'static str, &'static str), usize>>,
    /// The last steps, for whoever reads a failure.
    recent: RefCell<Vec<String>>,
}

impl Storm {
    async fn begin(seed: u64, folder: &Path) -> anyhow::Result<Self> {
        let hubs =
            (0..SIZE.servers).map(|number| Hub::start(&folder.join(format!("hub{number}")), number)).collect::<Result<Vec<_>, _>>()?;
        let tap = Tap::default();
        let mut people = Vec::new();
        for number in 0..SIZE.people {
            people.push(Person::register(folder, &format!("p{number:02}"), &hubs[number % hubs.len()].url, seed, &tap).await?);
        }
        let storm = Self {
            seed,
            people,
            hubs,
            tap,
            places: RefCell::default(),
            consents: RefCell::default(),
            kept: RefCell::default(),
            tried: Cell::default(),
            outcomes: RefCell::default(),
            recent: RefCell::default(),
        };
        for place in 0..SIZE.groups {
            let place = storm.found(place, place).await?;
            storm.places.borrow_mut().push(place);
        }
        Ok(storm)
    }

    /// Makes a group, in calm: half of all come in, all may invite, and three are admins.
    async fn found(&self, number: usize, creator: usize) -> anyhow::Result<Place> {
        let founder = &self.people[creator];
        let group = founder.with(async |client| Ok(client.create_group(&format!("group {number}")).await?)).await?;
        let others: Vec<_> = (1..SIZE.people / 2).map(|step| &self.people[(creator + step) % SIZE.people]).collect();
        let handles: Vec<_> = others.iter().map(|other| (other.handle.clone(), None)).collect();
        founder.with(async |client| Ok(client.invite(group, &handles).await?)).await?;
        for other in &others {
            other.sync(None).await?;
            self.consents(group, other);
            other.with(async |client| Ok(client.accept(group).await?)).await?;
        }
        settle(&self.people, REST).await?;
        founder.with(async |client| Ok(client.set_permission(group, GroupPermission::Invite, true).await?)).await?;
        for other in &others[..2] {
            founder.with(async |client| Ok(client.set_role(group, &other.handle.to_text(), true).await?)).await?;
        }
        Ok(Place { group, creator, links: Vec::new() })
    }

    fn came_to(&self, act: &'static str, outcome: &'static str) {
        *self.outcomes.borrow_mut().entry((act, outcome)).or_default() += 1;
    }

    async fn step(&self, step: &Step) -> anyhow::Result<()> {
        {
            let mut recent = self.recent.borrow_mut();
            recent.push(format!("{step:?}"));
            let old = recent.len().saturating_sub(60);
            recent.drain(..old);
        }
        let (name, outcome) = self.act(step).await;
        match outcome {
            Ok(()) => self.came_to(name, "done"),
            Err(error) if is_weather(&error) => self.came_to(name, "weather"),
            Err(error) if is_overtaken(&error) => self.came_to(name, "refused"),
            Err(error) => return Err(error).with_context(|| format!("{step:?}")),
        }
        Ok(())
    }

    async fn act(&self, step: &Step) -> (&'static str, anyhow::Result<()>) {
        let Step { number, who, group: place, ref act, crash } = *step;
        let who = &self.people[who];
        let group = self.places.borrow()[place].group;
        let name = |whom: usize| self.people[whom].handle.to_text();
        let done = |outcome: anyhow::Result<Option<ActOutcome>>| outcome.map(|_| ());
        match *act {
            Act::Send => ("send", who.send(group, &format!("step {number}"), crash).await),
            Act::Sync => ("sync", who.sync(crash).await.map(|_| ())),
            Act::Listen(time) => ("listen", who.listen(time, crash).await),
            Act::Invite(whom) => {
                let whom = [(self.people[whom].handle.clone(), None)];
                ("invite", done(who.act(crash, async |client| Ok(client.invite(group, &whom).await?)).await))
            }
            Act::OpenLink { approval } => {
                let opened = who.act(crash, async |client| Ok(client.open_link(group, approval).await?)).await;
                let kept = opened.map(|opened| {
                    if let Some(link) = opened.and_then(OpenedLink::link) {
                        let mut places = self.places.borrow_mut();
                        let links = &mut places[place].links;
                        links.push(link);
                        let old = links.len().saturating_sub(6);
                        links.drain(..old);
                    }
                });
                ("open link", kept)
            }
            Act::CloseLinks => ("close links", done(who.act(crash, async |client| Ok(client.close_links(group).await?)).await)),
            Act::Join(which) => {
                let link = {
                    let places = self.places.borrow();
                    let links = &places[place].links;
                    links.get(which % links.len().max(1)).cloned()
                };
                let Some(link) = link else { return ("join", Ok(())) };
                if !link.needs_approval() {
                    self.consents(group, who);
                }
                ("join", who.act(crash, async |client| Ok(client.join(&link).await?)).await.map(|_| ()))
            }
            Act::Answer { which, yes } => ("answer", self.answer(who, which, yes, crash).await),
            Act::Role { whom, admin } => {
                ("role", done(who.act(crash, async |client| Ok(client.set_role(group, &name(whom), admin).await?)).await))
            }
            Act::Title => {
                ("title", done(who.act(crash, async |client| Ok(client.set_title(group, &format!("title {number}")).await?)).await))
            }
            Act::Description => {
                let text = format!("what was said at {number}");
                ("description", done(who.act(crash, async |client| Ok(client.set_description(group, &text).await?)).await))
            }
            Act::Timer(seconds) => ("timer", done(who.act(crash, async |client| Ok(client.set_timer(group, seconds).await?)).await)),
            Act::Permission { permission, members } => {
                ("permission", done(who.act(crash, async |client| Ok(client.set_permission(group, permission, members).await?)).await))
            }
            Act::Remove(whom) => ("remove", self.remove(who, whom, group, crash).await),
            Act::Leave => ("leave", done(who.act(crash, async |client| Ok(client.leave(group).await?)).await)),
            Act::End => ("end", done(who.act(crash, async |client| Ok(client.end_group(group).await?)).await)),
            Act::Reopen => ("reopen", who.open()),
        }
    }

    fn consents(&self, group: ConversationId, who: &Person) {
        *self.consents.borrow_mut().entry((group, who.account)).or_default() += 1;
    }

    async fn answer(&self, who: &Person, which: usize, yes: bool, crash: Option<u32>) -> anyhow::Result<()> {
        who.sync(None).await?;
        let requests = who.with(async |client| Ok(client.requests()?)).await?;
        let Some(request) = requests.get(which % requests.len().max(1)) else { return Ok(()) };
        let own_act = matches!(request.kind, RequestKind::Invite { .. });
        if yes && own_act {
            self.consents(request.id, who);
        }
        let answered = who.act(crash, async |client| match (yes, own_act) {
            (true, _) => Ok(client.accept(request.id).await.map(|_| ())?),
            (false, true) => Ok(client.decline(request.id).await?),
            (false, false) => Ok(client.reject(request.id)?),
        });
        answered.await.map(|_| ())
    }

    /// Removes somebody who keeps a copy of the profile for later.
    async fn remove(&self, who: &Person, whom: usize, group: ConversationId, crash: Option<u32>) -> anyhow::Result<()> {
        let whom = &self.people[whom];
        let is_in = who.with(async |client| Ok(client.group(group))).await?;
        if is_in.is_ok_and(|view| view.members.iter().any(|member| member.person.account == whom.account))
            && self.kept.borrow().len() < KEPT_AT_ONCE
        {
            let kept = Kept::copy(&whom.handle.to_text(), whom.account, group, whom.folder())?;
            self.kept.borrow_mut().push(kept);
        }
        who.act(crash, async |client| Ok(client.remove(group, &whom.handle.to_text()).await?)).await.map(|_| ())
    }

    /// Nothing goes wrong any more; all read and write what there is, and everything is looked at.
    async fn calm(&self, random: &mut StdRng) -> anyhow::Result<String> {
        for person in &self.people {
            person.faults.set_rates(FaultRates::NONE);
        }
        settle(&self.people, REST).await.context("settling")?;
        // Whoever may writes: so there is something that the removed can't read, and everybody hears from everybody.
        let groups: Vec<_> = self.places.borrow().iter().map(|place| place.group).collect();
        for person in &self.people {
            for group in &groups {
                match person.send(*group, "in the calm", None).await {
                    Err(error) if !is_overtaken(&error) => return Err(error),
                    _ => {}
                }
            }
        }
        settle(&self.people, REST).await.context("settling again")?;
        let mut report = String::new();
        let mut seen = BTreeMap::new();
        for (number, group) in groups.iter().enumerate() {
            let creator = self.people[self.places.borrow()[number].creator].account;
            let consents = self.consents.borrow().clone();
            let one = check::check(&self.people, *group, creator, &consents).await.with_context(|| format!("group {number}"))?;
            let facts = one.facts.as_ref().map(|facts| (facts.members.len(), facts.epoch));
            let _infallible = write!(report, "{}/{facts:?}/{} ", one.inside.len(), one.messages);
            seen.insert(*group, one);
        }
        for person in &self.people {
            person.check_calm()?;
        }
        ensure!(self.tap.contradictions().is_empty(), "told differently: {:?}", self.tap.contradictions());
        let kept = self.kept.take();
        let mut tried = self.tried.get();
        for copy in kept {
            let removals = seen.get(&copy.conversation).and_then(|group| group.removals.get(&copy.account));
            copy.try_it(&self.tap, removals.map_or(&[], Vec::as_slice), &mut tried).await?;
        }
        self.tried.set(tried);
        self.tap.clear();
        for (number, group) in groups.iter().enumerate() {
            let Seen { inside, .. } = &seen[group];
            if inside.len() < 2 {
                // Over, or nobody is left to let others in.
                let place = self.found(number, random.random_range(0..SIZE.people)).await?;
                self.places.borrow_mut()[number] = place;
            }
        }
        for person in &self.people {
            person.faults.set_rates(FaultRates::ROUGH);
        }
        Ok(report)
    }

    async fn run(&self, steps: usize) -> anyhow::Result<()> {
        let mut random = seed::generator(self.seed);
        // What happens in the calm has a generator of its own: the plan does not hang on what has happened.
        let mut in_calm = seed::generator(self.seed ^ 0xca11);
        let between = (steps / 20).clamp(60, 500);
        let began = Instant::now();
        let (mut done, mut next_calm) = (0, between);
        while done < steps {
            let round = plan::round(&mut random, SIZE, done);
            let kill = async {
                match round.kill {
                    Some(kill) => self.hubs[kill.server].kill(kill).await.context("a server"),
                    None => Ok(()),
                }
            };
            let acts = futures::future::try_join_all(round.steps.iter().map(|step| self.step(step)));
            futures::future::try_join(acts, kill).await?;
            done += round.steps.len();
            if done >= next_calm || done >= steps {
                next_calm = done + between;
                let groups = self.calm(&mut in_calm).await.with_context(|| format!("in the calm after step {done}"))?;
                eprintln!("seed {}: {done} steps in {:?}; members/(members, epoch)/messages {groups}", self.seed, began.elapsed());
            }
        }
        let kills: usize = self.hubs.iter().map(|hub| hub.kills.get()).sum();
        let crashes: usize = self.people.iter().map(|person| person.crashes.get()).sum();
        eprintln!("seed {}: {kills} kills of servers, {crashes} of programs; kept state: {:?}", self.seed, self.tried.get());
        for ((act, outcome), times) in self.outcomes.borrow().iter() {
            eprintln!("  {act}, {outcome}: {times}");
        }
        if steps >= 1000 {
            let Tried { removals, opened_before: _, saw_the_removal, shut_after } = self.tried.get();
            ensure!(removals > 0 && saw_the_removal > 0 && shut_after > 0, "no removal was tried");
        }
        Ok(())
    }

    fn story(&self) -> String {
        let mut text = format!("replay with ALCYON_SEED={}\nthe last steps:\n", self.seed);
        for step in self.recent.borrow().iter() {
            let _infallible = writeln!(text, "  {step}");
        }
        for (number, person) in self.people.iter().enumerate() {
            let _infallible = writeln!(text, "{number}: {} {:?}", person.handle.to_text(), person.account);
        }
        text
    }
}

async fn storm(seed: u64, steps: usize) -> anyhow::Result<()> {
    // Profiles are flushed to disk all the time; where there is a disk in memory, that costs nothing.
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }?;
    let storm = Storm::begin(seed, folder.path()).await?;
    let result = storm.run(steps).await;
    if result.is_err() && std::env::var_os("ALCYON_STORM_KEEP").is_some() {
        eprintln!("the profiles and servers stay in {}", folder.keep().display());
    }
    result.with_context(|| storm.story())
}

#[test]
fn groups_in_a_long_storm_agree() {
    let steps = seed::rounds("ALCYON_STORM_STEPS", 120);
    for seed in seed::seeds("ALCYON_STORM_RUNS", 1) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        tokio::task::LocalSet::new().block_on(&runtime, storm(seed, usize::try_from(steps).unwrap())).unwrap();
    }
}
