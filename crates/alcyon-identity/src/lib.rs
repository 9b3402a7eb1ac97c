//! alcyon-identity
