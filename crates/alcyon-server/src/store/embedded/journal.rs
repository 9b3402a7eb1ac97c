//! What was committed and does not lie in the tables yet, on the disk: one record for each batch, flushed before anybody is answered.
//!
//! Files are written over in place, again and again: a flush then has nothing to tell the file system, neither a size nor
//! blocks, and waits for these bytes alone. Where a file grows, the flush waits for what the file system writes down
//! together with that, which is everything else that was written to other files: tens of megabytes while a table is put down.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;

use super::{
    io_error_of,
    record::{self, FileHead, HEAD_BYTES, RECORD_HEAD_BYTES, RowChange},
};
use crate::store::{Batch, StoreError};

/// A file grows by what it has, within these bounds, until it need not grow any more.
const GROWS_BY: std::ops::RangeInclusive<u64> = (1 << 20)..=(16 << 20);

pub(super) struct Journal {
    folder: PathBuf,
    files: Vec<JournalFile>,
    /// Which of the files is written to.
    at: usize,
    /// Where the next record goes.
    position: u64,
    /// How many records this generation has.
    records: u64,
    /// A record may stand behind the last one that nobody was told of.
    in_doubt: bool,
}

struct JournalFile {
    file: Arc<File>,
    head: FileHead,
    /// Up to here every block was written once.
    grown: u64,
    /// Up to here there may be something else than zeros behind its head.
    used: u64,
}

/// Files whose rows lie in the tables.
pub(super) struct Settled(Vec<(Arc<File>, FileHead)>);

impl Journal {
    /// Opens the folder, or makes it; and the records that it holds, oldest first. The next record goes to a generation of its own.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] where a record is missing of which somebody may have been told: the disk has lost something.
    pub(super) fn open(folder: &Path) -> Result<(Self, Vec<Bytes>), StoreError> {
        fs::create_dir_all(folder)?;
        let mut journal = Self { folder: folder.to_owned(), files: Vec::new(), at: 0, position: HEAD_BYTES, records: 0, in_doubt: false };
        let mut in_use = BTreeMap::new();
        while let Some(file) = journal.open_file(journal.files.len())? {
            let mut front = Vec::new();
            (&file).take(HEAD_BYTES).read_to_end(&mut front)?;
            let head = match FileHead::decode(&front) {
                Some(head) => head,
                // It was made, and never begun.
                None if front.iter().all(|byte| *byte == 0) => NEVER_USED,
                None => return Err(CORRUPT),
            };
            let grown = file.metadata()?.len();
            if head.in_use {
                let content = Bytes::from(fs::read(journal.path(journal.files.len()))?);
                if in_use.insert(head.generation, (head, content)).is_some() {
                    return Err(CORRUPT);
                }
            }
            journal.files.push(JournalFile { file: Arc::new(file), head, grown, used: grown });
        }
        let records = replay(&in_use)?;
        journal.records = records.last().map_or(0, |(_, count)| *count);
        journal.turn()?;
        Ok((journal, records.into_iter().flat_map(|(records, _)| records).collect()))
    }

    /// Writes a batch, durable when this returns. What comes back are the bytes of its record, and its changes, which share their memory.
    ///
    /// # Errors
    ///
    /// Afterwards it is not known whether it is there, until [`Self::recover`] has taken it back.
    pub(super) fn append(&mut self, batch: &Batch) -> Result<(usize, Vec<RowChange>), StoreError> {
        if self.in_doubt {
            return Err(StoreError::Stopped);
        }
        let record = record::encode(self.head().mark, self.records, batch);
        let (record, changes) = record
            .and_then(|record| record::changes(&record).map(|changes| (record, changes)))
            .ok_or_else(|| StoreError::Engine("a batch is larger than a record can be".to_owned()))?;
        self.in_doubt = true;
        let end = self.position + record.len() as u64;
        self.grow(end).map_err(io_error_of)?;
        self.files[self.at].used = self.files[self.at].used.max(end);
        self.write(self.position, &record).map_err(io_error_of)?;
        self.in_doubt = false;
        self.position = end;
        self.records += 1;
        Ok((record.len(), changes))
    }

    /// As [`Self::append`], where the disk has written it all and says that it has not.
    #[cfg(test)]
    pub(super) fn fail_after_writing(&mut self, batch: &Batch) {
        let (position, records) = (self.position, self.records);
        let _written = self.append(batch);
        (self.position, self.records, self.in_doubt) = (position, records, true);
    }

    /// Takes back what a failed [`Self::append`] may have left.
    pub(super) fn recover(&mut self) -> Result<(), StoreError> {
        if self.in_doubt {
            if self.position < self.files[self.at].grown {
                self.write(self.position, &[0; RECORD_HEAD_BYTES]).map_err(io_error_of)?;
            }
            self.in_doubt = false;
        }
        Ok(())
    }

    /// Begins another file, and says which generation ends so.
    ///
    /// # Errors
    ///
    /// What is written next goes to the same file as before. [`StoreError::Stopped`] until a failed [`Self::append`] was taken back there.
    pub(super) fn turn(&mut self) -> Result<u64, StoreError> {
        if self.in_doubt {
            return Err(StoreError::Stopped);
        }
        let ends = self.files.iter().map(|file| file.head.generation).max().unwrap_or(0);
        let mut mark = [0; 8];
        getrandom::fill(&mut mark).map_err(|error| StoreError::Engine(error.to_string()))?;
        let head = FileHead { generation: ends + 1, mark: u64::from_le_bytes(mark), records_before: self.records, in_use: true };
        let free = match self.files.iter().position(|file| !file.head.in_use) {
            Some(free) => free,
            None => {
                let file = File::options().read(true).write(true).create_new(true).open(self.path(self.files.len()))?;
                File::open(&self.folder)?.sync_all()?;
                self.files.push(JournalFile { file: Arc::new(file), head: NEVER_USED, grown: 0, used: 0 });
                self.files.len() - 1
            }
        };
        let before = std::mem::replace(&mut self.at, free);
        let begun = self.grow(HEAD_BYTES).and_then(|()| write_at(&self.files[free].file, 0, &head.encode()));
        if let Err(error) = begun {
            self.at = before;
            return Err(io_error_of(error));
        }
        self.files[free].head = head;
        self.position = HEAD_BYTES;
        self.records = 0;
        Ok(ends)
    }

    /// The files up to this generation, to be given back by [`Settled::release`].
    pub(super) fn settled(&self, until: u64) -> Settled {
        let files = self.files.iter().filter(|file| file.head.in_use && file.head.generation <= until);
        let mut files: Vec<_> = files.map(|file| (file.file.clone(), FileHead { in_use: false, ..file.head })).collect();
        files.sort_by_key(|(_, head)| head.generation);
        Settled(files)
    }

    /// They may be written over from now on.
    pub(super) fn released(&mut self, settled: &Settled) {
        for (_, head) in &settled.0 {
            for file in self.files.iter_mut().filter(|file| file.head.generation == head.generation) {
                file.head.in_use = false;
            }
        }
    }

    /// Of the file that is written to.
    pub(super) fn generation(&self) -> u64 {
        self.head().generation
    }

    /// Overwrites all that nothing needs any more: what was removed from the tables should not stay there.
    pub(super) fn wipe(&mut self) -> io::Result<()> {
        for (number, JournalFile { file, head, used, .. }) in self.files.iter_mut().enumerate() {
            let needed = match head.in_use {
                false => HEAD_BYTES,
                true if number == self.at => self.position,
                true => continue,
            };
            write_zeros(file, needed, *used)?;
            *used = needed;
        }
        Ok(())
    }

    fn head(&self) -> FileHead {
        self.files[self.at].head
    }

    fn path(&self, number: usize) -> PathBuf {
        self.folder.join(number.to_string())
    }

    fn open_file(&self, number: usize) -> Result<Option<File>, StoreError> {
        match File::options().read(true).write(true).open(self.path(number)) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn write(&self, position: u64, bytes: &[u8]) -> io::Result<()> {
        write_at(&self.files[self.at].file, position, bytes)
    }

    /// Makes room up to there, by writing it.
    fn grow(&mut self, until: u64) -> io::Result<()> {
        let JournalFile { file, grown, .. } = &mut self.files[self.at];
        while *grown < until {
            let more = (*grown).clamp(*GROWS_BY.start(), *GROWS_BY.end());
            write_zeros(file, *grown, *grown + more)?;
            file.sync_all()?;
            *grown += more;
        }
        Ok(())
    }
}

impl Settled {
    /// Says so on the disk, the oldest first.
    pub(super) fn release(&self) -> io::Result<()> {
        self.0.iter().try_for_each(|(file, head)| write_at(file, 0, &head.encode()))
    }
}

pub(super) const CORRUPT: StoreError = StoreError::Corrupt { table: "journal" };
const NEVER_USED: FileHead = FileHead { generation: 0, mark: 0, records_before: 0, in_use: false };

/// The records of each generation, and how many they are.
fn replay(in_use: &BTreeMap<u64, (FileHead, Bytes)>) -> Result<Vec<(Vec<Bytes>, u64)>, StoreError> {
    let mut generations: Vec<(Vec<Bytes>, u64)> = Vec::new();
    let mut before = None;
    for (generation, (head, content)) in in_use {
        if let (Some(before), Some((_, count))) = (before, generations.last())
            && (before + 1 != *generation || head.records_before > *count)
        {
            return Err(CORRUPT);
        }
        before = Some(*generation);
        let mut rest = content.slice(usize::try_from(HEAD_BYTES).unwrap_or(usize::MAX).min(content.len())..);
        let mut records = Vec::new();
        while let Some((number, record)) = record::record_at(head.mark, &rest)
            && number == records.len() as u64
        {
            rest = rest.slice(record.len()..);
            records.push(record);
        }
        // A record is flushed before the next is written: behind one that was cut off there is none.
        if record::has_later(head.mark, records.len() as u64, &rest) {
            return Err(CORRUPT);
        }
        let count = records.len() as u64;
        generations.push((records, count));
    }
    Ok(generations)
}

fn write_at(mut file: &File, position: u64, bytes: &[u8]) -> io::Result<()> {
    file.seek(SeekFrom::Start(position))?;
    file.write_all(bytes)?;
    file.sync_data()
}

fn write_zeros(mut file: &File, from: u64, until: u64) -> io::Result<()> {
    file.seek(SeekFrom::Start(from))?;
    io::copy(&mut io::repeat(0).take(until.saturating_sub(from)), &mut file)?;
    file.sync_data()
}
