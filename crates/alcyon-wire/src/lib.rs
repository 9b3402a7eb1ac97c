//! alcyon-wire
