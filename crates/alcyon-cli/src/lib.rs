//! alcyon-cli
