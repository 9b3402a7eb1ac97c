//! alcyon-server
