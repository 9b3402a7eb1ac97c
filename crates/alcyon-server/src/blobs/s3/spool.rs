//! Uploads under way, on this machine's disk: what is known of each, and those bytes of it that S3 does not have yet.
//!
//! `ID.json` is the record, replaced as a whole; `ID.N` holds what is here of part N. A part is removed when the record says that S3
//! has it. Bytes behind the record's offset do not count.

use std::{
    fs::{self, DirBuilder, File},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use alcyon_wire::BlobId;
use serde::{Deserialize, Serialize};

const RECORD: &str = "json";
/// A record that is being written.
const NEW: &str = "new";

/// What is known of an upload under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    /// Bytes it will have.
    pub(super) length: u64,
    /// Of which so many are durable, here or there. All of them: only the last calls to S3 are missing.
    pub(super) offset: u64,
    /// When that last changed, Unix milliseconds.
    pub(super) changed_ms: u64,
    /// How S3 calls it, if it is in parts.
    pub(super) upload: Option<String>,
    /// What S3 called the parts that it has.
    pub(super) parts: Vec<String>,
    /// S3 has thrown the parts away. The upload waits for its end.
    pub(super) lost: bool,
}

pub(super) struct Spool {
    root: PathBuf,
    part: u64,
}

impl Spool {
    /// Opens the directory, or makes it, and removes what no record speaks of.
    pub(super) fn open(root: &Path, part: u64) -> Result<Self, io::Error> {
        DirBuilder::new().recursive(true).mode(0o700).create(root)?;
        for file in fs::read_dir(root)? {
            let path = file?.path();
            if path.extension().is_some_and(|end| end != RECORD) && (has_end(&path, NEW) || !path.with_extension(RECORD).exists()) {
                fs::remove_file(path)?;
            }
        }
        let spool = Self { root: root.to_owned(), part };
        spool.sync_names()?;
        Ok(spool)
    }

    /// Every upload.
    pub(super) fn ids(&self) -> Result<Vec<BlobId>, io::Error> {
        let mut ids = Vec::new();
        for file in fs::read_dir(&self.root)? {
            let path = file?.path();
            if has_end(&path, RECORD)
                && let Some(name) = path.file_stem().and_then(|name| name.to_str())
                && let Ok(id) = BlobId::from_text(name, "name")
            {
                ids.push(id);
            }
        }
        Ok(ids)
    }

    pub(super) fn has(&self, id: BlobId) -> bool {
        self.file(id, RECORD).exists()
    }

    pub(super) fn load(&self, id: BlobId) -> Result<Option<Record>, io::Error> {
        match fs::read(self.file(id, RECORD)) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Durable when it returns; a crash leaves the old one or the new one.
    pub(super) fn save(&self, id: BlobId, record: &Record) -> Result<(), io::Error> {
        let new = self.file(id, NEW);
        let mut file = File::options().create(true).truncate(true).write(true).mode(0o600).open(&new)?;
        file.write_all(&serde_json::to_vec(record)?)?;
        file.sync_all()?;
        fs::rename(new, self.file(id, RECORD))?;
        self.sync_names()
    }

    /// Writes bytes into the parts they belong to; not durable.
    pub(super) fn write(&self, id: BlobId, mut at: u64, mut bytes: &[u8]) -> Result<(), io::Error> {
        while !bytes.is_empty() {
            let within = at % self.part;
            let length = usize::try_from(self.part - within).map_or(bytes.len(), |room| room.min(bytes.len()));
            let (now, rest) = bytes.split_at(length);
            let file = File::options().create(true).truncate(false).write(true).mode(0o600).open(self.part(id, at / self.part))?;
            file.write_all_at(now, within)?;
            (at, bytes) = (at + length as u64, rest);
        }
        Ok(())
    }

    /// Up to where bytes have been written without a gap, from a place where they are.
    pub(super) fn end(&self, id: BlobId, from: u64) -> Result<u64, io::Error> {
        let mut part = from / self.part;
        loop {
            let length = match fs::metadata(self.part(id, part)) {
                Ok(metadata) => metadata.len(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
                Err(error) => return Err(error),
            };
            if length < self.part {
                return Ok(from.max(part * self.part + length));
            }
            part += 1;
        }
    }

    /// Makes durable what was written there.
    pub(super) fn sync(&self, id: BlobId, from: u64, to: u64) -> Result<(), io::Error> {
        for part in from / self.part..to.div_ceil(self.part) {
            File::open(self.part(id, part))?.sync_all()?;
        }
        self.sync_names()
    }

    /// The file of a part, counted from 0.
    pub(super) fn part(&self, id: BlobId, part: u64) -> PathBuf {
        self.file(id, &part.to_string())
    }

    pub(super) fn remove_part(&self, id: BlobId, part: u64) -> Result<(), io::Error> {
        remove_if_there(&self.part(id, part))
    }

    /// Removes record and parts, the record first: without it the rest is nothing.
    pub(super) fn remove(&self, id: BlobId, record: &Record) -> Result<(), io::Error> {
        remove_if_there(&self.file(id, RECORD))?;
        self.sync_names()?;
        // Those that S3 has may have been left by a crash.
        for part in 0..record.length.div_ceil(self.part) {
            self.remove_part(id, part)?;
        }
        Ok(())
    }

    pub(super) fn free_bytes(&self) -> Result<u64, io::Error> {
        fs4::available_space(&self.root)
    }

    fn file(&self, id: BlobId, end: &str) -> PathBuf {
        self.root.join(format!("{}.{end}", id.to_text()))
    }

    fn sync_names(&self) -> Result<(), io::Error> {
        File::open(&self.root)?.sync_all()
    }
}

fn has_end(path: &Path, end: &str) -> bool {
    path.extension().is_some_and(|found| found == end)
}

fn remove_if_there(path: &Path) -> Result<(), io::Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
