//! The operator's pages. Each stands in [`ROUTES`] with who may see it; a handler gets a [`super::call::Call`] with the
//! session, the app and the time.

use futures::FutureExt as _;

use super::files;
use super::routes::{OPERATORS, Route, page};

/// The routes.
pub(super) const ROUTES: &[Route] =
    &[page("/ops", OPERATORS, |_| async { files::html("ops.html", &[]) }.boxed())];
