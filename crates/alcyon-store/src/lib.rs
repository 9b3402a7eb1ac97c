//! alcyon-store
