//! gostall-export
