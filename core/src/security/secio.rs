//! secio 1.0.0.
