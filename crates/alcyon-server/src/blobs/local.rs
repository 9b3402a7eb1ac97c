use std::{
    fs::{self, DirBuilder, File},
    io::{self, Read},
    os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use alcyon_wire::BlobId;
use bytes::Bytes;

use super::{BlobError, BlobState, BlobStore, Swept};
use crate::logs::DAY_MS;

/// Uploads under way, below the root.
const UNFINISHED: &str = "unfinished";
/// Appended to the name of an upload: its length and how much of it is durable, 8 bytes each, big-endian.
const STATE: &str = ".state";
/// Uploads that are written to at the same time seldom wait for each other.
const LOCKS: usize = 64;

/// Blobs in a directory, a file each.
///
/// An upload lies in `unfinished/ID`, its state beside it; the state moves on after the bytes are on the disk, so that after a power
/// cut nothing counts that was not written. Complete, it is moved to `XX/ID`, XX being the first two letters of the id. Its time is
/// kept as a day, and that is all that is known of it besides its size.
pub struct LocalBlobs {
    root: PathBuf,
    locks: [Mutex<()>; LOCKS],
}

impl LocalBlobs {
    /// Opens the directory, or makes it.
    pub fn open(root: &Path) -> Result<Self, io::Error> {
        DirBuilder::new().recursive(true).mode(0o700).create(root.join(UNFINISHED))?;
        sync_folder(root)?;
        Ok(Self { root: root.to_owned(), locks: std::array::from_fn(|_| Mutex::default()) })
    }

    fn lock(&self, id: BlobId) -> MutexGuard<'_, ()> {
        self.locks[usize::from(id.as_bytes()[0]) % LOCKS].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unfinished(&self, id: BlobId) -> PathBuf {
        self.root.join(UNFINISHED).join(id.to_text())
    }

    fn state_file(&self, id: BlobId) -> PathBuf {
        self.root.join(UNFINISHED).join(id.to_text() + STATE)
    }

    fn complete(&self, id: BlobId) -> PathBuf {
        let name = id.to_text();
        self.root.join(&name[..2]).join(name)
    }

    fn unfinished_state(&self, id: BlobId) -> Result<Option<BlobState>, BlobError> {
        let mut bytes = Vec::new();
        match File::open(self.state_file(id)) {
            Ok(file) => file.take(17).read_to_end(&mut bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        Ok(parse_state(&bytes))
    }

    /// Moves a file whose bytes are all durable to where it is read.
    fn finish(&self, id: BlobId, now_ms: u64) -> Result<(), BlobError> {
        let (from, to) = (self.unfinished(id), self.complete(id));
        let folder = to.parent().unwrap_or(&self.root);
        if !folder.exists() {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            sync_folder(&self.root)?;
        }
        File::options().write(true).open(&from)?.set_modified(time_of(now_ms / DAY_MS * DAY_MS))?;
        fs::rename(&from, &to)?;
        sync_folder(folder)?;
        remove_if_there(&self.state_file(id))?;
        Ok(())
    }

    /// Every file below the root: its folder's name, its own, and what the system knows of it.
    fn each(&self, mut work: impl FnMut(&str, &Path, &fs::Metadata) -> Result<(), BlobError>) -> Result<(), BlobError> {
        for folder in fs::read_dir(&self.root)? {
            let folder = folder?;
            if !folder.file_type()?.is_dir() {
                continue;
            }
            let name = folder.file_name();
            for file in fs::read_dir(folder.path())? {
                let path = file?.path();
                match fs::metadata(&path) {
                    Ok(metadata) => work(&name.to_string_lossy(), &path, &metadata)?,
                    // Finished or deleted meanwhile.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }
}

impl BlobStore for LocalBlobs {
    fn create(&self, id: BlobId, length: u64, now_ms: u64) -> Result<(), BlobError> {
        let _lock = self.lock(id);
        let made = (|| {
            new_file(&self.unfinished(id))?.sync_all()?;
            let state = new_file(&self.state_file(id))?;
            write_state(&state, BlobState { length, offset: 0 }, now_ms)?;
            sync_folder(&self.root.join(UNFINISHED))
        })();
        made.map_err(|error| {
            // What is left of it is found by the sweep, should this fail too.
            let _ = fs::remove_file(self.state_file(id));
            let _ = fs::remove_file(self.unfinished(id));
            error.into()
        })
    }

    fn state(&self, id: BlobId) -> Result<Option<BlobState>, BlobError> {
        let _lock = self.lock(id);
        if let Some(length) = length_of(&self.complete(id))? {
            return Ok(Some(BlobState { length, offset: length }));
        }
        self.unfinished_state(id)
    }

    fn write(&self, id: BlobId, at: u64, bytes: &[u8]) -> Result<(), BlobError> {
        let _lock = self.lock(id);
        let Some(BlobState { length, offset }) = self.unfinished_state(id)? else {
            return Err(length_of(&self.complete(id))?.map_or(BlobError::Unknown, |length| BlobError::Offset { offset: length }));
        };
        if at < offset {
            return Err(BlobError::Offset { offset });
        }
        if at + bytes.len() as u64 > length {
            return Err(BlobError::TooLong { length });
        }
        Ok(File::options().write(true).open(self.unfinished(id))?.write_all_at(bytes, at)?)
    }

    fn advance(&self, id: BlobId, from: u64, to: u64, now_ms: u64) -> Result<BlobState, BlobError> {
        let _lock = self.lock(id);
        let Some(BlobState { length, offset }) = self.unfinished_state(id)? else {
            return Err(length_of(&self.complete(id))?.map_or(BlobError::Unknown, |length| BlobError::Offset { offset: length }));
        };
        let file = File::options().write(true).open(self.unfinished(id))?;
        if offset != from || to < from || to > file.metadata()?.len() {
            return Err(BlobError::Offset { offset });
        }
        file.sync_data()?;
        let state = BlobState { length, offset: to };
        if state.is_complete() {
            self.finish(id, now_ms)?;
        } else {
            write_state(&File::options().write(true).open(self.state_file(id))?, state, now_ms)?;
        }
        Ok(state)
    }

    fn read(&self, id: BlobId, at: u64, length: usize) -> Result<Bytes, BlobError> {
        let file = match File::open(self.complete(id)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(BlobError::Unknown),
            Err(error) => return Err(error.into()),
        };
        let mut bytes = vec![0; length];
        file.read_exact_at(&mut bytes, at)?;
        Ok(bytes.into())
    }

    fn remove(&self, id: BlobId) -> Result<u64, BlobError> {
        let _lock = self.lock(id);
        let complete = self.complete(id);
        if let Some(length) = length_of(&complete)? {
            fs::remove_file(&complete)?;
            sync_folder(complete.parent().unwrap_or(&self.root))?;
            return Ok(length);
        }
        let state = self.unfinished_state(id)?.ok_or(BlobError::Unknown)?;
        remove_if_there(&self.state_file(id))?;
        remove_if_there(&self.unfinished(id))?;
        sync_folder(&self.root.join(UNFINISHED))?;
        Ok(state.length)
    }

    fn sweep(&self, complete_before_ms: u64, unfinished_before_ms: u64) -> Result<Swept, BlobError> {
        let mut swept = Swept::default();
        self.each(|folder, path, metadata| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let changed_ms = ms_of(metadata.modified()?);
            let Ok(id) = BlobId::from_text(name.strip_suffix(STATE).unwrap_or(name), "name") else { return Ok(()) };
            let bytes = if folder != UNFINISHED {
                (changed_ms < complete_before_ms).then(|| self.remove(id))
            } else if changed_ms >= unfinished_before_ms {
                None
            } else if name.ends_with(STATE) {
                Some(self.remove(id))
            } else if self.unfinished_state(id)?.is_none() {
                // Neither begun nor ended: what a crash in `create` leaves.
                remove_if_there(path)?;
                None
            } else {
                None
            };
            match bytes {
                Some(Ok(bytes)) => {
                    swept.blobs += 1;
                    swept.bytes += bytes;
                    Ok(())
                }
                Some(Err(BlobError::Unknown)) | None => Ok(()),
                Some(Err(error)) => Err(error),
            }
        })?;
        Ok(swept)
    }

    fn used_bytes(&self) -> Result<u64, BlobError> {
        let mut used = 0;
        self.each(|folder, path, metadata| {
            if folder != UNFINISHED {
                used += metadata.len();
            } else if path.extension().is_some() {
                used += fs::read(path).ok().and_then(|bytes| parse_state(&bytes)).map_or(0, |state| state.length);
            }
            Ok(())
        })?;
        Ok(used)
    }

    fn free_bytes(&self) -> Result<u64, BlobError> {
        Ok(fs4::available_space(&self.root)?)
    }
}

fn new_file(path: &Path) -> io::Result<File> {
    File::options().create_new(true).write(true).mode(0o600).open(path)
}

/// 16 bytes, within one sector of the disk: they are there or not.
fn write_state(file: &File, BlobState { length, offset }: BlobState, now_ms: u64) -> io::Result<()> {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&length.to_be_bytes());
    bytes[8..].copy_from_slice(&offset.to_be_bytes());
    file.write_all_at(&bytes, 0)?;
    file.set_modified(time_of(now_ms))?;
    file.sync_all()
}

fn parse_state(bytes: &[u8]) -> Option<BlobState> {
    let (length, offset) = bytes.split_at_checked(8)?;
    Some(BlobState { length: u64::from_be_bytes(length.try_into().ok()?), offset: u64::from_be_bytes(offset.try_into().ok()?) })
}

fn length_of(path: &Path) -> Result<Option<u64>, BlobError> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(Some(metadata.len())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn remove_if_there(path: &Path) -> Result<(), BlobError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// So that the names in it are durable too.
fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn time_of(ms: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(ms)
}

fn ms_of(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
