//! What is spent: a row for each stamp, written in the transaction of what it has paid for, so that neither is without the
//! other, whatever dies when. Beside the number there is nothing: not when, not for what.

use alcyon_wire::{RefusalCode, Stamp};
use bytes::Bytes;

use crate::{
    Refusal,
    logs::engine::Engine,
    store::{RowKey, Store, Table},
};

/// Of a stamp's number, what the engine keeps without an allocation. Two of one holder's that fall together can't be had.
const KEY_BYTES: usize = 20;

/// How something is paid for.
#[derive(Debug)]
pub(crate) enum Paid {
    /// It costs nothing, or the work is done.
    Free,
    /// By a genuine stamp; whether it is spent is yet to be seen.
    Stamp { table: Table, key: RowKey },
    /// It is not, for this reason. Who asks again for what was done hears that it was done all the same.
    Refused(Refusal),
}

/// Where a stamp is found once it is spent.
pub(super) fn key(stamp: &Stamp) -> RowKey {
    RowKey::of(&[&stamp.nonce[..KEY_BYTES]])
}

impl<S: Store> Engine<S> {
    /// Whether what is shown pays. Changes nothing.
    pub fn may_pay(&self, paid: &Paid) -> Result<(), Refusal> {
        match paid {
            Paid::Free => Ok(()),
            Paid::Refused(refusal) => Err(refusal.clone()),
            Paid::Stamp { table, key } => {
                if self.row(*table, key)?.is_some() {
                    return Err(Refusal::never(RefusalCode::StampSpent, "this stamp has paid for something else"));
                }
                Ok(())
            }
        }
    }

    /// Stages that it is paid: to be called with what it pays for, once that is sure.
    pub fn pay(&mut self, paid: Paid) {
        if let Paid::Stamp { table, key } = paid {
            self.put_bytes(table, &key, Bytes::new());
        }
    }
}
