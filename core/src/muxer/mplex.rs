//! mplex 6.7.0.
