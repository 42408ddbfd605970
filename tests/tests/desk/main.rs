//! The desk over real HTTP: who may come where, how sessions begin and end, and what is told those who try more. Each
//! attack gets the answer that docs/SECURITY.md promises.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod browser;
mod commands;
mod forgery;
mod house;
mod listener;
mod ops;
mod routes;
mod sessions;
mod throttle;
