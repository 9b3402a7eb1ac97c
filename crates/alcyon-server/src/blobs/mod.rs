//! Blobs: sealed files, kept for a while, that belong to nobody.
//!
//! An upload has a secret, drawn by the server and told to whoever made it; the blob's id is a hash of it. With the secret one
//! writes and deletes, with the id one reads. Neither names an account, nothing is signed, and of both only the id is on the disk.
//! [`Blobs`] holds the rules: sizes, quotas, retention. Where the bytes lie is a [`BlobStore`]: [`LocalBlobs`] on disk,
//! [`S3Blobs`] in a bucket, [`MemoryBlobs`] for tests and simulations, [`MovedBlobs`] where they move; all pass one contract test.

mod local;
mod memory;
mod moved;
mod s3;
mod service;
mod store;
#[cfg(test)]
mod tests;

pub use local::LocalBlobs;
pub use memory::MemoryBlobs;
pub use moved::MovedBlobs;
pub use s3::{Endpoint, S3Blobs, S3Settings, Secret, SecretSource};
pub use service::{BlobSettings, Blobs};
pub use store::{BlobError, BlobState, BlobStore, Swept};
