//! alcyon-mls
