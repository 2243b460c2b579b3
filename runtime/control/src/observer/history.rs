//! The rows of the history, what becomes of old ones, and values that are unlike what they are at such a time.

use std::collections::BTreeMap;

use gristmill_core::anomaly::{ANOMALY, Point, judge};
use gristmill_core::sample::{Sample, Series};
use gristmill_core::tally::Tally;
use gristmill_queue::{AnomalyRow, Monitor, Queue, QueueError};

use crate::beat;
use crate::server::Pages;

/// The steps of what is kept for long, ms.
pub(crate) const COARSE_MS: u64 = 15 * 60_000;
/// For how long single intervals are kept, ms.
pub(crate) const FINE_KEPT_MS: u64 = 26 * 3_600_000;
/// Series that are judged, each with the least spread in its own unit.
const JUDGED: [(Series, f64); 5] = [
    (Series::Backlog, 20.0),
    (Series::OldestWaitMs, 5_000.0),
    (Series::ErrorRate, 2.0),
    (Series::P95Ms, 50.0),
    (Series::CompletedPerMinute, 5.0),
];
/// Days that a value is compared with.
const BASELINE_MS: u64 = 8 * 24 * 3_600_000;

/// What is remembered while this worker has the turn.
#[derive(Default)]
pub(super) struct Memory {
    /// The end of the interval whose rows were written last.
    written_ms: u64,
    /// Coarse rows by queue, and until when they are taken as they are.
    baselines: BTreeMap<String, (u64, Vec<Sample>)>,
    /// What was odd when rows were written last.
    odd: Vec<AnomalyRow>,
}

/// Writes the rows of the newest interval that is whole, once each, and answers what is odd.
pub(super) async fn write(
    pages: &Pages,
    monitor: &Monitor,
    memory: &mut Memory,
    looks: &BTreeMap<String, Sample>,
    now_ms: u64,
) -> Result<Vec<AnomalyRow>, QueueError> {
    let monitoring = &pages.sources.config.monitoring;
    let millis = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let (step, kept) = (millis(monitoring.interval).max(1), millis(monitoring.retention));
    // What workers counted in an interval is all there a beat and a half after its end.
    let settled = now_ms.saturating_sub(millis(beat::period(monitoring.interval)) * 3 / 2);
    let end = settled - settled % step;
    if end <= memory.written_ms {
        return Ok(memory.odd.clone());
    }
    memory.odd.clear();
    for (name, look) in looks {
        let queue = Queue::new(monitor.connection().clone(), &pages.sources.prefix, name);
        let mut tally = Tally::default();
        for of in queue.tallies(step, [end - step]).await?.values() {
            tally.merge(of);
        }
        let row =
            Sample::new((end, step), look.depths, (look.oldest_wait_ms, look.paused), &tally, look.staff);
        monitor.add_row(name, step, &row, FINE_KEPT_MS.min(kept)).await?;
        if end / COARSE_MS != (end - step) / COARSE_MS {
            roll_up(monitor, name, step, end - end % COARSE_MS, kept).await?;
        }
        let found = odd(monitor, memory, name, step, end).await?;
        memory.odd.extend(found);
    }
    memory.baselines.retain(|name, _| looks.contains_key(name));
    memory.written_ms = end;
    monitor.put_anomalies(&memory.odd, 3 * step + COARSE_MS).await?;
    Ok(memory.odd.clone())
}

/// Makes one row of those that end in the quarter of an hour before `end`.
async fn roll_up(monitor: &Monitor, queue: &str, step: u64, end: u64, kept: u64) -> Result<(), QueueError> {
    let rows = monitor.rows(queue, step, (end.saturating_sub(COARSE_MS) + 1, end)).await?;
    if let Some(mut row) = Sample::roll_up(&rows) {
        row.at_ms = end;
        monitor.add_row(queue, COARSE_MS, &row, kept).await?;
    }
    Ok(())
}

/// What of a queue is odd: the last quarter of an hour against like ones before.
async fn odd(
    monitor: &Monitor,
    memory: &mut Memory,
    queue: &str,
    step: u64,
    end: u64,
) -> Result<Vec<AnomalyRow>, QueueError> {
    let stale = memory.baselines.get(queue).is_none_or(|(until, _)| *until <= end);
    if stale {
        let rows = monitor.rows(queue, COARSE_MS, (end.saturating_sub(BASELINE_MS), end)).await?;
        memory.baselines.insert(queue.to_owned(), (end + COARSE_MS, rows));
    }
    let lately = monitor.rows(queue, step, (end.saturating_sub(COARSE_MS) + 1, end)).await?;
    let Some(now) = Sample::roll_up(&lately) else { return Ok(Vec::new()) };
    let baseline = memory.baselines.get(queue).map_or(&[][..], |(_, rows)| rows);
    Ok(judge_all(queue, &now, baseline))
}

fn judge_all(queue: &str, now: &Sample, baseline: &[Sample]) -> Vec<AnomalyRow> {
    let judged = |(series, least): (Series, f64)| {
        let value = now.value(series)?;
        let point = |row: &Sample| Some(Point { at_ms: row.at_ms, value: row.value(series)? });
        let history: Vec<Point> = baseline.iter().filter_map(point).collect();
        let judged = judge(Point { at_ms: now.at_ms, value }, &history, least)?;
        (judged.score.abs() > ANOMALY).then(|| AnomalyRow {
            queue: queue.to_owned(),
            series: series.as_str().to_owned(),
            at_ms: now.at_ms,
            value,
            expected: judged.expected,
            score: judged.score,
        })
    };
    JUDGED.into_iter().filter_map(judged).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use gristmill_core::sample::{Depths, Staff};
    use gristmill_queue::{Connection, PrivateRedis};

    fn row(at_ms: u64, waiting: u64) -> Sample {
        let depths = Depths { waiting, ..Depths::default() };
        Sample::new((at_ms, 60_000), depths, (0, false), &Tally::default(), Staff::default())
    }

    #[test]
    fn a_backlog_that_there_never_was_is_odd() {
        let baseline: Vec<_> = (1..=40).map(|n| row(n * COARSE_MS, 10 + n % 3)).collect();
        let now = 41 * COARSE_MS;
        assert_eq!(judge_all("q", &row(now, 30), &baseline), []);
        let odd = judge_all("q", &row(now, 900), &baseline);
        assert_eq!((odd.len(), odd[0].series.as_str(), odd[0].value), (1, "backlog", 900.0));
        assert!(odd[0].score > 20.0 && (odd[0].expected - 11.0).abs() < 1.0, "{odd:?}");
    }

    #[tokio::test]
    async fn a_quarter_of_an_hour_becomes_one_row() {
        let server = PrivateRedis::start().await.unwrap();
        let (connection, _) = Connection::open(&server.url()).await.unwrap();
        let monitor = Monitor::new(connection, "bull");
        let kept = 30 * 24 * 3_600_000;
        for minute in 1..=31 {
            monitor.add_row("q", 60_000, &row(minute * 60_000, minute), kept).await.unwrap();
        }
        roll_up(&monitor, "q", 60_000, COARSE_MS, kept).await.unwrap();
        roll_up(&monitor, "q", 60_000, COARSE_MS, kept).await.unwrap();
        roll_up(&monitor, "q", 60_000, 2 * COARSE_MS, kept).await.unwrap();
        let rows = monitor.rows("q", COARSE_MS, (0, u64::MAX >> 1)).await.unwrap();
        let told: Vec<_> = rows.iter().map(|row| (row.at_ms, row.interval_ms, row.depths.waiting)).collect();
        assert_eq!(told, [(COARSE_MS, COARSE_MS, 8), (2 * COARSE_MS, COARSE_MS, 23)]);
    }
}
