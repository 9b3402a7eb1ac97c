use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use alcyon_client::FileRoom;

/// A folder that holds sealed files on their way, readable by its owner alone.
#[derive(Debug, Clone)]
pub struct FolderRoom(PathBuf);

impl FolderRoom {
    /// In this folder, which is made with the first file.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self(folder.to_owned())
    }

    /// Names come from a database; what is none of ours leads nowhere.
    fn path(&self, name: &str) -> io::Result<PathBuf> {
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        Ok(self.0.join(name))
    }

    fn make(&self) -> io::Result<()> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&self.0)
    }
}

impl FileRoom for FolderRoom {
    fn read(&self, name: &str, at: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut file = File::open(self.path(name)?)?;
        file.seek(SeekFrom::Start(at))?;
        let mut bytes = Vec::with_capacity(length);
        file.take(length as u64).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn write(&self, name: &str, at: u64, bytes: &[u8]) -> io::Result<()> {
        let path = self.path(name)?;
        let open = || {
            let mut options = OpenOptions::new();
            options.create(true).truncate(false).write(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            options.open(&path)
        };
        let mut file = match open() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.make()?;
                open()?
            }
            file => file?,
        };
        file.seek(SeekFrom::Start(at))?;
        file.write_all(bytes)
    }

    fn sync(&self, name: &str) -> io::Result<()> {
        File::open(self.path(name)?)?.sync_all()?;
        // The name, too.
        #[cfg(unix)]
        File::open(&self.0)?.sync_all()?;
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.path(name)?) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn names(&self) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        entries.filter_map(|entry| entry.map(|entry| entry.file_name().into_string().ok()).transpose()).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn files_come_and_go_and_no_name_leads_out() {
        let folder = tempfile::tempdir().unwrap();
        let room = FolderRoom::new(&folder.path().join("files"));
        assert_eq!(room.names().unwrap(), Vec::<String>::new());
        room.write("abc", 0, b"hello").unwrap();
        room.write("abc", 5, b" sea").unwrap();
        room.sync("abc").unwrap();
        assert_eq!(room.read("abc", 3, 100).unwrap(), b"lo sea");
        assert_eq!(room.names().unwrap(), ["abc"]);
        for name in ["", "..", "../x", "a/b", "a.b", "é"] {
            assert!(room.write(name, 0, b"x").is_err(), "{name}");
        }
        room.remove("abc").unwrap();
        room.remove("abc").unwrap();
        assert!(room.read("abc", 0, 1).is_err());
    }
}
