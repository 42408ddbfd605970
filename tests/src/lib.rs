//! The harness: real databases and processes for tests, started on free ports and stopped at the end.
