//! alcyon-sim
