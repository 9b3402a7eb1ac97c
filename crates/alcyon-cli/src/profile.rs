//! A profile's directory: the database, and beside it one small file that says where the database's key comes from.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Write as _},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use alcyon_store::{Store, StoreError};
use serde::{Deserialize, Serialize};

use crate::{
    failure::Failure,
    key::{KeySource, Secrets},
};

/// The format of [`FILE`] that this program writes, and the newest that it reads.
const VERSION: u32 = 1;
const FILE: &str = "profile.json";
/// Held while a profile is being opened or made; the open database has a lock of its own.
const LOCK: &str = "opening.lock";
const LOCK_PATIENCE: Duration = Duration::from_secs(5);

/// Where profiles are if nobody says otherwise.
pub(crate) fn default_directory() -> PathBuf {
    let home = || std::env::home_dir().unwrap_or_default();
    let variable = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let data = if cfg!(target_os = "macos") {
        home().join("Library/Application Support")
    } else if cfg!(windows) {
        variable("APPDATA").unwrap_or_else(|| home().join("AppData\\Roaming"))
    } else {
        variable("XDG_DATA_HOME").unwrap_or_else(|| home().join(".local/share"))
    };
    data.join("alcyon")
}

/// Opens the profile, or makes it if it is not there and `create` says so. Nothing is changed in a directory that holds
/// something else, or if the key is wrong.
pub(crate) fn open(directory: &Path, create: bool, secrets: &dyn Secrets) -> Result<Store, Failure> {
    let found = look(directory)?;
    if matches!(found, Found::Nothing) {
        if !create {
            return Err(Failure::NoProfile(directory.display().to_string()));
        }
        make_directory(directory)?;
    }
    let _lock = lock(directory)?;
    // Another process may have made it while this one waited.
    match look(directory)? {
        Found::Nothing if create => make(directory, secrets),
        Found::Nothing => Err(Failure::NoProfile(directory.display().to_string())),
        Found::Begun if !create => Err(Failure::NoProfile(directory.display().to_string())),
        // Its maker died before there was a database: nothing was ever in it.
        Found::Begun => make(directory, secrets),
        Found::Profile(description) => Ok(Store::open(directory, &description.key.key(secrets)?)?),
    }
}

/// What [`FILE`] holds.
#[derive(Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
struct Description {
    version: u32,
    /// The database has been made.
    complete: bool,
    key: KeySource,
}

enum Found {
    /// No directory, or an empty one.
    Nothing,
    /// A description, and nothing else yet.
    Begun,
    Profile(Description),
}

fn look(directory: &Path) -> Result<Found, Failure> {
    let mut database = false;
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return Err(Failure::ForeignDirectory(directory.display().to_string()));
        }
        Err(error) => return Err(error.into()),
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        // Empty files are locks, or what a crash left of a database that never was.
        database |= name != FILE && name != unfinished().as_str() && entry.metadata()?.len() > 0;
    }
    let description = match fs::read(directory.join(FILE)) {
        Ok(bytes) => parse(&bytes)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return if database { Err(Failure::ForeignDirectory(directory.display().to_string())) } else { Ok(Found::Nothing) };
        }
        Err(error) => return Err(error.into()),
    };
    match (description.complete, database) {
        (true, false) => Err(Failure::DamagedProfile("its database is missing")),
        (false, false) => Ok(Found::Begun),
        // Complete, or made by a process that died just before it could say so.
        (_, true) => Ok(Found::Profile(description)),
    }
}

fn parse(bytes: &[u8]) -> Result<Description, Failure> {
    #[derive(Deserialize)]
    struct Version {
        version: u32,
    }
    let damaged = |_| Failure::DamagedProfile("profile.json can't be read");
    let Version { version } = serde_json::from_slice(bytes).map_err(damaged)?;
    if version > VERSION {
        return Err(Failure::NewerProfile { found: version, known: VERSION });
    }
    serde_json::from_slice(bytes).map_err(damaged)
}

fn make(directory: &Path, secrets: &dyn Secrets) -> Result<Store, Failure> {
    let (source, key) = KeySource::choose(secrets)?;
    let mut description = Description { version: VERSION, complete: false, key: source };
    // The salt is on the disk before anything is encrypted under it.
    write(directory, &description)?;
    let store = Store::open(directory, &key)?;
    description.complete = true;
    write(directory, &description)?;
    Ok(store)
}

fn unfinished() -> String {
    format!("{FILE}.new")
}

/// All or nothing, and on the disk when it returns.
fn write(directory: &Path, description: &Description) -> Result<(), Failure> {
    let text = serde_json::to_string(description).map_err(io::Error::from)?;
    let new = directory.join(unfinished());
    let mut options = File::options();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&new)?;
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    fs::rename(&new, directory.join(FILE))?;
    #[cfg(unix)]
    File::open(directory)?.sync_all()?;
    Ok(())
}

fn make_directory(directory: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}

fn lock(directory: &Path) -> Result<File, Failure> {
    let file = File::options().write(true).create(true).truncate(false).open(directory.join(LOCK))?;
    let deadline = Instant::now() + LOCK_PATIENCE;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => thread::sleep(Duration::from_millis(20)),
            Err(TryLockError::WouldBlock) => return Err(StoreError::Busy.into()),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests;
