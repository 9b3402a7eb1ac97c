//! What a message can be, and what can be done to it.

pub(crate) mod incoming;
pub(crate) mod post;
pub(crate) mod rules;
pub(crate) mod text;
pub(crate) mod view;
