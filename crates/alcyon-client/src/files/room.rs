use std::io::{self, Read, Write};

/// Where sealed files lie on this device while they are on their way. A name is 32 letters and digits, chosen by the core.
///
/// The calls are short, a few mebibytes at most, and made from the thread that everything else runs on.
pub trait FileRoom {
    /// So many bytes from there; fewer only at the end.
    fn read(&self, name: &str, at: u64, length: usize) -> io::Result<Vec<u8>>;

    /// Puts bytes there. The file comes to be with its first byte.
    fn write(&self, name: &str, at: u64, bytes: &[u8]) -> io::Result<()>;

    /// From here on what was written survives a power cut.
    fn sync(&self, name: &str) -> io::Result<()>;

    /// Removes it; one that is not there is no error.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// The names of all there are.
    fn names(&self) -> io::Result<Vec<String>>;
}

/// One file of a room from its beginning, as the standard library likes it.
pub(crate) struct InRoom<'a, R: FileRoom + ?Sized> {
    pub(crate) room: &'a R,
    pub(crate) name: &'a str,
    pub(crate) at: u64,
}

impl<R: FileRoom + ?Sized> Read for InRoom<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.room.read(self.name, self.at, buffer.len())?;
        buffer.get_mut(..bytes.len()).ok_or(io::ErrorKind::InvalidData)?.copy_from_slice(&bytes);
        self.at += bytes.len() as u64;
        Ok(bytes.len())
    }
}

impl<R: FileRoom + ?Sized> Write for InRoom<'_, R> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.room.write(self.name, self.at, bytes)?;
        self.at += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
