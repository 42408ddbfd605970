//! Tables.

use comfy_table::presets::NOTHING;
use comfy_table::{Cell, CellAlignment, LineStyle, TableStyle};

/// A line under the header, and nothing else.
const STYLE: TableStyle = NOTHING.header_separator(LineStyle::new('─', '─', '─', '─'));

/// A table with a header and no frame.
#[derive(Debug)]
pub struct Table(comfy_table::Table);

impl Table {
    /// An empty one.
    pub fn new<'a>(header: impl IntoIterator<Item = &'a str>) -> Self {
        let mut table = comfy_table::Table::new();
        table.load_style(STYLE).set_header(header);
        Self(table)
    }

    /// Appends a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = impl Into<Cell>>) {
        self.0.add_row(cells.into_iter().map(Into::into).collect::<Vec<Cell>>());
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// A cell for a number.
pub fn right(text: impl ToString) -> Cell {
    Cell::new(text).set_alignment(CellAlignment::Right)
}
