//! The desk's real page in a real browser: headless Chromium, steered over WebDriver, against a scheduler process.
//!
//! What people do with the keyboard is done with the keyboard here, and what comes of it is looked up in the store.

mod browser;
mod desk;
mod driver;
mod house;
mod leases;
mod markup;
mod ops;
mod payloads;
mod pictures;
mod sessions;
mod shift;
