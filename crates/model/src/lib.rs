//! gostall-model
