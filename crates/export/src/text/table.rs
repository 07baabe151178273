//! Tables: numbers to the right, names to the left, the first column gives way when the line is too long.

use super::Page;
use crate::{shorten_middle, width};

/// How a cell stands out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Bad,
    Mind,
    Dim,
}

/// A cell.
#[derive(Debug, Clone)]
pub(super) struct Cell(pub(super) String, pub(super) Tone);

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Cell {
        Cell(text.into(), Tone::Plain)
    }
}

/// A column. The first column of a table is left-aligned and gives way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    pub(super) title: &'static str,
    pub(super) right: bool,
    /// Least width, so that the tables of one page line up.
    pub(super) least: usize,
}

/// Names.
pub(super) const fn left(title: &'static str, least: usize) -> Column {
    Column {
        title,
        right: false,
        least,
    }
}

/// Numbers.
pub(super) const fn right(title: &'static str, least: usize) -> Column {
    Column {
        title,
        right: true,
        least,
    }
}

/// The table's lines, its title line first.
pub(super) fn lines(
    page: &Page,
    indent: usize,
    columns: &[Column],
    rows: &[Vec<Cell>],
) -> Vec<String> {
    let mut widths: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(i, column)| {
            let cells = rows.iter().filter_map(|row| row.get(i));
            cells
                .map(|cell| width(&cell.0))
                .chain([width(column.title), column.least])
                .max()
                .unwrap_or(0)
        })
        .collect();
    let fixed: usize = indent + widths.iter().skip(1).map(|w| w + 1).sum::<usize>();
    if let Some(first) = widths.first_mut() {
        *first = (*first).min(page.width.saturating_sub(fixed).max(8));
    }
    let title: Vec<Cell> = columns
        .iter()
        .map(|c| Cell(c.title.to_owned(), Tone::Dim))
        .collect();
    std::iter::once(&title)
        .chain(rows)
        .map(|row| line(page, indent, columns, &widths, row))
        .collect()
}

fn line(page: &Page, indent: usize, columns: &[Column], widths: &[usize], row: &[Cell]) -> String {
    let mut line = " ".repeat(indent);
    for (i, ((cell, column), w)) in row.iter().zip(columns).zip(widths).enumerate() {
        if i > 0 {
            line.push(' ');
        }
        let text = shorten_middle(&cell.0, *w);
        let gap = " ".repeat(w - width(&text));
        let text = match cell.1 {
            Tone::Plain => text.into_owned(),
            Tone::Bad => page.paint.bad(&text),
            Tone::Mind => page.paint.mind(&text),
            Tone::Dim => page.paint.dim(&text),
        };
        if column.right {
            line.push_str(&gap);
            line.push_str(&text);
        } else {
            line.push_str(&text);
            line.push_str(&gap);
        }
    }
    line.truncate(line.trim_end().len());
    line
}
