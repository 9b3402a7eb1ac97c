use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use alcyon_wire::{BlobId, RefusalCode, UploadSecret, limits};
use bytes::Bytes;
use tokio::sync::Semaphore;

use super::{BlobError, BlobState, BlobStore};
use crate::{
    Refusal,
    logs::{AddressBand, Bucket, Rate, ServerClock},
    observe::{Metrics, event},
};

/// Quotas and retention of blobs.
#[derive(Debug, Clone, PartialEq)]
pub struct BlobSettings {
    /// Bytes that uploads from one address band may have.
    pub bytes_per_band: Rate,
    /// Bytes of all blobs together.
    pub total: u64,
    /// The largest blob.
    pub largest: u64,
    /// A complete blob is kept this long, to the day.
    pub retention: Duration,
    /// An unfinished one goes when it has not moved for this long.
    pub unfinished: Duration,
    /// Below this many free bytes on the disk no upload begins.
    pub disk_reserve: u64,
}

/// Even an empty file takes a block on the disk.
const LEAST_CHARGE: u64 = 4096;
/// Calls into the store at once; more wait. Uploads and downloads come after everything that is written to logs.
const AT_ONCE: usize = 16;
/// Bands remembered before those that are full again are let go.
const BANDS: usize = 10_000;
/// How long a start waits for the blobs to be counted.
const PATIENCE: Duration = Duration::from_secs(5);
/// What is told to those who come before the blobs are counted.
const COUNT_AGAIN_MS: u64 = 5_000;
const HOUR_MS: u64 = 60 * 60 * 1000;

/// All blobs of a server.
pub struct Blobs {
    store: Arc<dyn BlobStore>,
    settings: BlobSettings,
    clock: Arc<dyn ServerClock>,
    metrics: Arc<Metrics>,
    /// Bytes promised to all blobs, once they are [`Self::is_counted`].
    used: AtomicU64,
    counted: AtomicBool,
    bands: Mutex<HashMap<AddressBand, Bucket>>,
    at_once: Arc<Semaphore>,
}

impl Blobs {
    /// Looks at what there is. If that is out of reach, or takes longer than 5 seconds, nothing begins and nothing is removed until a
    /// later [`Self::sweep`] has counted it; uploads under way go on and what there is can be read.
    pub async fn open(
        store: Arc<dyn BlobStore>,
        settings: BlobSettings,
        clock: Arc<dyn ServerClock>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, BlobError> {
        let blobs = Self {
            store,
            settings,
            clock,
            metrics,
            used: AtomicU64::new(0),
            counted: AtomicBool::new(false),
            bands: Mutex::default(),
            at_once: Arc::new(Semaphore::new(AT_ONCE)),
        };
        let store = blobs.store.clone();
        let counting = tokio::task::spawn_blocking(move || store.used_bytes());
        match tokio::time::timeout(PATIENCE, counting).await {
            Ok(Ok(Ok(used))) => blobs.count(used),
            Ok(Ok(Err(BlobError::Away { .. }))) => event!(WARN, "the place for files can't be reached; no upload begins until it can"),
            Ok(Ok(Err(error))) => return Err(error),
            Ok(Err(_ended)) => return Err(BlobError::Io(std::io::ErrorKind::Interrupted.into())),
            Err(_slow) => event!(WARN, "the files take long to count; no upload begins until they are"),
        }
        Ok(blobs)
    }

    /// Whether it is known how much there is.
    #[must_use]
    pub fn is_counted(&self) -> bool {
        self.counted.load(Ordering::Acquire)
    }

    fn count(&self, used: u64) {
        self.used.store(used, Ordering::Release);
        self.counted.store(true, Ordering::Release);
        self.show_used();
    }

    /// What changes the count waits for it.
    fn check_counted(&self) -> Result<(), Refusal> {
        if self.is_counted() { Ok(()) } else { Err(BlobError::Away { retry_after_ms: COUNT_AGAIN_MS }.into()) }
    }

    /// The server ends; see [`BlobStore::give_up`].
    pub fn give_up(&self) {
        self.store.give_up();
    }

    /// How much is best read at a time, bytes.
    #[must_use]
    pub fn piece(&self) -> usize {
        self.store.piece()
    }

    /// The largest blob, bytes.
    #[must_use]
    pub fn largest(&self) -> u64 {
        self.settings.largest.min(limits::BLOB)
    }

    /// Begins an upload of `length` bytes from an address.
    pub async fn create(&self, length: u64, from: AddressBand) -> Result<UploadSecret, Refusal> {
        if length == 0 {
            return Err(Refusal::malformed("upload-length", "a blob has at least one byte"));
        }
        let largest = self.largest();
        if length > largest {
            let refusal = Refusal::never(RefusalCode::TooLarge, format!("a blob has at most {largest} bytes"));
            return Err(Refusal { field: "upload-length".into(), ..refusal });
        }
        self.check_counted()?;
        let now_ms = self.clock.now_ms();
        let store = self.store.clone();
        let free = self.blocking(move || store.free_bytes()).await?;
        if free < self.settings.disk_reserve.saturating_add(self.store.on_disk(length)) {
            return Err(disk_full());
        }
        // Taken first, given back if it comes to nothing: two uploads can't both have the last place.
        let before = self.used.fetch_add(length, Ordering::AcqRel);
        let created = async {
            if before.saturating_add(length) > self.settings.total {
                return Err(Refusal::later(RefusalCode::Quota, "the server's place for files is used up", HOUR_MS));
            }
            self.charge(from, now_ms, length)?;
            let mut secret = [0; 32];
            getrandom::fill(&mut secret).map_err(|_| Refusal::internal())?;
            let secret = UploadSecret::from(secret);
            let (store, id) = (self.store.clone(), secret.blob());
            self.blocking(move || store.create(id, length, now_ms)).await?;
            Ok(secret)
        };
        let created = created.await;
        match &created {
            Ok(_) => self.metrics.uploads_begun.increment(1),
            Err(_) => self.give_back(length),
        }
        self.show_used();
        created
    }

    /// How far a blob has got.
    pub async fn state(&self, id: BlobId) -> Result<BlobState, Refusal> {
        let store = self.store.clone();
        self.blocking(move || store.state(id)).await?.ok_or_else(unknown)
    }

    /// When an unfinished upload goes that does not move from now on, Unix milliseconds.
    #[must_use]
    pub fn unfinished_until_ms(&self) -> u64 {
        self.clock.now_ms().saturating_add(ms(self.settings.unfinished))
    }

    /// Puts bytes behind those that are there; see [`BlobStore::write`].
    pub async fn write(&self, id: BlobId, at: u64, bytes: Bytes) -> Result<(), Refusal> {
        let (store, length) = (self.store.clone(), bytes.len());
        self.blocking(move || store.write(id, at, &bytes)).await?;
        self.metrics.blob_bytes_in.increment(length as u64);
        Ok(())
    }

    /// Makes what was written durable; see [`BlobStore::advance`].
    pub async fn advance(&self, id: BlobId, from: u64, to: u64) -> Result<BlobState, Refusal> {
        let (store, now_ms) = (self.store.clone(), self.clock.now_ms());
        let state = self.blocking(move || store.advance(id, from, to, now_ms)).await?;
        if state.is_complete() {
            self.metrics.uploads_completed.increment(1);
        }
        Ok(state)
    }

    /// Bytes of a complete blob.
    pub async fn read(&self, id: BlobId, at: u64, length: usize) -> Result<Bytes, Refusal> {
        let store = self.store.clone();
        let bytes = self.blocking(move || store.read(id, at, length)).await?;
        self.metrics.blob_bytes_out.increment(length as u64);
        Ok(bytes)
    }

    /// Removes one.
    pub async fn remove(&self, id: BlobId) -> Result<(), Refusal> {
        self.check_counted()?;
        let store = self.store.clone();
        let length = self.blocking(move || store.remove(id)).await?;
        self.give_back(length);
        self.show_used();
        Ok(())
    }

    /// Removes what is past its time. Counts first, if that could not be done before.
    pub async fn sweep(&self) -> Result<(), Refusal> {
        if !self.is_counted() {
            let store = self.store.clone();
            let used = self.blocking(move || store.used_bytes()).await?;
            self.count(used);
        }
        let (store, now_ms) = (self.store.clone(), self.clock.now_ms());
        let complete_before = now_ms.saturating_sub(ms(self.settings.retention));
        let unfinished_before = now_ms.saturating_sub(ms(self.settings.unfinished));
        let swept = self.blocking(move || store.sweep(complete_before, unfinished_before)).await?;
        self.give_back(swept.bytes);
        self.metrics.blobs_expired.increment(swept.blobs);
        self.show_used();
        Ok(())
    }

    fn charge(&self, band: AddressBand, now_ms: u64, length: u64) -> Result<(), Refusal> {
        let rate = self.settings.bytes_per_band;
        let mut bands = self.bands.lock().unwrap_or_else(PoisonError::into_inner);
        if bands.len() > BANDS {
            bands.retain(|_, bucket| bucket.check(rate, now_ms, rate.burst, 0.0).is_err());
        }
        #[allow(clippy::cast_precision_loss)] // far below 2^52
        let amount = length.max(LEAST_CHARGE) as f64;
        let bucket = bands.entry(band).or_insert_with(|| Bucket::full(rate, now_ms));
        let too_much = |wait| Refusal::later(RefusalCode::Quota, "too much is uploaded from this part of the network", wait);
        bucket.check(rate, now_ms, amount, 0.0).map_err(too_much)?;
        bucket.take(amount);
        Ok(())
    }

    fn give_back(&self, length: u64) {
        let _always = self.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, |used| Some(used.saturating_sub(length)));
    }

    fn show_used(&self) {
        #[allow(clippy::cast_precision_loss)] // far below 2^52
        self.metrics.blob_bytes.set(self.used.load(Ordering::Acquire) as f64);
    }

    async fn blocking<R: Send + 'static>(&self, work: impl FnOnce() -> Result<R, BlobError> + Send + 'static) -> Result<R, Refusal> {
        let permit = self.at_once.clone().acquire_owned().await.map_err(|_| Refusal::internal())?;
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(permit);
            done
        });
        let done = done.await.map_err(|_| Refusal::internal())?;
        if matches!(done, Err(BlobError::Away { .. })) {
            self.metrics.blobs_away.increment(1);
        }
        done.map_err(Refusal::from)
    }
}

impl From<BlobError> for Refusal {
    fn from(error: BlobError) -> Self {
        let message = error.to_string();
        match error {
            BlobError::Unknown => unknown(),
            BlobError::Offset { offset } => {
                Self { head: offset, field: "upload-offset".into(), ..Self::never(RefusalCode::Stale, message) }
            }
            BlobError::TooLong { .. } => Self { field: "body".into(), ..Self::never(RefusalCode::TooLarge, message) },
            BlobError::Full => disk_full(),
            BlobError::Away { retry_after_ms } => Self::later(RefusalCode::Internal, message, retry_after_ms),
            BlobError::Io(error) => {
                event!(ERROR, "a blob could not be read or written", reason = error.kind());
                Self::internal()
            }
        }
    }
}

/// Says the same of what never was and of what is gone.
fn unknown() -> Refusal {
    Refusal::never(RefusalCode::UnknownLog, "there is no such blob, or not any more")
}

fn disk_full() -> Refusal {
    Refusal::later(RefusalCode::DiskFull, "the server's disk is full", 60_000)
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
