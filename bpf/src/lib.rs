//! Generated skeletons.
