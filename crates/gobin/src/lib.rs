//! gobin
