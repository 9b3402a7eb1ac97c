//! The server's journal, read at every start. It is taken as it lies there, with the tables and batches that it speaks of.
#![no_main]

#[allow(dead_code)] // the server uses all of it
#[path = "."]
mod store {
    #[path = "../../crates/alcyon-server/src/store/batch.rs"]
    mod batch;
    #[path = "../../crates/alcyon-server/src/store/table.rs"]
    mod table;

    pub use batch::{Batch, Change};
    pub use table::{RowKey, Table};
}

#[path = "../../crates/alcyon-server/src/store/embedded/record.rs"]
mod record;

use bytes::Bytes;
use record::{FileHead, RECORD_HEAD_BYTES};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Some(head) = FileHead::decode(data) {
        assert_eq!(head.encode(), data[..head.encode().len()]);
    }
    let bytes = Bytes::copy_from_slice(data);
    let _ = record::record_at(1, &bytes);
    let _ = record::has_later(1, 0, &bytes);
    let Some(changes) = record::changes(&bytes) else {
        return;
    };
    let mut batch = store::Batch::default();
    for change in &changes {
        match &change.value {
            Some(value) => batch.put(change.table, &change.key, value),
            None => batch.remove(change.table, &change.key),
        }
    }
    let whole = record::encode(7, 3, &batch).expect("it is no larger than what was read");
    assert_eq!(whole[RECORD_HEAD_BYTES..], bytes[RECORD_HEAD_BYTES.min(bytes.len())..]);
    let (number, found) = record::record_at(7, &whole).expect("what was written is read");
    assert_eq!((number, record::changes(&found)), (3, Some(changes)));
});
