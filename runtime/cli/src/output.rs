//! Data on stdout: tables where people read, JSON where they asked for it.

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use crate::failure::Failure;

/// One JSON document.
pub(crate) fn json<T: Serialize>(value: &T) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(Failure::new)?;
    anstream::println!("{text}");
    Ok(())
}

/// Ms since the epoch, as Redis has them, as a time that people read.
pub(crate) fn time(ms: &str) -> String {
    let at = ms.parse().ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    at.map_or_else(|| ms.to_owned(), |at| format!("{at:.0}"))
}

/// A table with a head.
pub(crate) fn table<const N: usize>(head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(head);
    for row in rows {
        table.add_row(row);
    }
    anstream::println!("{table}");
}
