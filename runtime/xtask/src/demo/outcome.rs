//! What became of the jobs: results written to files and checked, and the table at the end.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use comfy_table::{Table, presets};
use gristmill_queue::{Connection, JobView, Queue};
use serde_json::Value;

use super::jobs::{Batch, Expected};
use crate::steps::say;

/// Writes the results, prints the table, and answers whether every job ended as it was to end.
pub(crate) async fn report(
    connection: &Connection,
    batches: &[Batch],
    added: &[Vec<String>],
    out: &Path,
) -> Result<bool> {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header(["queue", "job", "jobs", "completed", "failed", "reason", "as expected"]);
    let mut all_fit = true;
    for (batch, ids) in batches.iter().zip(added) {
        let queue = Queue::new(connection.clone(), "bull", batch.queue);
        let (mut completed, mut failed, mut fits) = (0, 0, true);
        let mut reasons = BTreeSet::new();
        for id in ids {
            let view =
                queue.job(id).await?.with_context(|| format!("job {id} of {} is gone", batch.queue))?;
            fits &= as_expected(&view, batch.expected);
            match view.state {
                "completed" => completed += 1,
                "failed" => failed += 1,
                _ => {}
            }
            reasons.extend(view.fields.get("failedReason").cloned());
            if view.state == "completed" {
                keep_result(&view, batch.queue, out)?;
            }
        }
        all_fit &= fits;
        table.add_row([
            batch.queue.to_owned(),
            batch.name.to_owned(),
            ids.len().to_string(),
            completed.to_string(),
            failed.to_string(),
            reasons.into_iter().next().unwrap_or_default(),
            if fits { "yes" } else { "NO" }.to_owned(),
        ]);
    }
    #[expect(clippy::print_stdout, reason = "the table is this chore's data")]
    {
        println!("{table}");
    }
    say(&format!("pictures and documents are in {}", out.display()));
    Ok(all_fit)
}

fn as_expected(view: &JobView, expected: Expected) -> bool {
    let reason = view.fields.get("failedReason").map_or("", String::as_str);
    match expected {
        Expected::Completed => view.state == "completed",
        Expected::Failed(start) => view.state == "failed" && reason.starts_with(start),
    }
}

/// Writes a picture or a document to its file and checks that it is one.
fn keep_result(view: &JobView, queue: &str, out: &Path) -> Result<()> {
    let (field, ending) = match queue {
        "thumbnails" => ("image", "png"),
        "tax-documents" => ("pdf", "pdf"),
        _ => return Ok(()),
    };
    let returned: Value = serde_json::from_str(view.fields.get("returnvalue").map_or("", String::as_str))?;
    let text = returned[field]
        .as_str()
        .with_context(|| format!("job {} of {queue} returned no `{field}`", view.id))?;
    let bytes = BASE64.decode(text)?;
    let whole = match ending {
        "png" => bytes.starts_with(b"\x89PNG\r\n\x1a\n") && bytes.ends_with(b"IEND\xaeB`\x82"),
        _ => bytes.starts_with(b"%PDF-") && bytes.trim_ascii_end().ends_with(b"%%EOF"),
    };
    if !whole {
        bail!("what job {} of {queue} returned is not a whole {ending} file", view.id);
    }
    Ok(std::fs::write(out.join(format!("{queue}-{}.{ending}", view.id)), bytes)?)
}
