//! Does nothing. What it imports is what the standard library needs for any program.

fn main() {}
