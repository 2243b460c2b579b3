//! What became of the hostile jobs: each checked, and a table.

use std::collections::{BTreeSet, HashMap};

use anyhow::{Context, Result};
use gristmill_core::limits::Limits;
use gristmill_core::units::cut;
use gristmill_queue::{JobView, Queue};

use super::kinds::{End, Kind};
use super::late::Late;
use crate::bench::table;

/// What a kept log line may have beside the handler's text: its level, and the mark of a cut.
const LINE_EXTRA: usize = 32;

/// Prints the table and answers what was not as it must be, a line a kind. `took` is in ms, by id.
pub(super) async fn report(
    queue: &Queue,
    kinds: &[Kind],
    added: &[Vec<String>],
    took: &HashMap<String, f64>,
) -> Result<Vec<String>> {
    let head = [
        "hostile guest",
        "jobs",
        "ended as",
        "late p50 ms",
        "late worst ms",
        "outside p50 ms",
        "outside worst ms",
    ];
    let mut table = table::new_table(&head);
    let mut wrong = Vec::new();
    for (kind, ids) in kinds.iter().zip(added) {
        let (mut ends, mut inside, mut outside) = (BTreeSet::new(), Vec::new(), Vec::new());
        let mut first_wrong = None;
        for id in ids {
            let view =
                queue.job(id).await?.with_context(|| format!("the job {id} ({}) is gone", kind.name))?;
            let shown = shown(&view);
            if !as_expected(&view, &kind.end) || !bounded(&view) {
                first_wrong.get_or_insert_with(|| format!("{}: job {id} is {shown}", kind.name));
            }
            ends.insert(cut(&shown, 60).into_owned());
            if matches!(kind.end, End::Fails("timeout: ")) {
                let limit = kind.timeout_ms as f64;
                inside.extend(took.get(id).map(|took| took - limit));
                outside.extend(held_ms(&view).map(|held| held - limit));
            }
        }
        wrong.extend(first_wrong);
        let mut row = vec![
            kind.name.to_owned(),
            ids.len().to_string(),
            ends.into_iter().collect::<Vec<_>>().join("; "),
        ];
        for late in [Late::of(inside), Late::of(outside)] {
            row.extend(match late {
                Some(late) => [format!("{:.1}", late.median), format!("{:.1}", late.worst)],
                None => [String::new(), String::new()],
            });
        }
        table.add_row(row);
    }
    table::print(&table);
    Ok(wrong)
}

fn field<'a>(view: &'a JobView, name: &str) -> &'a str {
    view.fields.get(name).map_or("", String::as_str)
}

fn shown(view: &JobView) -> String {
    let what = if view.state == "failed" { field(view, "failedReason") } else { field(view, "returnvalue") };
    format!("{}: {what}", view.state)
}

fn as_expected(view: &JobView, end: &End) -> bool {
    match end {
        End::Fails(start) => view.state == "failed" && field(view, "failedReason").starts_with(start),
        End::Returns(value) => {
            view.state == "completed"
                && serde_json::from_str(field(view, "returnvalue"))
                    .is_ok_and(|v: serde_json::Value| value == &v)
        }
    }
}

/// Whether no more of what it said is kept than may be. The last line may say how much was dropped.
fn bounded(view: &JobView) -> bool {
    let limits = Limits::default();
    view.logs.len() <= limits.log_lines as usize + 1
        && view.logs.iter().all(|line| line.len() <= limits.log_line_bytes + LINE_EXTRA)
}

/// From when the worker took the job to when its outcome was there, as Redis has it.
fn held_ms(view: &JobView) -> Option<f64> {
    let at = |name| field(view, name).parse::<f64>().ok();
    Some(at("finishedOn")? - at("processedOn")?)
}
