//! gostall-targets
