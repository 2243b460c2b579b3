use super::*;

fn row(at_ms: u64, waiting: u64, attempts: &[(bool, u64)]) -> Sample {
    let mut tally = Tally::default();
    for (failed, ms) in attempts {
        tally.record(*failed, false, ms * 1_000, Some(*ms));
    }
    let depths = Depths { waiting, prioritized: 1, failed: at_ms, ..Depths::default() };
    let staff = Staff { workers: 2, slots: 10, cpu_percent: 50.0, memory_percent: 10.0, memory_bytes: 100 };
    Sample::new((at_ms, 60_000), depths, (waiting * 10, false), &tally, staff)
}

#[test]
fn every_series_has_one_name_and_a_value() {
    let row = row(1, 3, &[(false, 10), (true, 30)]);
    for (name, series) in Series::ALL {
        assert_eq!((Series::parse(name), series.as_str()), (Some(series), name));
        assert!(row.value(series).is_some(), "{name}");
    }
    assert_eq!(Series::parse("depth"), None);
    assert_eq!(row.value(Series::Backlog), Some(4.0));
    assert_eq!(row.value(Series::ErrorRate), Some(50.0));
    assert_eq!(row.value(Series::CompletedPerMinute), Some(1.0));
}

#[test]
fn without_attempts_there_is_no_rate_and_no_time() {
    let row = row(1, 0, &[]);
    for series in [Series::ErrorRate, Series::TimeoutRate, Series::MeanMs, Series::P99Ms, Series::WaitP95Ms] {
        assert_eq!(row.value(series), None, "{series:?}");
    }
}

#[test]
fn a_rolled_up_row_adds_counts_and_keeps_the_worst() {
    let rows = [row(1, 2, &[(false, 10); 3]), row(2, 4, &[(true, 100)]), row(3, 6, &[])];
    let up = Sample::roll_up(&rows).unwrap();
    assert_eq!((up.at_ms, up.interval_ms, up.completed, up.failed), (3, 180_000, 3, 1));
    assert_eq!((up.depths.waiting, up.depths.failed, up.oldest_wait_ms), (4, 3, 60));
    assert!((up.mean_ms.unwrap() - 32.5).abs() < 1.0, "{:?}", up.mean_ms);
    assert!(up.p99_ms.unwrap() > 90.0 && up.p50_ms.unwrap() < 40.0);
    assert_eq!(Sample::roll_up(&[]), None);
}

#[test]
fn queues_together_add_their_depths() {
    let all = Sample::across(&[row(7, 2, &[(false, 10)]), row(7, 5, &[(true, 20)])]).unwrap();
    assert_eq!((all.depths.waiting, all.depths.prioritized, all.completed, all.failed), (7, 2, 1, 1));
    assert_eq!((all.interval_ms, all.staff.workers, all.oldest_wait_ms), (60_000, 2, 50));
}

#[test]
fn a_row_survives_its_text() {
    let row = row(5, 9, &[(false, 10)]);
    assert_eq!(serde_json::from_str::<Sample>(&serde_json::to_string(&row).unwrap()).unwrap(), row);
}
