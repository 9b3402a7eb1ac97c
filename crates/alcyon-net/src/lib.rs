//! alcyon-net
