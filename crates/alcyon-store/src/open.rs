//! Opening, locking and creating a profile.

use rusqlite::Connection;
use zeroize::Zeroizing;

use crate::{FORMAT, Store, StoreError, StoreKey};

/// "ALCY": marks the file as a profile.
const APPLICATION_ID: i32 = 0x414C_4359;
/// What leads from each format to the next; the first makes it all.
const STEPS: [&str; FORMAT as usize] = [
    include_str!("../schema/v1.sql"),
    include_str!("../schema/v2.sql"),
    include_str!("../schema/v3.sql"),
    include_str!("../schema/v4.sql"),
    include_str!("../schema/v5.sql"),
];

/// Sets the key and everything that has to be set each time, creates the schema in an empty database, and checks the format.
/// `page`: bytes of a page, as the database was made with.
fn prepare(connection: &Connection, key: &StoreKey, page: u64) -> Result<(), StoreError> {
    let mut pragma = Zeroizing::new(String::with_capacity(96));
    pragma.push_str("PRAGMA key = \"x'");
    for byte in key.0 {
        pragma.push_str(&format!("{byte:02x}"));
    }
    pragma.push_str("'\"");
    // A wrong key is told by an error; SQLCipher would write about it to the terminal besides.
    connection.execute_batch("PRAGMA cipher_log_level = NONE;")?;
    connection.execute_batch(&pragma)?;
    connection.execute_batch(&format!("PRAGMA cipher_page_size = {page};"))?;
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    connection
        .execute_batch("PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON; PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY;")?;
    crate::search::install(connection)?;
    let application: i32 = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let found: u32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    match (application, found) {
        (0, 0) => {
            let tables: u32 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
            if tables != 0 {
                return Err(StoreError::NotAProfile("the database belongs to another program"));
            }
            bring_up(connection, 0)
        }
        (APPLICATION_ID, FORMAT) => Ok(()),
        (APPLICATION_ID, found) if (1..FORMAT).contains(&found) => bring_up(connection, found),
        (APPLICATION_ID, found) if found > FORMAT => Err(StoreError::Newer { found, known: FORMAT }),
        _ => Err(StoreError::NotAProfile("the database belongs to another program")),
    }
}

/// Takes every step from the format that was found, all of them or none.
fn bring_up(connection: &Connection, found: u32) -> Result<(), StoreError> {
    let steps: String = STEPS.into_iter().skip(found as usize).collect();
    connection
        .execute_batch(&format!(
            "BEGIN IMMEDIATE; {steps} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {FORMAT}; COMMIT;"
        ))
        .inspect_err(|_| {
            // The connection is given up with the error, and the transaction with it; a failed COMMIT leaves one open.
            let _ = connection.execute_batch("ROLLBACK");
        })?;
    Ok(())
}

/// All of the newest format, as it is made in an empty database.
#[cfg(test)]
pub(crate) fn whole_schema() -> String {
    STEPS.concat()
}

#[cfg(not(target_family = "wasm"))]
mod native {
    use std::{
        cell::RefCell,
        fs::{self, File, TryLockError},
        io::Read,
        path::Path,
        time::{Duration, Instant},
    };

    use super::{Connection, Store, StoreError, StoreKey, prepare};

    /// The database's file in a profile directory.
    const DATABASE: &str = "profile.db";
    /// Held for as long as the profile is open.
    const LOCK: &str = "profile.lock";
    /// How long a second process waits for the first.
    const PATIENCE: Duration = Duration::from_secs(5);
    /// Bytes of a page. A message changes a dozen pages in as many places, and each page is written whole.
    const PAGE: u64 = 1024;
    /// What profiles of formats 1 to 3 were made with: SQLCipher's own size.
    const OLD_PAGE: u64 = 4096;
    /// Pages in the write-ahead log before they are moved: 4 MiB.
    const CHECKPOINT: u32 = 4096;

    impl Store {
        /// Opens or creates the profile in this directory. Waits up to five seconds for another process to let go of it.
        pub fn open(directory: &Path, key: &StoreKey) -> Result<Self, StoreError> {
            create_private(directory).map_err(StoreError::Directory)?;
            let lock = lock(directory)?;
            let path = directory.join(DATABASE);
            look_before_opening(&path)?;
            let connection = match connect(&path, key, PAGE) {
                // A wrong key looks like another page size.
                Err(StoreError::WrongKey) => connect(&path, key, OLD_PAGE)?,
                connection => connection?,
            };
            connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
            connection.query_row(&format!("PRAGMA wal_autocheckpoint = {CHECKPOINT}"), [], |_| Ok(()))?;
            Ok(Self { connection: RefCell::new(connection), _lock: lock })
        }
    }

    fn connect(path: &Path, key: &StoreKey, page: u64) -> Result<Connection, StoreError> {
        let connection = Connection::open(path)?;
        prepare(&connection, key, page)?;
        Ok(connection)
    }

    fn create_private(directory: &Path) -> std::io::Result<()> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(directory)
    }

    fn lock(directory: &Path) -> Result<File, StoreError> {
        let file = File::options().create(true).truncate(false).write(true).open(directory.join(LOCK)).map_err(StoreError::Directory)?;
        let until = Instant::now() + PATIENCE;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) if Instant::now() < until => std::thread::sleep(Duration::from_millis(20)),
                Err(TryLockError::WouldBlock) => return Err(StoreError::Busy),
                Err(TryLockError::Error(error)) => return Err(StoreError::Directory(error)),
            }
        }
    }

    /// Tells a truncated or unencrypted file from a wrong key, as far as that can be told from outside.
    fn look_before_opening(path: &Path) -> Result<(), StoreError> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(StoreError::Directory(error)),
        };
        let length = file.metadata().map_err(StoreError::Directory)?.len();
        if length == 0 {
            return Ok(());
        }
        if length % PAGE != 0 {
            return Err(StoreError::NotAProfile("the database file is cut short"));
        }
        let mut start = [0; 15];
        file.read_exact(&mut start).map_err(StoreError::Directory)?;
        if &start == b"SQLite format 3" {
            return Err(StoreError::NotAProfile("the database is not encrypted"));
        }
        Ok(())
    }
}

#[cfg(target_family = "wasm")]
mod browser {
    use std::{cell::RefCell, io};

    use rusqlite::OpenFlags;
    use sqlite_wasm_rs::WasmOsCallback;
    use sqlite_wasm_vfs::sahpool::{OpfsSAHError, OpfsSAHPoolCfgBuilder, install};

    use super::{Connection, Store, StoreError, StoreKey, prepare};

    /// The database's file in a profile's pool of files.
    const DATABASE: &str = "profile.db";
    /// Bytes of a page. There is no write-ahead log here, and each write is a call.
    const PAGE: u64 = 4096;

    impl Store {
        /// Opens or creates the profile of this name in the origin private file system. Only a dedicated Worker can, and
        /// only one at a time: another gets [`StoreError::Busy`]. `profile` becomes the name of a folder.
        pub async fn open(profile: &str, key: &StoreKey) -> Result<Self, StoreError> {
            let file_system = format!("alcyon-{profile}");
            let pool = OpfsSAHPoolCfgBuilder::new().vfs_name(&file_system).directory(&file_system).build();
            install::<WasmOsCallback>(&pool, false).await.map_err(why)?;
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
            let connection = Connection::open_with_flags_and_vfs(DATABASE, flags, file_system.as_str())?;
            prepare(&connection, key, PAGE)?;
            Ok(Self { connection: RefCell::new(connection) })
        }
    }

    /// Files that another Worker holds can't be had: browsers say so by name.
    fn why(error: OpfsSAHError) -> StoreError {
        match error {
            OpfsSAHError::Opfs { message, .. } if message.contains("NoModificationAllowedError") => StoreError::Busy,
            error => StoreError::Directory(io::Error::other(error.to_string())),
        }
    }
}
