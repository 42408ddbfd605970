//! What people see on a terminal.

mod bar;
mod number;
mod table;

pub use bar::Bar;
pub use number::{grouped, seconds, share};
pub use table::{Table, right};
