//! Sealed files on their way, in the origin private file system.
//!
//! A browser opens a file only while one waits, and reads and writes an open one at once. So all of them are open for as long as
//! the profile is, and some more, which stand empty until a file wants one. Whose it is stands at its beginning.

use std::{cell::RefCell, io, rc::Rc};

use alcyon_client::FileRoom;
use futures::lock::Mutex;
use js_sys::futures::{JsFuture, spawn_local};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{
    DedicatedWorkerGlobalScope, FileSystemDirectoryHandle, FileSystemFileHandle, FileSystemGetDirectoryOptions, FileSystemGetFileOptions,
    FileSystemReadWriteOptions, FileSystemSyncAccessHandle,
};

/// Above the profiles' folders. No profile is called that.
const FOLDER: &str = ".files";
/// Bytes of a name, which stands before what is in the file.
const NAME: usize = 32;
/// Files that stand empty. Each that is sealed or fetched takes one, and others are opened in its place at once.
const SPARE: usize = 4;

/// Where sealed files of a profile lie in a browser.
#[derive(Clone)]
pub(crate) struct BrowserRoom(Rc<Inner>);

struct Inner {
    folder: FileSystemDirectoryHandle,
    /// By number: the file is called that.
    slots: RefCell<Vec<Slot>>,
    /// Whoever opens more of them.
    opening: Mutex<()>,
}

struct Slot {
    file: FileSystemSyncAccessHandle,
    /// `None`: it stands empty.
    name: Option<String>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.file.close();
    }
}

impl BrowserRoom {
    /// Opens what is there. An error says that the browser does not let this Worker do so: another one may hold it.
    pub(crate) async fn open(profile: &str) -> io::Result<Self> {
        let storage = js_sys::global().unchecked_into::<DedicatedWorkerGlobalScope>().navigator().storage();
        let mut folder: FileSystemDirectoryHandle = waited(storage.get_directory().into()).await?;
        for name in [FOLDER, profile] {
            let create = FileSystemGetDirectoryOptions::new();
            create.set_create(true);
            folder = waited(folder.get_directory_handle_with_options(name, &create).into()).await?;
        }
        let room = Self(Rc::new(Inner { folder, slots: RefCell::default(), opening: Mutex::new(()) }));
        // They are numbered without a gap.
        while let Some(slot) = room.0.open_slot(false).await? {
            room.0.slots.borrow_mut().push(slot);
        }
        room.fill().await?;
        Ok(room)
    }

    /// Sees to it that files can come to be.
    pub(crate) async fn fill(&self) -> io::Result<()> {
        let _opening = self.0.opening.lock().await;
        while self.0.slots.borrow().iter().filter(|slot| slot.name.is_none()).count() < SPARE {
            let slot = self.0.open_slot(true).await?.ok_or(io::ErrorKind::NotFound)?;
            self.0.slots.borrow_mut().push(slot);
        }
        Ok(())
    }

    fn with<R>(&self, name: &str, act: impl FnOnce(&FileSystemSyncAccessHandle) -> io::Result<R>) -> io::Result<R> {
        let slots = self.0.slots.borrow();
        act(&slots.iter().find(|slot| slot.name.as_deref() == Some(name)).ok_or(io::ErrorKind::NotFound)?.file)
    }

    /// The name that a file has from here on, if there is none of that name.
    fn take(&self, name: &str) -> io::Result<()> {
        if name.len() != NAME || !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut slots = self.0.slots.borrow_mut();
        if slots.iter().any(|slot| slot.name.as_deref() == Some(name)) {
            return Ok(());
        }
        let slot = slots.iter_mut().find(|slot| slot.name.is_none()).ok_or(io::ErrorKind::ResourceBusy)?;
        write_at(&slot.file, 0, name.as_bytes())?;
        slot.name = Some(name.to_owned());
        let room = self.clone();
        // Whoever finds none later is told so.
        spawn_local(async move { drop(room.fill().await) });
        Ok(())
    }
}

impl Inner {
    /// The next one by number; `None` if there is none and none is to be made.
    async fn open_slot(&self, create: bool) -> io::Result<Option<Slot>> {
        let number = self.slots.borrow().len().to_string();
        let options = FileSystemGetFileOptions::new();
        options.set_create(create);
        let file: FileSystemFileHandle = match waited(self.folder.get_file_handle_with_options(&number, &options).into()).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let file: FileSystemSyncAccessHandle = waited(file.create_sync_access_handle().into()).await?;
        let mut slot = Slot { file, name: None };
        let name = read_at(&slot.file, 0, NAME)?;
        // One whose name was not written to its end stands empty, and is written over.
        slot.name = String::from_utf8(name).ok().filter(|name| name.len() == NAME);
        Ok(Some(slot))
    }
}

impl FileRoom for BrowserRoom {
    fn read(&self, name: &str, at: u64, length: usize) -> io::Result<Vec<u8>> {
        self.with(name, |file| read_at(file, NAME as u64 + at, length))
    }

    fn write(&self, name: &str, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.take(name)?;
        self.with(name, |file| write_at(file, NAME as u64 + at, bytes))
    }

    fn sync(&self, name: &str) -> io::Result<()> {
        self.with(name, |file| file.flush().map_err(|error| why(&error)))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut slots = self.0.slots.borrow_mut();
        let Some(slot) = slots.iter_mut().find(|slot| slot.name.as_deref() == Some(name)) else { return Ok(()) };
        slot.file.truncate_with_u32(0).map_err(|error| why(&error))?;
        slot.name = None;
        slot.file.flush().map_err(|error| why(&error))
    }

    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.0.slots.borrow().iter().filter_map(|slot| slot.name.clone()).collect())
    }
}

fn place(at: u64) -> FileSystemReadWriteOptions {
    let options = FileSystemReadWriteOptions::new();
    options.set_at(at as f64);
    options
}

fn read_at(file: &FileSystemSyncAccessHandle, at: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    let read = file.read_with_u8_array_and_options(&mut bytes, &place(at)).map_err(|error| why(&error))?;
    bytes.truncate(read as usize);
    Ok(bytes)
}

fn write_at(file: &FileSystemSyncAccessHandle, at: u64, bytes: &[u8]) -> io::Result<()> {
    let written = file.write_with_u8_array_and_options(bytes, &place(at)).map_err(|error| why(&error))?;
    // A full disk may take a part.
    if written as usize == bytes.len() { Ok(()) } else { Err(io::ErrorKind::StorageFull.into()) }
}

async fn waited<T: JsCast>(promise: JsFuture) -> io::Result<T> {
    promise.await.map(JsCast::unchecked_into).map_err(|error| why(&error))
}

/// What the browser has thrown.
pub(crate) fn why(error: &JsValue) -> io::Error {
    let name = js_sys::Reflect::get(error, &"name".into()).ok().and_then(|name| name.as_string()).unwrap_or_default();
    let kind = match name.as_str() {
        "NotFoundError" => io::ErrorKind::NotFound,
        "QuotaExceededError" => io::ErrorKind::StorageFull,
        "NoModificationAllowedError" | "InvalidStateError" => io::ErrorKind::ResourceBusy,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, if name.is_empty() { "the browser refused".to_owned() } else { name })
}
