//! What groups cost: `cargo test --release -p alcyon-mls -p alcyon-wire --test it cost -- --ignored --nocapture`.
//! One process, rows in memory, CPU time of this thread.

use std::{fs, time::Duration};

use alcyon_mls::{Entry, GroupChange, GroupCommit, How, LetsIn, NewDoor, Processed, Replay, Role, Suite, Verdict, prepare_join};

use crate::{
    cast::{Device, Person, is_valid},
    circle::{Invite, found, open_settings, seat},
    log::{Changes, Log},
};

/// CPU time of this thread, from the kernel's scheduler statistics, which are brought up to date by yielding.
fn cpu() -> Duration {
    std::thread::yield_now();
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split_whitespace().next().unwrap().parse().unwrap())
}

fn timed<T>(f: impl FnOnce() -> T) -> (T, Duration) {
    let start = cpu();
    let made = f();
    (made, cpu() - start)
}

fn invite(number: u32, log: &Log) -> Invite {
    let mut secret = [0xd0; 32];
    secret[..4].copy_from_slice(&number.to_be_bytes());
    Invite { keys: alcyon_mls::DoorKeys::derive(&secret, log.id).unwrap() }
}

fn open(invites: &[(Invite, Device)]) -> Vec<GroupChange> {
    invites
        .iter()
        .map(|(invite, device)| {
            let lets_in = LetsIn::Account { account: device.account(), role: Role::Member };
            let door: NewDoor = invite.opens(lets_in, Some(1_700_000_000_000 + 20 * 24 * 3_600_000));
            GroupChange::OpenDoor(door)
        })
        .collect()
}

/// The founder and one more follow; everybody else comes in, and is looked at no more.
fn grow(size: usize) {
    let (mut ann, mut log, stored) = found(open_settings());
    let mut outside = Replay::from_tree(Suite::PRODUCT, &stored).unwrap();
    let mut followed = 0;
    let mut follow = |outside: &mut Replay, log: &Log| {
        let (_, spent) = timed(|| {
            for sequence in followed + 1..=log.head() {
                let (header, message, payload_hash) = log.entry(sequence);
                let verdict = outside.advance(&message, &Entry { header: &header, payload_hash }).unwrap();
                assert!(matches!(verdict, Verdict::Valid(_)));
            }
        });
        followed = log.head();
        spent
    };
    let mut bob = None::<Device>;
    let mut last = None::<Device>;
    let (mut number, mut bytes) = (0u32, 0usize);
    let mut cost = [Duration::ZERO; 4];
    let mut sizes = (0, 0, 0);
    while number + 1 < u32::try_from(size).unwrap() {
        let batch = 64.min(u32::try_from(size).unwrap() - 1 - number);
        let mut invites: Vec<_> = (number..number + batch).map(|at| (invite(at, &log), Person::new().device())).collect();
        let (read, spent) = timed(|| ann.says(&mut log, open(&invites)));
        assert!(is_valid(&read), "{read:?}");
        bytes += log.payload(log.head());
        cost[0] += spent;
        cost[3] += follow(&mut outside, &log);
        if let Some(bob) = &mut bob {
            bob.catch_up(&log);
        }
        for (invite, mut new) in invites.drain(..) {
            let at = seat(2 + u16::try_from(number).unwrap());
            let info = ann.stored_tree().group_info;
            let (prepared, spent) = timed(|| {
                let seen = ann.seen(&log);
                prepare_join(&new.rows, &new.local(), outside.ground(&info).unwrap(), at, seen, How::Door(invite.keys.id)).unwrap()
            });
            cost[1] += spent;
            sizes.0 = prepared.message.len();
            sizes.1 = sizes.1.max(prepared.group_info.len());
            let changes = Changes { added: vec![at], by_door: Some(invite.keys.id), ..Changes::none() };
            log.commit(&prepared.message, changes).unwrap();
            bytes += log.payload(log.head());
            sizes.2 = spent.as_micros();
            let (read, spent) = timed(|| ann.catch_up(&log).pop().unwrap());
            assert!(is_valid(&read), "{read:?}");
            cost[2] += spent;
            cost[3] += follow(&mut outside, &log);
            if let Some(bob) = &mut bob {
                bob.catch_up(&log);
            }
            if bob.is_none() || usize::try_from(number).unwrap() + 2 == size {
                let (header, message, payload_hash) = log.entry(log.head());
                let entry = Entry { header: &header, payload_hash };
                new.group = alcyon_mls::adopt_rejoin(&new.rows, &prepared.group, &message, &entry).unwrap().0;
                new.read = log.head();
                if bob.is_none() { bob = Some(new) } else { last = Some(new) }
            }
            number += 1;
        }
    }
    let ms = |spent: Duration| spent.as_secs_f64() * 1000.0;
    println!("--- {size} accounts");
    println!(
        "made: open doors {:.0} ms, joiners {:.0} ms, a member reads {:.0} ms, a follower {:.0} ms; log {:.2} MB",
        ms(cost[0]),
        ms(cost[1]),
        ms(cost[2]),
        ms(cost[3]),
        bytes as f64 / 1e6
    );
    println!("the last join: {} bytes, joiner {:.1} ms; largest GroupInfo {} bytes", sizes.0, sizes.2 as f64 / 1000.0, sizes.1);
    let stored = ann.stored_tree();
    println!("tree {} bytes, GroupInfo {} bytes, state {} bytes", stored.tree.len(), stored.group_info.len(), ann.state().encode().len());

    let mut bob = bob.unwrap();
    let (message, wrote) = timed(|| ann.encrypt("a message of some length, as people write them"));
    log.append(&message);
    let (_, read) = timed(|| bob.catch_up(&log));
    println!("message: {} bytes, write {:.2} ms, read {:.2} ms", message.len(), ms(wrote), ms(read));
    ann.catch_up(&log);

    for (doors, what) in [(0, "no door"), (64, "64 doors")] {
        let invites: Vec<_> = (5_000..5_000 + doors).map(|at| (invite(at, &log), Person::new().device())).collect();
        if !invites.is_empty() {
            assert!(is_valid(&ann.says(&mut log, open(&invites))));
            bob.catch_up(&log);
        }
        let gone = if doors == 0 {
            last.as_ref().map(Device::account)
        } else {
            ann.group()
                .members()
                .map(|member| member.chain.account())
                .find(|account| *account != ann.account() && *account != bob.account())
        };
        let Some(gone) = gone else { continue };
        let (prepared, spent) = timed(|| ann.change(&log, GroupCommit { remove_accounts: vec![gone], ..GroupCommit::default() }).unwrap());
        ann.send_commit(&mut log, &prepared, vec![]);
        let (merged, merge) = timed(|| ann.catch_up(&log).pop().unwrap());
        assert!(is_valid(&merged));
        let (read, reads) = timed(|| bob.catch_up(&log).pop().unwrap());
        let Processed::Commit(Verdict::Valid(summary)) = read else { panic!("{read:?}") };
        assert!(summary.new_join_secret.is_some());
        println!(
            "removal, {what}: message {} bytes, payload {} bytes, GroupInfo {} bytes; prepare {:.1} ms, merge {:.1} ms, a member reads {:.1} ms",
            prepared.message.len(),
            log.payload(log.head()),
            prepared.group_info.len(),
            ms(spent),
            ms(merge),
            ms(reads)
        );
    }
    let changes = vec![GroupChange::SetTitle("calm".into())];
    let (prepared, spent) = timed(|| ann.change(&log, GroupCommit { changes, ..GroupCommit::default() }).unwrap());
    println!("title: message {} bytes, prepare {:.1} ms", prepared.message.len(), ms(spent));
}

#[test]
#[ignore = "measures; run it by hand, in release"]
fn groups_of_10_100_and_1000() {
    let sizes = std::env::var("SIZES").unwrap_or_else(|_| "10,100,1000".into());
    for size in sizes.split(',').map(|size| size.parse().unwrap()) {
        grow(size);
    }
}
