//! A Welcome and the tree with it: what a stranger offers and a server keeps.
#![no_main]

use std::sync::LazyLock;

use alcyon_fuzz::{device, part, rows};
use alcyon_mls::{Group, LocalDevice, MemoryRows};

static ROWS: LazyLock<MemoryRows> = LazyLock::new(|| rows(include_bytes!("../world/before.rows")));

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((welcome, tree)) = part(data) else { return };
    let (key, chain) = device(3);
    let device = LocalDevice::new(&chain, &key).expect("they belong together");
    if let Ok(group) = Group::join(&ROWS.clone(), &device, welcome, tree) {
        assert!(group.is_member() && group.members().count() <= 20);
    }
});
