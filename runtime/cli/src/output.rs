//! Data on stdout: tables where people read, JSON where they asked for it.

use comfy_table::{ContentArrangement, Table, presets};
use gristmill_core::clean::clean_lines;
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

/// Text of a producer's or a handler's: nothing in it acts on the terminal.
pub(crate) fn text(text: &str) {
    anstream::println!("{}", clean_lines(text));
}

/// A table with a head.
pub(crate) fn table<const N: usize>(head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) {
    anstream::println!("{}", rendered(&head, rows));
}

/// The same, not printed. Cells may hold what producers and handlers wrote: nothing in them acts on
/// the terminal.
pub(crate) fn rendered<R: IntoIterator<Item = String>>(
    head: &[&str],
    rows: impl IntoIterator<Item = R>,
) -> String {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    // A terminal that does not know its width says 0.
    if table.width() != Some(0) {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    }
    table.set_header(head.iter().copied());
    for row in rows {
        table.add_row(row.into_iter().map(|cell| clean_lines(&cell).into_owned()));
    }
    table.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_do_nothing_to_a_terminal() {
        let table =
            rendered(&["a", "b"], [["x\u{1b}]0;title\u{7}\u{1b}[2Jy".to_owned(), "\u{9b}31m1".to_owned()]]);
        assert!(table.contains("| xy | 1 |"), "{table}");
        assert_eq!(table.lines().count(), 3, "{table}");
    }
}
