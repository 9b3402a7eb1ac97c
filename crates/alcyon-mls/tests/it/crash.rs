//! A store that fails at any step, and rollbacks.

use std::cell::Cell;

use alcyon_mls::{Entry, Group, MemoryRows, MlsError, Processed, RowKind, Rows, RowsError};

use crate::{
    cast::{Device, is_valid, pair, seat, text},
    log::{Changes, Log},
};

/// Fails from the `left`-th operation on.
struct Failing<'a> {
    rows: &'a MemoryRows,
    left: Cell<usize>,
}

#[derive(Debug, PartialEq)]
struct DiskFull;

impl std::fmt::Display for DiskFull {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("disk full")
    }
}

impl std::error::Error for DiskFull {}

impl Failing<'_> {
    fn step(&self) -> Result<(), RowsError> {
        match self.left.get().checked_sub(1) {
            None => Err(RowsError::new(DiskFull)),
            Some(left) => {
                self.left.set(left);
                Ok(())
            }
        }
    }
}

impl Rows for Failing<'_> {
    fn read(&self, kind: RowKind, key: &[u8]) -> Result<Option<Vec<u8>>, RowsError> {
        self.step()?;
        self.rows.read(kind, key)
    }

    fn write(&self, kind: RowKind, key: &[u8], value: &[u8]) -> Result<(), RowsError> {
        self.step()?;
        self.rows.write(kind, key, value)
    }

    fn delete(&self, kind: RowKind, key: &[u8]) -> Result<(), RowsError> {
        self.step()?;
        self.rows.delete(kind, key)
    }
}

/// Does `act` on a fresh copy with a store that fails one step later each time, until it gets through. Each failure
/// must be told as what it is; and what comes after a rollback must work as if nothing had been.
fn at_every_step<T>(device: &Device, act: impl Fn(&mut Group, &dyn Rows) -> Result<T, MlsError>) -> (T, MemoryRows) {
    for steps in 0.. {
        let rows = device.rows.clone();
        let mut group = Group::load(&rows, &device.id()).unwrap().unwrap();
        let failing = Failing { rows: &rows, left: Cell::new(steps) };
        match act(&mut group, &failing) {
            Ok(done) => {
                assert!(steps > 0, "it used the store");
                return (done, rows);
            }
            Err(MlsError::Rows(error)) => assert_eq!(error.downcast_ref::<DiskFull>(), Some(&DiskFull)),
            Err(other) => panic!("step {steps}: a failing store was told as {other:?}"),
        }
    }
    unreachable!()
}

fn process(log: &Log, sequence: u64) -> impl Fn(&mut Group, &dyn Rows) -> Result<Processed, MlsError> {
    let (header, message, payload_hash) = log.entry(sequence);
    move |group, rows| group.process(rows, &message, &Entry { header: &header, payload_hash })
}

#[test]
fn a_failing_store_is_never_taken_for_a_verdict() {
    let (mut ann, mut bob, mut log) = pair();

    bob.send(&mut log, "message");
    let (read, rows) = at_every_step(&ann, process(&log, log.head()));
    assert_eq!(text(&read), "message");
    ann.rows = rows;
    ann.reload();
    ann.read = log.head();
    bob.catch_up(&log);

    // A commit of another's.
    bob.renew(&mut log, seat(2));
    let (read, rows) = at_every_step(&ann, process(&log, log.head()));
    assert!(is_valid(&read));
    ann.rows = rows;
    ann.reload();
    ann.read = log.head();

    // An own commit, prepared and merged on its echo.
    let seen = ann.seen(&log);
    let (chain, key) = (ann.chain.clone(), ann.key.clone());
    let (commit, rows) =
        at_every_step(&ann, |group, rows| group.prepare_update(rows, &alcyon_mls::LocalDevice::new(&chain, &key).unwrap(), seat(1), seen));
    ann.rows = rows;
    ann.reload();
    log.commit(&commit.message, Changes::none()).unwrap();
    let (read, rows) = at_every_step(&ann, process(&log, log.head()));
    assert!(is_valid(&read));
    ann.rows = rows;
    ann.reload();
    assert!(is_valid(&bob.catch_up(&log)[0]));

    let (message, rows) =
        at_every_step(&ann, |group, rows| group.encrypt(rows, &alcyon_mls::LocalDevice::new(&chain, &key).unwrap(), b"sent\x80"));
    ann.rows = rows;
    log.append(&message);
    assert_eq!(text(&bob.catch_up(&log)[0]), "sent");
}

#[test]
fn a_rollback_takes_a_merge_back_whole() {
    let (mut ann, mut bob, mut log) = pair();
    let commit = ann.update(&log, seat(1)).unwrap();
    log.commit(&commit.message, Changes::none()).unwrap();
    ann.send(&mut log, "too early: of the old epoch");
    for device in [&mut ann, &mut bob] {
        let before = device.rows.clone();
        let (epoch, read) = (device.epoch(), device.read);
        assert!(is_valid(&device.read_one(&log).unwrap()));
        assert_eq!(device.epoch(), epoch + 1);
        device.rows = before;
        device.read = read;
        device.reload();
        assert_eq!(device.epoch(), epoch);
        assert!(is_valid(&device.read_one(&log).unwrap()), "and it is processed again");
    }
}

#[test]
fn a_message_that_was_rolled_back_is_encrypted_anew() {
    let (mut ann, mut bob, mut log) = pair();
    let before = ann.rows.clone();
    ann.encrypt("never left");
    ann.rows = before;
    ann.reload();
    ann.send(&mut log, "left");
    assert_eq!(text(&bob.catch_up(&log)[0]), "left");
}

#[test]
fn a_row_that_is_gone_or_damaged_is_no_verdict() {
    let (mut ann, bob, mut log) = pair();
    ann.renew(&mut log, seat(1));
    let (header, message, payload_hash) = log.entry(log.head());
    let entry = Entry { header: &header, payload_hash };
    for (kind, key, value) in bob.rows.dump() {
        for damage in [None, Some(vec![0xC1]), Some(value[..value.len() / 2].to_vec())] {
            let rows = bob.rows.clone();
            match &damage {
                None => rows.delete(kind, &key).unwrap(),
                Some(bytes) => rows.write(kind, &key, bytes).unwrap(),
            }
            let read = match Group::load(&rows, &bob.id()) {
                Err(MlsError::Stored { .. }) | Ok(None) => continue,
                Err(other) => panic!("{kind:?}: {other:?}"),
                Ok(Some(mut group)) => group.process(&rows, &message, &entry),
            };
            match read {
                Err(MlsError::Stored { .. }) => {}
                // Rows that this commit does not need.
                Ok(read) if is_valid(&read) => {}
                // Without it the group looks as in its first epoch.
                Ok(Processed::Commit(_)) if kind == RowKind::LastValid => {}
                other => panic!("{kind:?} {damage:?}: {other:?}"),
            }
        }
    }
}
