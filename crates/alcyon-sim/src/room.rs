//! A place for files on their way, in memory. Clones are handles to the same: it outlives a program that dies.

use std::{cell::RefCell, collections::BTreeMap, io, rc::Rc};

use alcyon_client::FileRoom;

/// The place.
#[derive(Debug, Clone, Default)]
pub struct MemoryRoom(Rc<RefCell<BTreeMap<String, Vec<u8>>>>);

impl MemoryRoom {
    /// Changes a byte of every file there is.
    pub fn damage(&self) {
        for bytes in self.0.borrow_mut().values_mut() {
            let middle = bytes.len() / 2;
            if let Some(byte) = bytes.get_mut(middle) {
                *byte ^= 1;
            }
        }
    }
}

impl FileRoom for MemoryRoom {
    fn read(&self, name: &str, at: u64, length: usize) -> io::Result<Vec<u8>> {
        let files = self.0.borrow();
        let bytes = files.get(name).ok_or(io::ErrorKind::NotFound)?;
        let at = usize::try_from(at).map_err(io::Error::other)?.min(bytes.len());
        Ok(bytes[at..(at + length).min(bytes.len())].to_vec())
    }

    fn write(&self, name: &str, at: u64, bytes: &[u8]) -> io::Result<()> {
        let mut files = self.0.borrow_mut();
        let file = files.entry(name.to_owned()).or_default();
        let at = usize::try_from(at).map_err(io::Error::other)?;
        if file.len() < at + bytes.len() {
            file.resize(at + bytes.len(), 0);
        }
        file[at..at + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn sync(&self, _name: &str) -> io::Result<()> {
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.0.borrow_mut().remove(name);
        Ok(())
    }

    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.0.borrow().keys().cloned().collect())
    }
}
