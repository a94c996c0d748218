//! Worked examples of peerwork. `docs/tutorial.md` explains them; each is run as a test.

pub mod motd;
