//! The server of Alcyon.
//!
//! [`logs`] are the server's one primitive and [`directory`] finds people; both stand on a [`store`].

pub mod directory;
pub mod logs;
mod refusal;
pub mod store;

pub use refusal::Refusal;
