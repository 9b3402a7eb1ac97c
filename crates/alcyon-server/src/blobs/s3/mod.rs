//! [`S3Blobs`]: blobs in a bucket of any service that speaks S3.
//!
//! **Complete blobs lie in the bucket, and the bucket alone says what there is.** A blob is the object `PREFIXblobs/ID`. Beside it
//! lies an empty one, `PREFIXdays/DAY/ID`, DAY being the day on which it was complete, counted from 1970: a sweep lists the days that
//! are over and nothing else. *Why not the time that S3 notes itself:* of a multipart upload that is when it began.
//!
//! **Uploads under way lie on this machine**, in a spool ([`spool`]): S3 takes parts of 5 MiB or more, clients send what they like and
//! are promised every byte. As soon as a part is full it goes to S3 and leaves the spool, so that an upload takes the place of
//! two parts on the disk, whatever its length. *Why not in the bucket too:* each answer to a client would wait for S3, and
//! write up to a part again. What a dead disk takes with it are uploads that nobody has been told of yet.
//!
//! **The end**: when the last byte is durable the record says so, then the day, the rest and the end of the upload go to S3, then
//! the record goes. Wherever that breaks off, the next question about the blob goes on with it; it is read from when S3 has it all.
//! Every call to S3 is such that twice is as good as once.
//!
//! **When S3 does not answer** ([`guard`]) all this is refused at once, *later*; nothing of what was acknowledged is lost, nothing
//! else waits for it.

mod client;
mod guard;
mod settings;
mod sign;
mod spool;
#[cfg(test)]
pub(super) mod tests;
mod xml;

use std::{
    collections::BTreeSet,
    fmt::Write,
    io,
    path::Path,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

use alcyon_wire::BlobId;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};

pub use settings::{Endpoint, S3Settings, Secret, SecretSource};

use self::{
    client::{Answer, Call, Client, Payload, S3Error},
    spool::{Record, Spool},
};
use super::{BlobError, BlobState, BlobStore, Swept};
use crate::{logs::DAY_MS, observe::event};

/// So much is read of a blob at a time: a request each, so that a slow reader holds no connection to S3, and no more memory than this.
const READ: usize = 512 * 1024;
/// The answer to a list of 1,000 keys has some 400 kB.
const LIST: usize = 4 * 1024 * 1024;
const BLOBS: &str = "blobs/";
const DAYS: &str = "days/";

/// Blobs in a bucket of any service that speaks S3, as `PREFIXblobs/ID`; uploads under way, as far as the bucket does not have them,
/// on this machine's disk. Calls that can't reach the bucket end in [`BlobError::Away`].
pub struct S3Blobs {
    client: Client,
    spool: Spool,
    part: u64,
    prefix: String,
    busy: Busy,
}

impl S3Blobs {
    /// Opens the spool, or makes it, and reads the secret key. S3 is not asked.
    pub fn open(spool: &Path, settings: S3Settings) -> Result<Self, io::Error> {
        let (part, prefix) = (settings.part, settings.prefix.clone());
        Ok(Self { client: Client::new(settings)?, spool: Spool::open(spool, part)?, part, prefix, busy: Busy::default() })
    }

    /// The record of an upload that can go on. One that only S3's last word is missing of is brought to its end first.
    fn under_way(&self, id: BlobId) -> Result<Result<Record, Option<u64>>, BlobError> {
        let Some(mut record) = self.spool.load(id)? else { return Ok(Err(self.length_of(id)?)) };
        if record.lost {
            return Ok(Err(None));
        }
        if record.offset == record.length {
            self.finish(id, &mut record)?;
            return Ok(Err(Some(record.length)));
        }
        Ok(Ok(record))
    }

    /// The same, where nothing else will do.
    fn to_go_on(&self, id: BlobId) -> Result<Record, BlobError> {
        self.under_way(id)?.map_err(|complete| complete.map_or(BlobError::Unknown, |length| BlobError::Offset { offset: length }))
    }

    /// Whether a blob of this length is sent in parts.
    fn in_parts(&self, length: u64) -> bool {
        length > self.part
    }

    /// Sends the parts that are full.
    fn send_full(&self, id: BlobId, record: &mut Record) -> Result<(), BlobError> {
        while self.in_parts(record.length) && (record.parts.len() as u64 + 1) * self.part <= record.offset {
            self.send_part(id, record)?;
        }
        Ok(())
    }

    fn send_part(&self, id: BlobId, record: &mut Record) -> Result<(), BlobError> {
        let upload = match &record.upload {
            Some(upload) => upload.clone(),
            None => {
                let begin = Call { query: vec![("uploads", String::new())], ..Call::new(Method::POST, object(id)) };
                let answer = self.client.ask(begin)?;
                let upload = xml::upload_id(answer.text()?).ok_or_else(no_sense)?;
                record.upload = Some(upload.clone());
                self.spool.save(id, record)?;
                upload
            }
        };
        let part = record.parts.len() as u64;
        let body = Payload::file(self.spool.part(id, part))?;
        let query = vec![("partNumber", (part + 1).to_string()), ("uploadId", upload)];
        let put = Call { query, body, ..Call::new(Method::PUT, object(id)) };
        let answer = self.client.ask(put).map_err(|error| self.or_lost(id, record, error))?;
        let tag = answer.headers.get(header::ETAG).and_then(|tag| tag.to_str().ok()).ok_or_else(no_sense)?;
        record.parts.push(tag.to_owned());
        self.spool.save(id, record)?;
        self.spool.remove_part(id, part)?;
        Ok(())
    }

    /// Brings an upload to its end of which all bytes are durable.
    fn finish(&self, id: BlobId, record: &mut Record) -> Result<(), BlobError> {
        self.client.ask(Call::new(Method::PUT, marker(record.changed_ms / DAY_MS, id)))?;
        if self.in_parts(record.length) {
            while (record.parts.len() as u64) < record.length.div_ceil(self.part) {
                self.send_part(id, record)?;
            }
            self.complete(id, record)?;
        } else {
            let body = Payload::file(self.spool.part(id, 0))?;
            self.client.ask(Call { body, ..Call::new(Method::PUT, object(id)) })?;
        }
        self.spool.remove(id, record)?;
        Ok(())
    }

    fn complete(&self, id: BlobId, record: &mut Record) -> Result<(), BlobError> {
        let mut list = String::from("<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
        for (number, tag) in (1..).zip(&record.parts) {
            let tag = tag.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            // A `String` takes whatever is written to it.
            let _always = write!(list, "<Part><PartNumber>{number}</PartNumber><ETag>{tag}</ETag></Part>");
        }
        list.push_str("</CompleteMultipartUpload>");
        let query = vec![("uploadId", record.upload.clone().unwrap_or_default())];
        let end = Call { query, body: Payload::Bytes(list.into()), ..Call::new(Method::POST, object(id)) };
        match self.client.ask(end) {
            Ok(_done) => Ok(()),
            // Done before, if the answer was lost.
            Err(S3Error::Missing) if self.length_of(id)? == Some(record.length) => Ok(()),
            Err(error) => Err(self.or_lost(id, record, error)),
        }
    }

    /// S3 knows nothing of the upload any more: somebody has removed it there. Whoever uploads has to begin anew.
    fn or_lost(&self, id: BlobId, record: &mut Record, error: S3Error) -> BlobError {
        if error == S3Error::Missing {
            event!(WARN, "S3 has lost an upload under way: does a rule of the bucket remove them too early?");
            record.lost = true;
            if let Err(error) = self.spool.save(id, record) {
                return error.into();
            }
        }
        error.into()
    }

    /// Of a complete blob. By a read of its first byte and not by `HEAD`, whose answer does not say whether blob or bucket is missing.
    fn length_of(&self, id: BlobId) -> Result<Option<u64>, BlobError> {
        match self.client.ask(Call { range: Some((0, 0)), ..Call::new(Method::GET, object(id)) }) {
            Ok(answer) => Ok(Some(total(&answer).ok_or_else(no_sense)?)),
            Err(S3Error::Missing) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn delete(&self, key: String) -> Result<(), BlobError> {
        match self.client.ask(Call::new(Method::DELETE, key)) {
            Ok(_) | Err(S3Error::Missing) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn abort(&self, id: BlobId, upload: String) -> Result<(), BlobError> {
        match self.client.ask(Call { query: vec![("uploadId", upload)], ..Call::new(Method::DELETE, object(id)) }) {
            Ok(_) | Err(S3Error::Missing) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Hands on what the bucket holds under a name, in order, keys without the prefix, until `work` says that it is enough.
    fn each(&self, under: &str, mut work: impl FnMut(&str, u64) -> Result<bool, BlobError>) -> Result<(), BlobError> {
        let mut next = None;
        loop {
            let mut query = vec![("list-type", "2".to_owned()), ("prefix", format!("{}{under}", self.prefix))];
            query.extend(next.map(|token| ("continuation-token", token)));
            let answer = self.client.ask(Call { query, most: LIST, ..Call::new(Method::GET, "") })?;
            let page = xml::objects(answer.text()?).ok_or_else(no_sense)?;
            for (key, size) in page.objects {
                let key = key.strip_prefix(&*self.prefix).unwrap_or_default();
                if !work(key, size)? {
                    return Ok(());
                }
            }
            next = page.next;
            if next.is_none() {
                return Ok(());
            }
        }
    }

    /// Removes an upload under way or a blob; the lock is held.
    fn remove_locked(&self, id: BlobId) -> Result<u64, BlobError> {
        let Some(record) = self.spool.load(id)? else {
            let length = self.length_of(id)?.ok_or(BlobError::Unknown)?;
            self.delete(object(id))?;
            return Ok(length);
        };
        if record.offset == record.length {
            // Its end may have got as far as the object.
            self.delete(object(id))?;
            self.delete(marker(record.changed_ms / DAY_MS, id))?;
        }
        if let Some(upload) = record.upload.clone() {
            self.abort(id, upload)?;
        }
        self.spool.remove(id, &record)?;
        Ok(record.length)
    }

    fn sweep_uploads(&self, before_ms: u64, swept: &mut Swept) -> Result<(), BlobError> {
        for id in self.spool.ids()? {
            let _busy = self.busy.hold(id);
            if self.spool.load(id)?.is_some_and(|record| record.changed_ms < before_ms) {
                swept.bytes += self.remove_locked(id)?;
                swept.blobs += 1;
            }
        }
        Ok(())
    }

    fn sweep_days(&self, before_ms: u64, swept: &mut Swept) -> Result<(), BlobError> {
        self.each(DAYS, |key, _| {
            let Some((day, id)) = parse_marker(key) else { return Ok(true) };
            if day.saturating_mul(DAY_MS) >= before_ms {
                return Ok(false);
            }
            let _busy = self.busy.hold(id);
            // Still on its way there, from a day long past: its record goes by its own time.
            if self.spool.has(id) {
                return Ok(true);
            }
            if let Some(length) = self.length_of(id)? {
                self.delete(object(id))?;
                swept.blobs += 1;
                swept.bytes += length;
            }
            self.delete(key.to_owned())?;
            Ok(true)
        })
    }

    /// Ends uploads in the bucket that no record speaks of: the answer to their beginning was lost, or they could not be ended.
    fn sweep_bucket_uploads(&self) -> Result<(), BlobError> {
        let mut next = None;
        loop {
            let mut query = vec![("uploads", String::new()), ("prefix", format!("{}{BLOBS}", self.prefix))];
            if let Some((key, upload)) = next {
                query.extend([("key-marker", key), ("upload-id-marker", upload)]);
            }
            let answer = self.client.ask(Call { query, most: LIST, ..Call::new(Method::GET, "") })?;
            let page = xml::uploads(answer.text()?).ok_or_else(no_sense)?;
            for (key, upload) in page.uploads {
                let Some(id) = key.strip_prefix(&*self.prefix).and_then(parse_object) else { continue };
                let _busy = self.busy.hold(id);
                if self.spool.load(id)?.is_none_or(|record| record.upload.as_ref() != Some(&upload)) {
                    self.abort(id, upload)?;
                }
            }
            next = page.next;
            if next.is_none() {
                return Ok(());
            }
        }
    }
}

impl BlobStore for S3Blobs {
    fn create(&self, id: BlobId, length: u64, now_ms: u64) -> Result<(), BlobError> {
        self.client.available()?;
        let _busy = self.busy.hold(id);
        let record = Record { length, offset: 0, changed_ms: now_ms, upload: None, parts: Vec::new(), lost: false };
        Ok(self.spool.save(id, &record)?)
    }

    fn state(&self, id: BlobId) -> Result<Option<BlobState>, BlobError> {
        let _busy = self.busy.hold(id);
        Ok(match self.under_way(id)? {
            Ok(Record { length, offset, .. }) => Some(BlobState { length, offset }),
            Err(complete) => complete.map(|length| BlobState { length, offset: length }),
        })
    }

    fn write(&self, id: BlobId, at: u64, bytes: &[u8]) -> Result<(), BlobError> {
        let _busy = self.busy.hold(id);
        let mut record = self.to_go_on(id)?;
        let Record { length, offset, .. } = record;
        if at < offset || at > self.spool.end(id, offset)? {
            return Err(BlobError::Offset { offset });
        }
        if at + bytes.len() as u64 > length {
            return Err(BlobError::TooLong { length });
        }
        // What could not be sent before goes first: the spool does not grow while S3 is away.
        self.send_full(id, &mut record)?;
        Ok(self.spool.write(id, at, bytes)?)
    }

    fn advance(&self, id: BlobId, from: u64, to: u64, now_ms: u64) -> Result<BlobState, BlobError> {
        let _busy = self.busy.hold(id);
        let mut record = self.to_go_on(id)?;
        let Record { length, offset, .. } = record;
        if offset != from || to < from || to > length || to > self.spool.end(id, offset)? {
            return Err(BlobError::Offset { offset });
        }
        self.spool.sync(id, from, to)?;
        record.offset = to;
        record.changed_ms = now_ms;
        self.spool.save(id, &record)?;
        if to == length {
            self.finish(id, &mut record)?;
        } else if let Err(error) = self.send_full(id, &mut record)
            && !matches!(error, BlobError::Away { .. } | BlobError::Full)
        {
            // What is durable counts; that S3 is away or full is told to whoever brings more.
            return Err(error);
        }
        Ok(BlobState { length, offset: to })
    }

    fn read(&self, id: BlobId, at: u64, length: usize) -> Result<Bytes, BlobError> {
        if self.spool.has(id) {
            return Err(BlobError::Unknown);
        }
        if length == 0 {
            return Ok(Bytes::new());
        }
        let range = Some((at, at + length as u64 - 1));
        let answer = self.client.ask(Call { range, most: length, ..Call::new(Method::GET, object(id)) })?;
        if answer.status != StatusCode::PARTIAL_CONTENT || answer.body.len() != length {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        Ok(answer.body)
    }

    fn remove(&self, id: BlobId) -> Result<u64, BlobError> {
        let _busy = self.busy.hold(id);
        self.remove_locked(id)
    }

    fn sweep(&self, complete_before_ms: u64, unfinished_before_ms: u64) -> Result<Swept, BlobError> {
        let mut swept = Swept::default();
        let done = self
            .sweep_uploads(unfinished_before_ms, &mut swept)
            .and_then(|()| self.sweep_days(complete_before_ms, &mut swept))
            .and_then(|()| self.sweep_bucket_uploads());
        match done {
            // What is gone is gone, and has to be counted; the rest goes with the next sweep.
            Err(_) if swept != Swept::default() => Ok(swept),
            done => done.map(|()| swept),
        }
    }

    fn used_bytes(&self) -> Result<u64, BlobError> {
        let (mut under_way, mut used) = (BTreeSet::new(), 0);
        for id in self.spool.ids()? {
            if let Some(record) = self.spool.load(id)? {
                under_way.insert(id);
                used += record.length;
            }
        }
        self.each(BLOBS, |key, size| {
            // One that is brought to its end meanwhile is counted once.
            if parse_object(key).is_some_and(|id| !under_way.contains(&id)) {
                used += size;
            }
            Ok(true)
        })?;
        Ok(used)
    }

    fn free_bytes(&self) -> Result<u64, BlobError> {
        Ok(self.spool.free_bytes()?)
    }

    fn on_disk(&self, length: u64) -> u64 {
        length.min(2 * self.part)
    }

    fn piece(&self) -> usize {
        READ
    }

    fn give_up(&self) {
        self.client.give_up();
    }
}

fn object(id: BlobId) -> String {
    format!("{BLOBS}{}", id.to_text())
}

fn parse_object(key: &str) -> Option<BlobId> {
    BlobId::from_text(key.strip_prefix(BLOBS)?, "key").ok()
}

/// With leading zeros, so that the order of names is that of days.
fn marker(day: u64, id: BlobId) -> String {
    format!("{DAYS}{day:06}/{}", id.to_text())
}

fn parse_marker(key: &str) -> Option<(u64, BlobId)> {
    let (day, id) = key.strip_prefix(DAYS)?.split_once('/')?;
    Some((day.parse().ok()?, BlobId::from_text(id, "key").ok()?))
}

/// The length of the whole object, from the answer to a range of it.
fn total(answer: &Answer) -> Option<u64> {
    let number = |headers: &HeaderMap, name| headers.get(name)?.to_str().ok()?.rsplit('/').next()?.parse().ok();
    let name = if answer.status == StatusCode::PARTIAL_CONTENT { header::CONTENT_RANGE } else { header::CONTENT_LENGTH };
    number(&answer.headers, name)
}

/// The service says OK and not what it has to say with it.
fn no_sense() -> BlobError {
    io::Error::new(io::ErrorKind::InvalidData, "an answer of S3 makes no sense").into()
}

/// Blobs that are worked on. A lock for each, since it may be held for as long as S3 takes.
#[derive(Default)]
struct Busy {
    ids: Mutex<BTreeSet<BlobId>>,
    freed: Condvar,
}

impl Busy {
    /// Waits until nobody works on it, and keeps others from it.
    fn hold(&self, id: BlobId) -> Held<'_> {
        let mut ids = self.freed.wait_while(self.ids(), |ids| ids.contains(&id)).unwrap_or_else(PoisonError::into_inner);
        ids.insert(id);
        Held { busy: self, id }
    }

    fn ids(&self) -> MutexGuard<'_, BTreeSet<BlobId>> {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Held<'a> {
    busy: &'a Busy,
    id: BlobId,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.busy.ids().remove(&self.id);
        self.busy.freed.notify_all();
    }
}
