//! Which keys a table may hold, in little memory: a Bloom filter in blocks of a cache line (Putze, Sanders and Singler, 2007).
//!
//! Every entry is looked for under its id before it is taken, and nearly none is there: each such look would go through all sorted tables
//! of a month, and wait whenever the engine changes what these are.

use xxhash_rust::xxh3::xxh3_128;

use crate::store::RowKey;

/// Keys of the first filter.
const FIRST_KEYS: usize = 32 * 1024;
/// Each further one takes so many times as many as the one before: a key is looked for in all of them, and each is wrong now and then.
const GROWTH: usize = 4;
/// With seven bits of a block for each key, two full filters were together wrong for one of 530 keys that are not there (twelve and six: each for
/// one of 150).
/// A look in vain goes through every sorted table that was not merged yet: hundreds of them on a server under full load.
const BITS_PER_KEY: usize = 16;
const BITS_SET: u32 = 7;
const BLOCK_KEYS: usize = 8 * size_of::<Block>() / BITS_PER_KEY;
type Block = [u64; 8];

/// Keys that were put in; it never says of one of these that it is not there.
pub(super) struct KnownKeys {
    filters: Vec<Filter>,
    most_bytes: usize,
    /// From this one on the table may have keys that were not put in yet.
    lacks_from: Option<RowKey>,
}

struct Filter {
    blocks: Vec<Block>,
    free: usize,
}

impl KnownKeys {
    /// Of an empty table, in so many bytes or those that the first filter takes; the last one takes what comes then, and is wrong more often.
    pub(super) fn within(most_bytes: usize) -> Self {
        Self { filters: Vec::new(), most_bytes, lacks_from: None }
    }

    /// Of a table that has keys, which are put in one by one and in their order.
    pub(super) fn of_what_is_there(self) -> Self {
        Self { lacks_from: Some(RowKey::of(&[])), ..self }
    }

    /// All that the table has before this one was put in, or all of it.
    pub(super) fn lacks_from(&mut self, first: Option<RowKey>) {
        self.lacks_from = first;
    }

    pub(super) fn put(&mut self, key: &[u8]) {
        if self.filters.last().is_none_or(|last| last.free == 0) {
            self.begin_another();
        }
        if let Some(last) = self.filters.last_mut() {
            let place = Place::of(key);
            let block = place.block(last.blocks.len());
            for (word, bits) in last.blocks[block].iter_mut().zip(place.bits) {
                *word |= bits;
            }
            last.free = last.free.saturating_sub(1);
        }
    }

    pub(super) fn may_hold(&self, key: &[u8]) -> bool {
        let place = Place::of(key);
        self.lacks_from.as_deref().is_some_and(|first| key >= first)
            || self.filters.iter().rev().any(|filter| {
                let words = &filter.blocks[place.block(filter.blocks.len())];
                words.iter().zip(place.bits).all(|(word, bits)| word & bits == bits)
            })
    }

    /// As large as it should be, or as there is room for.
    fn begin_another(&mut self) {
        let taken: usize = self.filters.iter().map(|filter| filter.blocks.len()).sum();
        let wanted = self.filters.last().map_or(FIRST_KEYS / BLOCK_KEYS, |last| last.blocks.len() * GROWTH);
        let room = (self.most_bytes / size_of::<Block>()).saturating_sub(taken);
        let blocks = if taken == 0 { wanted } else { wanted.min(room) };
        if blocks > 0 {
            self.filters.push(Filter { blocks: vec![Block::default(); blocks], free: blocks * BLOCK_KEYS });
        }
    }
}

/// Where a key belongs in filters of any size.
struct Place {
    high: u64,
    bits: Block,
}

impl Place {
    fn of(key: &[u8]) -> Self {
        let hash = xxh3_128(key);
        let [high, low] = [hash >> 64, hash & u128::from(u64::MAX)].map(|half| u64::try_from(half).unwrap_or(0));
        let mut bits = Block::default();
        for nth in 0..BITS_SET {
            let bit = (low >> (nth * 9)) & 511;
            bits[usize::try_from(bit / 64).unwrap_or(0)] |= 1 << (bit % 64);
        }
        Self { high, bits }
    }

    fn block(&self, blocks: usize) -> usize {
        usize::try_from((u128::from(self.high) * blocks as u128) >> 64).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_in_is_there_and_nearly_nothing_else() {
        let keys = (1 + GROWTH) * FIRST_KEYS;
        let mut known = KnownKeys::within(1 << 20);
        assert!(!known.may_hold(b"a"));
        for n in 0..keys {
            known.put(&n.to_be_bytes());
        }
        assert!((0..keys).all(|n| known.may_hold(&n.to_be_bytes())));
        let wrong = (keys..2 * keys).filter(|n| known.may_hold(&n.to_be_bytes())).count();
        assert_eq!(known.filters.len(), 2);
        assert!(wrong < keys / 200, "two filters, each wrong for one key of 500: {wrong}");
    }

    #[test]
    fn it_uses_the_room_that_it_has() {
        let first = FIRST_KEYS * BITS_PER_KEY / 8;
        let mut known = KnownKeys::within(first * 2);
        for n in 0..3 * FIRST_KEYS {
            known.put(&n.to_be_bytes());
        }
        assert_eq!(known.filters.iter().map(|filter| filter.blocks.len() * size_of::<Block>()).collect::<Vec<_>>(), [first, first]);
    }

    #[test]
    fn it_has_an_end_and_holds_all_beyond_it() {
        let mut known = KnownKeys::within(0);
        for n in 0..2 * FIRST_KEYS {
            known.put(&n.to_be_bytes());
        }
        assert_eq!(known.filters.len(), 1);
        assert!((0..2 * FIRST_KEYS).all(|n| known.may_hold(&n.to_be_bytes())));
    }

    #[test]
    fn of_what_was_not_read_yet_nothing_is_known() {
        let mut known = KnownKeys::within(0).of_what_is_there();
        known.put(b"a");
        assert!(known.may_hold(b"b"));
        known.lacks_from(Some(RowKey::of(&[b"c"])));
        assert!(known.may_hold(b"a"));
        assert!(!known.may_hold(b"b"));
        assert!(known.may_hold(b"c"));
        assert!(known.may_hold(b"d"));
        known.lacks_from(None);
        assert!(known.may_hold(b"a"));
        assert!(!known.may_hold(b"d"));
    }
}
