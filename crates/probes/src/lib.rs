//! gostall-probes
