//! Writes `world/` and the seeds of the targets of `alcyon-mls` anew: `cargo run --example seeds`, in `fuzz/`. To be done
//! when what MLS stores, or our extensions, change.

use std::{fs, path::Path};

use alcyon_fuzz::{LOG, device, join, rules};
use alcyon_mls::{Created, Group, KeyPackageUse, LocalDevice, MemoryRows, Seen, StoredTree, Suite, judge_key_package, key_package, pad};
use alcyon_wire::{LogId, RunningHash, SeatId};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let ((ann_key, ann_chain), (ben_key, ben_chain)) = (device(2), device(3));
    let (ann, ben) = (LocalDevice::new(&ann_chain, &ann_key)?, LocalDevice::new(&ben_chain, &ben_key)?);
    let (ann_rows, ben_rows) = (MemoryRows::new(), MemoryRows::new());

    let package = key_package(&ben_rows, &ben, KeyPackageUse::LastResort)?.bytes;
    let one_time = key_package(&ben_rows, &ben, KeyPackageUse::OneTime)?.bytes;
    let seat = SeatId::from([4; 32]);
    let others = [judge_key_package(Suite::PRODUCT, &package)?];
    let Created { mut group, welcome, stored } = Group::create(&ann_rows, &ann, &rules(), seat, &others)?;
    let StoredTree { tree, group_info } = stored;
    let welcome = welcome.ok_or("nobody was welcomed")?;
    put("world", "before.rows", &dump(&ben_rows))?;
    Group::join(&ben_rows, &ben, &welcome, &tree)?;
    put("world", "joined.rows", &dump(&ben_rows))?;
    put("world", "group.id", group.id().as_bytes())?;

    let seen = Seen { sequence: 0, running_hash: RunningHash::start(LogId::from(LOG)) };
    let message = group.encrypt(&ann_rows, &ann, &pad(b"the sea stays calm"))?;
    let commit = group.prepare_update(&ann_rows, &ann, seat, seen)?.message;

    put("seeds/key_package", "last_resort", &package)?;
    put("seeds/key_package", "one_time", &one_time)?;
    put("seeds/welcome", "ben", &join(&welcome, &tree))?;
    put("seeds/mls_message", "application", &[&[1], message.as_slice()].concat())?;
    put("seeds/mls_message", "commit", &[&[2], commit.as_slice()].concat())?;
    put("seeds/replay", "update", &join(&tree, &join(&group_info, &commit)))?;
    Ok(())
}

fn put(folder: &str, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(name), bytes)
}

fn dump(rows: &MemoryRows) -> Vec<u8> {
    rows.dump()
        .into_iter()
        .flat_map(|(kind, key, value)| [&kind.number().to_be_bytes(), join(&key, &join(&value, &[])).as_slice()].concat())
        .collect()
}
