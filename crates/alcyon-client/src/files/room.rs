use std::{
    future::poll_fn,
    io::{self, Read, Write},
    task::Poll,
};

/// Chunks that are sealed or opened before others get their turn on this thread: some four mebibytes, a few milliseconds.
pub(super) const AT_A_TIME: u32 = 64;

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

/// Everybody else on this thread gets a turn.
pub(super) async fn let_others() {
    let mut waited = false;
    poll_fn(|context| {
        if std::mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
