//! alcyon-client
