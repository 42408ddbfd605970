//! The worker against a scheduler of the tests' own, over real connections.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod endpoints;
mod faults;
mod groups;
mod services;
mod shutdown;
mod support;
mod validator;
mod work;
