//! Files that a person has chosen, and files that the page is given: a browser's blobs, read and written as Rust likes it.

use std::io::{self, Read, Seek, SeekFrom, Write};

use js_sys::{Array, ArrayBuffer, Object, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;

use crate::room::why;

/// Bytes that are fetched at once, and that are given to the browser at once.
const AT_ONCE: u64 = 1024 * 1024;
/// Bytes at the beginning that tell what a file is.
const BEGINNING: usize = 64;

#[wasm_bindgen]
extern "C" {
    /// A file, or a part of one, of which the browser knows where it lies.
    #[wasm_bindgen(extends = Object)]
    #[derive(Debug, Clone)]
    pub(crate) type Blob;

    #[wasm_bindgen(constructor, catch)]
    fn new(parts: &Array, options: &Object) -> Result<Blob, JsValue>;

    #[wasm_bindgen(method, getter)]
    fn size(this: &Blob) -> f64;

    #[wasm_bindgen(method)]
    fn slice(this: &Blob, from: f64, to: f64) -> Blob;

    type FileReaderSync;

    #[wasm_bindgen(constructor, catch)]
    fn new() -> Result<FileReaderSync, JsValue>;

    #[wasm_bindgen(method, catch, js_name = readAsArrayBuffer)]
    fn read(this: &FileReaderSync, blob: &Blob) -> Result<ArrayBuffer, JsValue>;
}

/// Reads a blob, a mebibyte ahead. A file that is changed or gone meanwhile is an error.
pub(crate) struct BlobReader {
    blob: Blob,
    size: u64,
    at: u64,
    ahead: Vec<u8>,
    /// Where that begins.
    ahead_at: u64,
}

impl BlobReader {
    pub(crate) fn new(blob: Blob) -> Self {
        let size = blob.size() as u64;
        Self { blob, size, at: 0, ahead: Vec::new(), ahead_at: 0 }
    }

    /// Bytes of it.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    fn fetch(&mut self) -> io::Result<()> {
        let to = self.size.min(self.at + AT_ONCE);
        let part = self.blob.slice(self.at as f64, to as f64);
        let read = FileReaderSync::new().and_then(|reader| reader.read(&part)).map_err(|error| why(&error))?;
        self.ahead = Uint8Array::new(&read).to_vec();
        self.ahead_at = self.at;
        if self.ahead.len() as u64 == to - self.at { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }
}

impl Read for BlobReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at >= self.size || buffer.is_empty() {
            return Ok(0);
        }
        if self.at < self.ahead_at || self.at >= self.ahead_at + self.ahead.len() as u64 {
            self.fetch()?;
        }
        let from = usize::try_from(self.at - self.ahead_at).map_err(|_| io::ErrorKind::InvalidInput)?;
        let length = buffer.len().min(self.ahead.len() - from);
        buffer[..length].copy_from_slice(&self.ahead[from..from + length]);
        self.at += length as u64;
        Ok(length)
    }
}

impl Seek for BlobReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(back) => self.size.checked_add_signed(back),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

/// Takes a file as it comes, and leaves its bytes to the browser, which puts large ones on the disk.
#[derive(Default)]
pub(crate) struct BlobWriter {
    parts: Array,
    open: Vec<u8>,
    beginning: Vec<u8>,
}

impl BlobWriter {
    /// The file's first bytes, at most 64.
    pub(crate) fn beginning(&self) -> &[u8] {
        &self.beginning
    }

    /// The whole, under that media type.
    pub(crate) fn finish(mut self, media_type: &str) -> io::Result<Blob> {
        self.flush()?;
        blob(&self.parts, media_type)
    }
}

impl Write for BlobWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let missing = BEGINNING.saturating_sub(self.beginning.len()).min(bytes.len());
        self.beginning.extend_from_slice(&bytes[..missing]);
        self.open.extend_from_slice(bytes);
        if self.open.len() as u64 >= AT_ONCE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.open.is_empty() {
            let part = Array::of1(&Uint8Array::from(self.open.as_slice()));
            self.parts.push(&blob(&part, "")?.into());
            self.open.clear();
        }
        Ok(())
    }
}

fn blob(parts: &Array, media_type: &str) -> io::Result<Blob> {
    let options = Object::new();
    let made = Reflect::set(&options, &"type".into(), &media_type.into()).and_then(|_| Blob::new(parts, &options));
    made.map_err(|error| why(&error))
}
