//! A place for files on their way, in memory. Clones are handles to the same: it outlives a program that dies.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    io,
    rc::Rc,
};

use alcyon_client::FileRoom;

/// The place.
#[derive(Debug, Clone, Default)]
pub struct MemoryRoom {
    files: Rc<RefCell<BTreeMap<String, Vec<u8>>>>,
    limit: Rc<Cell<Option<usize>>>,
}

impl MemoryRoom {
    /// From here on it takes no more than so many bytes in all, as a disk does.
    pub fn limit(&self, bytes: Option<usize>) {
        self.limit.set(bytes);
    }

    /// Changes a byte of every file there is.
    pub fn damage(&self) {
        for bytes in self.files.borrow_mut().values_mut() {
            let middle = bytes.len() / 2;
            if let Some(byte) = bytes.get_mut(middle) {
                *byte ^= 1;
            }
        }
    }
}

impl FileRoom for MemoryRoom {
    fn read(&self, name: &str, at: u64, length: usize) -> io::Result<Vec<u8>> {
        let files = self.files.borrow();
        let bytes = files.get(name).ok_or(io::ErrorKind::NotFound)?;
        let at = usize::try_from(at).map_err(io::Error::other)?.min(bytes.len());
        Ok(bytes[at..(at + length).min(bytes.len())].to_vec())
    }

    fn write(&self, name: &str, at: u64, bytes: &[u8]) -> io::Result<()> {
        let mut files = self.files.borrow_mut();
        let held: usize = files.values().map(Vec::len).sum();
        let file = files.entry(name.to_owned()).or_default();
        let at = usize::try_from(at).map_err(io::Error::other)?;
        let more = (at + bytes.len()).saturating_sub(file.len());
        if self.limit.get().is_some_and(|limit| held + more > limit) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        if more > 0 {
            file.resize(at + bytes.len(), 0);
        }
        file[at..at + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn sync(&self, _name: &str) -> io::Result<()> {
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.files.borrow_mut().remove(name);
        Ok(())
    }

    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.files.borrow().keys().cloned().collect())
    }
}
